"""All tasks, and the files that pages need."""

from __future__ import annotations

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from registry import versions
from registry.server.pages import access, overview, sources
from registry.server.pages.look import STATIC, Refused, page
from registry.server.pages.model import told
from registry.server.pages.routing import pages
from registry.state import state
from tracking.index.records import Selection

__all__ = ["home", "router", "static"]

router = pages()
_FILES = {"style.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8"}


@router.get("")
@router.get("/")
def home(request: Request) -> HTMLResponse:
    """Tasks with their champions."""
    index, journal = sources.index(), sources.journal()
    allowed = access.experiments(request)
    counts = overview.tasks(index, Selection(experiments=allowed))
    cards = []
    for name in sorted({*counts, *(journal.tasks() if allowed is None else ())}):
        entries = journal.entries(name)
        now = state(entries)
        since = [e.time for e in entries if e.version == now.champion and e.event in ("promote", "rollback")]
        newest = overview.newest(index, Selection(task=name, experiments=allowed))
        cards.append({
            "name": name, "champion": now.champion, "since": since[-1] if since else "",
            "baselines": list(now.baselines), "versions": len(versions.listed(name)),
            "runs": counts.get(name, 0), "last": told(entries[-1]) if entries else None,
            "experiment_id": newest[0].experiment if newest else "",
        })  # fmt: skip
    return page("tasks", title="Tasks", task="", tab="", tasks=cards)


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Style and script of the pages."""
    if name not in _FILES:
        raise Refused(404, "there is no such file")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=300"}
    return Response((STATIC / name).read_bytes(), media_type=_FILES[name], headers=headers)
