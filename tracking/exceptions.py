"""Exceptions of storage."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(RuntimeError):
    """Error of a database, an archive or artifacts that cannot be read or filled. Its text is one line."""
