"""Logins of mlflow without a slow password check at every request.

A password check is slow on purpose: half a second of one core. mlflow can cache correct passwords in each
process for a while, and then another worker still accepts a password that was changed. Here a correct
password is cached together with its stored hash. Once the hash changes, in any process, or the user is
deleted, the cache entry no longer matches.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from threading import Lock

from mlflow.exceptions import MlflowException
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

__all__ = ["Logins"]

#: Passwords in the cache.
MOST = 4096


class Logins(SqlAlchemyStore):
    """Users and permissions of mlflow, with a cache of correct passwords."""

    def __init__(self) -> None:
        super().__init__()
        # Cache entries are useless without the key of this process.
        self._key, self._lock = secrets.token_bytes(32), Lock()
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def authenticate_user(self, username: str, password: str, *, use_primary: bool = False) -> bool:
        """Return whether this is the current password of the user."""
        try:
            with self.ManagedSessionMaker(read_only=not use_primary) as session:
                stored = str(self._get_user(session, username).password_hash)
        except MlflowException:
            return False
        digest = hmac.digest(self._key, f"{stored}\0{password}".encode("utf-8", "surrogatepass"), "sha256")
        with self._lock:
            if digest in self._right:
                self._right.move_to_end(digest)
                return True
        if not super().authenticate_user(username, password, use_primary=use_primary):
            return False
        with self._lock:
            self._right[digest] = None
            while len(self._right) > MOST:
                self._right.popitem(last=False)
        return True
