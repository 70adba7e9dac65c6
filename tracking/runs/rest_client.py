"""The mlflow side of asking a Shashlik server: same address, login, retries and certificates as mlflow's."""

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

#: Where the routes of the server's REST are.
PREFIX = "/api/shashlik/v1"


class Conflicting(RuntimeError):
    """The server refused because something has changed in the meantime. Its text is what a user reads."""


def remote() -> bool:
    """Whether the store in use is behind a server that has journal and index, too.

    With SHASHLIK_DATABASE they are asked without it, as needs be where the server is another one.
    """
    return mlflow.get_tracking_uri().startswith(("http://", "https://")) and VARIABLE not in os.environ


def call(method: str, path: str, *, query: Any = None, body: Any = None) -> Any:
    """What the server answers.

    Parameters
    ----------
    method, path : str
        ``GET``, ``/leaderboard``.
    query : mapping or sequence of pairs, optional
    body : optional
        Sent as JSON.

    Raises
    ------
    Conflicting
        If the server says so (409).
    Unreachable
        If it does not answer, has no Shashlik on it, or refuses.
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
        told = response.json()
    except ValueError:
        told = None
    if response.status_code == 200 and told is not None:
        return told
    reason = told.get("detail", told) if isinstance(told, dict) else response.text.strip()[:200]
    if response.status_code == 409:
        raise Conflicting(str(reason))
    if response.status_code == 404 and not isinstance(told, dict):
        raise Unreachable(
            f"{address} is an MLflow server without Shashlik: start it with 'shashlik server', "
            f"or set {VARIABLE}"
        )
    raise Unreachable(f"{address} refuses ({response.status_code}): {reason}")
