"""The router of all pages, to include in the app of the server."""

from __future__ import annotations

from fastapi import APIRouter

from registry.server.pages import home
from registry.server.pages.compare import routes as compare_routes
from registry.server.pages.leaderboard import routes as leaderboard_routes
from registry.server.pages.model import routes as model_routes
from registry.server.pages.page_route import pages
from registry.server.pages.rendering import Refused
from registry.server.pages.search import routes as search_routes

__all__ = ["PARTS", "router"]

_last = pages()


@_last.get("/{path:path}")
def _nowhere(path: str) -> None:
    raise Refused(404, f"there is no page {path[:60]!r}: see all tasks")


#: Routers by page; the last returns 404 for every other address.
PARTS = (
    home.router,
    leaderboard_routes.router,
    compare_routes.router,
    model_routes.router,
    search_routes.router,
    _last,
)

router = APIRouter()
for _part in PARTS:
    router.include_router(_part)
