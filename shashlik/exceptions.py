"""Input that a user can correct."""

from __future__ import annotations

__all__ = ["BadInput"]


class BadInput(ValueError):
    """Input that cannot be used. Its text is the one line a user reads: value, what is allowed, next step."""
