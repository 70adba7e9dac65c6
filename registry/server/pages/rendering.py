"""Rendering of pages: templates in the style of the MLflow UI, security headers, error pages.

Pages have no inline scripts or styles, so the Content-Security-Policy allows none. Templates escape all
content. The pages work without JavaScript.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined

from tracking.report.links import PAGES, address, run_page

__all__ = ["POLICY", "STATIC", "Refused", "download", "moment", "page", "refusal", "ui"]

POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; object-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
STATIC = Path(__file__).parent / "static"
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    # Content depends on the login.
    "Cache-Control": "private, no-cache",
}


class Refused(Exception):
    """A page cannot be shown.

    The text of the exception is the one line shown to users.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


def ui(*parts: object) -> str:
    """Return the address of a page of the MLflow UI, in its view for model training."""
    return f"/#/{'/'.join(quote(str(part), safe='') for part in parts)}?workflowType=machine_learning"


def moment(value: float | str | None) -> str:
    """Format ISO 8601 or milliseconds since 1970 as ``2026-01-31 12:00`` in UTC."""
    if not value:
        return ""
    if isinstance(value, str):
        return value[:16].replace("T", " ")
    return f"{datetime.fromtimestamp(value / 1000, UTC):%Y-%m-%d %H:%M}"


_TEMPLATES = Environment(
    loader=PackageLoader("registry.server.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.globals |= {"address": address, "ui": ui, "home": PAGES, "run_page": run_page}
_TEMPLATES.filters |= {"moment": moment}


def page(template: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render a page from its template."""
    text = _TEMPLATES.get_template(f"{template}.html").render(**values)
    return HTMLResponse(text, status_code=status, headers=dict(_HEADERS))


def refusal(request: Request, error: Refused) -> HTMLResponse:
    """Render an error as a page with one line."""
    title = {400: "That cannot be shown", 403: "Not allowed", 404: "Not found"}.get(error.status, "Trouble")
    return page("refused", status=error.status, title=title, reason=str(error), task="")


def download(content: str | bytes, kind: str, name: str = "") -> Response:
    """Return a figure or a file; with a name the browser saves it."""
    headers = _HEADERS | {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    if name:
        headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    return Response(content, media_type=kind, headers=headers)
