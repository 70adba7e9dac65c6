"""Exception for input that the user can correct."""

from __future__ import annotations

__all__ = ["BadInput"]


class BadInput(ValueError):
    """Unusable input. Its text is the single line shown to the user: value, allowed values, next step."""
