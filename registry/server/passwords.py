"""Logins of mlflow, without the price of checking the same right password again at every request.

A password is checked slowly on purpose, half a second of a core. mlflow can remember the right ones in each
process for a while, and there another worker goes on to take a password that was changed. Here a password is
remembered together with the stored hash that it was right for: once that has changed, in whatever process,
or the user is gone, nothing is left to remember.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from threading import Lock

from mlflow.exceptions import MlflowException
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

__all__ = ["Logins"]

#: Passwords that are remembered.
MOST = 4096


class Logins(SqlAlchemyStore):
    """Users and permissions as mlflow keeps them; right passwords are recognised."""

    def __init__(self) -> None:
        super().__init__()
        # What is remembered is of no use without this process's key.
        self._key, self._lock = secrets.token_bytes(32), Lock()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def authenticate_user(self, username: str, password: str, *, use_primary: bool = False) -> bool:
        """Whether that is the password of that user now."""
        try:
            with self.ManagedSessionMaker(read_only=not use_primary) as session:
                stored = str(self._get_user(session, username).password_hash)
        except MlflowException:
            return False
        known = hmac.digest(self._key, f"{stored}\0{password}".encode("utf-8", "surrogatepass"), "sha256")
        with self._lock:
            if known in self._right:
                self._right.move_to_end(known)
                return True
        if not super().authenticate_user(username, password, use_primary=use_primary):
            return False
        with self._lock:
            self._right[known] = None
            while len(self._right) > MOST:
                self._right.popitem(last=False)
        return True
