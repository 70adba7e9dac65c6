"""Who may see what: the experiments whose runs the user of a request may read."""

from __future__ import annotations

from fastapi import Request

__all__ = ["experiments"]


def experiments(request: Request) -> tuple[str, ...] | None:
    """Ids of the experiments that may be read; None for all, where the server has no logins."""
    return None
