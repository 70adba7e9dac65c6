"""What storage cannot do."""

from __future__ import annotations

__all__ = ["Refused"]


class Refused(RuntimeError):
    """A database, an archive or artifacts cannot be read or filled. Its text is the one line a user reads."""
