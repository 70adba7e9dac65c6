"""Who asks, and what they may do: by the same login and the same permissions as mlflow's own routes.

mlflow itself is asked, within this process, over its own REST with the credentials of the request. So
whatever decides there decides here, another authorization function included.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fastapi import HTTPException, Request
from mlflow.server import app as mlflow_app

__all__ = ["AUTH", "Caller", "caller"]

#: Set by `shashlik server` where logins are wanted.
AUTH = "SHASHLIK_AUTH"
_RANKS = ("READ", "USE", "EDIT", "MANAGE")
_EXPERIMENT, _MODEL = "experiment", "registered_model"


@dataclass(frozen=True)
class Caller:
    """Whoever sent a request.

    Parameters
    ----------
    name : str
        Login; empty on a server without logins, where everybody may do everything but overrule the gate.
    admin : bool
    headers : mapping
        Of the request, as far as mlflow needs them.
    """

    name: str = ""
    admin: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _known(self) -> dict[tuple[str, str], str]:
        return {}

    def readable(self, experiments: Collection[str]) -> tuple[str, ...]:
        """Those experiments that may be read."""
        return tuple(one for one in sorted(experiments) if self._may(_EXPERIMENT, one, "READ"))

    def need_experiment(self, experiment: str, level: str) -> None:
        """Refuse with 403 whoever may not do this with an experiment."""
        self._need(_EXPERIMENT, experiment, level)

    def need_task(self, task: str, level: str) -> None:
        """Refuse with 403 whoever may not do this with the registered model of a task."""
        self._need(_MODEL, task, level)

    def may_read_task(self, task: str) -> bool:
        """Whether the registered model of a task may be read."""
        return self._may(_MODEL, task, "READ")

    def need_admin(self) -> None:
        """Refuse with 403 whoever is no administrator, as everybody is on a server without logins."""
        if not self.admin:
            hint = "" if self.name else ": this server has no logins, so give the command beside its database"
            raise HTTPException(403, f"only an administrator may overrule the gate{hint}")

    def _need(self, kind: str, key: str, level: str) -> None:
        if not self._may(kind, key, level):
            raise HTTPException(403, f"{self.name} has no permission {level} on {kind} {key!r}")

    def _may(self, kind: str, key: str, level: str) -> bool:
        if not self.name or self.admin:
            return True
        if (kind, key) not in self._known:
            query = {"username": self.name, "resource_type": kind, "resource_id": key}
            told = _ask("/api/3.0/mlflow/users/permissions/get", self.headers, query)
            self._known[kind, key] = (told or {}).get("permission", "")
        held = self._known[kind, key]
        return held in _RANKS and _RANKS.index(held) >= _RANKS.index(level)


def caller(request: Request) -> Caller:
    """Whoever sent the request.

    Raises
    ------
    HTTPException
        401 without a valid login, where one is needed.
    """
    if not os.environ.get(AUTH):
        return Caller()
    # The host is checked there as well.
    headers = {name: request.headers[name] for name in ("authorization", "host") if name in request.headers}
    told = _ask("/api/2.0/mlflow/users/current", headers) if "authorization" in headers else None
    if told is None:
        raise HTTPException(401, "log in first", {"WWW-Authenticate": 'Basic realm="mlflow"'})
    return Caller(told["user"]["username"], told["user"]["is_admin"], headers)


def _ask(path: str, headers: dict[str, str], query: dict[str, str] | None = None) -> Any:
    """What mlflow answers to a question, None if it refuses."""
    found = mlflow_app.test_client().get(path, headers=headers, query_string=query)
    return found.get_json() if found.status_code == 200 else None
