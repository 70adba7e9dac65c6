"""Requests to a Shashlik server, with the address, login, retries and certificates of mlflow."""

from __future__ import annotations

import os
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import get_default_host_creds
from mlflow.utils.rest_utils import http_request

from tracking.database import VARIABLE, Unreachable
from tracking.runs.lifecycle import one_line

__all__ = ["PREFIX", "Conflicting", "call", "remote"]

#: Path of the server's REST routes.
PREFIX = "/api/shashlik/v1"


class Conflicting(RuntimeError):
    """Refusal of the server because something changed in the meantime. Its text is for the user."""


def remote() -> bool:
    """Check whether the store in use is behind a server that also has the journal and the index.

    With SHASHLIK_DATABASE both are accessed directly, which is necessary with any other server.
    """
    return mlflow.get_tracking_uri().startswith(("http://", "https://")) and VARIABLE not in os.environ


def call(method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
    """Send a request and return the answer of the server.

    Parameters
    ----------
    method, path : str
        Method and path, e.g. ``GET`` and ``/leaderboard``.
    query : mapping or sequence of pairs, optional
    body : optional
        Content, sent as JSON.

    Raises
    ------
    Conflicting
        If the server reports a conflict (409).
    Unreachable
        If the server does not answer, runs without Shashlik, or refuses.
    """
    address = mlflow.get_tracking_uri()
    try:
        response = http_request(
            get_default_host_creds(address),
            f"{PREFIX}{path}",
            method,
            raise_on_status=False,
            params=query,
            json=body,
        )
    except (MlflowException, OSError) as error:
        raise Unreachable(f"{address} does not answer: {one_line(error)}") from error
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code == 200 and answer is not None:
        return answer
    reason = answer.get("detail", answer) if isinstance(answer, dict) else response.text.strip()[:200]
    if response.status_code == 409:
        raise Conflicting(str(reason))
    if response.status_code == 404 and not isinstance(answer, dict):
        raise Unreachable(
            f"{address} is an MLflow server without Shashlik: start it with 'shashlik server', "
            f"or set {VARIABLE}"
        )
    raise Unreachable(f"{address} refuses ({response.status_code}): {reason}")
