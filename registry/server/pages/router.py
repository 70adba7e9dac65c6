"""The pages as one router, to be included in the app of the server."""

from __future__ import annotations

from fastapi import APIRouter

from registry.server.pages.look import Refused
from registry.server.pages.routes import compare, home, leaderboard, model, search
from registry.server.pages.routing import pages

__all__ = ["PARTS", "router"]

_last = pages()


@_last.get("/{path:path}")
def _nowhere(path: str) -> None:
    raise Refused(404, f"there is no page {path[:60]!r}: see all tasks")


#: Routers by page; the last says that there is no such page.
PARTS = (home.router, leaderboard.router, compare.router, model.router, search.router, _last)

router = APIRouter()
for _one in PARTS:
    router.include_router(_one)
