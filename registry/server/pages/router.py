"""The pages as one router, to be included in the app of the server."""

from __future__ import annotations

from fastapi import APIRouter

from registry.server.pages.look import Refused
from registry.server.pages.routes import compare, home, leaderboard, model, search
from registry.server.pages.routing import pages

__all__ = ["router"]

_last = pages()


@_last.get("/{path:path}")
def _nowhere(path: str) -> None:
    raise Refused(404, f"there is no page {path[:60]!r}: see all tasks")


router = APIRouter()
for _one in (home.router, leaderboard.router, compare.router, model.router, search.router, _last):
    router.include_router(_one)
