"""Authentication and authorization: the same logins and permissions as mlflow's own routes.

mlflow itself is queried within this process, through its own REST, with the credentials of the request.
So its decisions apply here too, including those of a custom authorization function.
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

#: Set by `shashlik server` to require logins.
AUTH = "SHASHLIK_AUTH"
_RANKS = ("READ", "USE", "EDIT", "MANAGE")
_EXPERIMENT, _MODEL = "experiment", "registered_model"


@dataclass(frozen=True)
class Caller:
    """The sender of a request.

    Parameters
    ----------
    name : str
        Login; empty on a server without logins, where everyone may do everything except overrule the gate.
    admin : bool
    headers : mapping
        Headers of the request that mlflow needs.
    """

    name: str = ""
    admin: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @cached_property
    def _known(self) -> dict[tuple[str, str], str]:
        return {}

    def readable(self, experiments: Collection[str]) -> tuple[str, ...]:
        """Return the experiments that the caller may read."""
        return tuple(
            experiment for experiment in sorted(experiments) if self._may(_EXPERIMENT, experiment, "READ")
        )

    def need_experiment(self, experiment: str, level: str) -> None:
        """Raise 403 unless the caller has this permission on an experiment."""
        self._need(_EXPERIMENT, experiment, level)

    def need_task(self, task: str, level: str) -> None:
        """Raise 403 unless the caller has this permission on the registered model of a task."""
        self._need(_MODEL, task, level)

    def may_read_task(self, task: str) -> bool:
        """Return whether the caller may read the registered model of a task."""
        return self._may(_MODEL, task, "READ")

    def need_admin(self) -> None:
        """Raise 403 unless the caller is an administrator; a server without logins has none."""
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
            answer = _ask("/api/3.0/mlflow/users/permissions/get", self.headers, query)
            self._known[kind, key] = (answer or {}).get("permission", "")
        permission = self._known[kind, key]
        return permission in _RANKS and _RANKS.index(permission) >= _RANKS.index(level)


def caller(request: Request) -> Caller:
    """Identify the sender of the request.

    Raises
    ------
    HTTPException
        401 without a valid login, if one is required.
    """
    if not os.environ.get(AUTH):
        return Caller()
    # mlflow checks the host as well.
    headers = {name: request.headers[name] for name in ("authorization", "host") if name in request.headers}
    answer = _ask("/api/2.0/mlflow/users/current", headers) if "authorization" in headers else None
    if answer is None:
        raise HTTPException(401, "log in first", {"WWW-Authenticate": 'Basic realm="mlflow"'})
    return Caller(answer["user"]["username"], answer["user"]["is_admin"], headers)


def _ask(path: str, headers: dict[str, str], query: dict[str, str] | None = None) -> Any:
    """Query mlflow; return None if it refuses."""
    response = mlflow_app.test_client().get(path, headers=headers, query_string=query)
    return response.get_json() if response.status_code == 200 else None
