"""The page of all tasks, and the static files of the pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse

from registry.journal.state import state
from registry.models import versions
from registry.server.middleware.failures import noted
from registry.server.pages import index_queries
from registry.server.pages.access import Reader, Reads
from registry.server.pages.model.timeline import told
from registry.server.pages.page_route import pages
from registry.server.pages.rendering import STATIC, Refused, page
from registry.server.stores import index, registry
from tracking.index.records import Selection

__all__ = ["home", "router", "static"]

router = pages()
_FILES = {"style.css": "text/css; charset=utf-8", "pages.js": "text/javascript; charset=utf-8"}


@router.get("")
@router.get("/")
def home(reads: Reads) -> HTMLResponse:
    """Show all tasks with their champions."""
    journal, selection = registry().journal, reads.selection()
    counts = index_queries.tasks(index(), selection)
    cards = []
    for name in sorted({*counts, *filter(reads.journal, journal.tasks())}):
        try:
            cards.append(_card(reads, selection, name) | {"runs": counts.get(name, 0), "trouble": ""})
        except (ValueError, TypeError, LookupError, AssertionError):
            # A damaged journal must not hide the other tasks.
            cards.append({"name": name, "trouble": f"its journal is damaged; {noted(name)}"})
    return page("tasks", title="Tasks", task="", tab="", tasks=cards)


def _card(reads: Reader, selection: Selection, name: str) -> dict[str, Any]:
    readable = reads.journal(name)
    entries = registry().journal.entries(name) if readable else ()
    now = state(entries)
    since = [e.time for e in entries if e.version == now.champion and e.event in ("promote", "rollback")]
    newest = index_queries.newest(index(), replace(selection, task=name))
    return {
        "name": name,
        "champion": now.champion,
        "since": since[-1] if since else "",
        "baselines": list(now.baselines),
        "versions": len(versions.listed(name)) if readable else 0,
        "last": told(entries[-1]) if entries else None,
        "experiment_id": newest[0].experiment if newest else "",
    }


@router.get("/static/{name}")
def static(name: str) -> Response:
    """Serve the stylesheet and the script of the pages."""
    if name not in _FILES:
        raise Refused(404, "there is no such file")
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "public, max-age=300"}
    return Response((STATIC / name).read_bytes(), media_type=_FILES[name], headers=headers)
