"""A server with logins, and who may log in there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import requests

__all__ = ["ADMIN", "EDITOR", "NOBODY", "READER", "Server"]

ADMIN = ("admin", "correct horse battery")
#: Users of the tests; the first two are given permissions, the last has none.
EDITOR, READER, NOBODY = (
    ("editor", "edits every day 1"),
    ("reader", "reads every day 1"),
    ("nobody", "may do nothing 1"),
)


@dataclass(frozen=True)
class Server:
    """A running server.

    Parameters
    ----------
    address : str
    folder : pathlib.Path
        Where it keeps everything.
    """

    address: str
    folder: Path

    def ask(
        self, method: str, path: str, user: tuple[str, str] | None = ADMIN, **more: object
    ) -> requests.Response:
        """Send one request."""
        return requests.request(method, f"{self.address}{path}", auth=user, timeout=60, **more)  # type: ignore[arg-type]

    def grant(self, user: tuple[str, str], kind: str, key: str, permission: str) -> None:
        """Give a user a permission."""
        body = {"username": user[0], "resource_type": kind, "resource_id": key, "permission": permission}
        told = self.ask("POST", "/api/3.0/mlflow/users/permissions/grant", json=body)
        assert told.status_code == 200, told.text
