"""Routes of pages: every error becomes one line on a page."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from registry.server.middleware.failures import noted
from registry.server.pages.artifacts import Unshown
from registry.server.pages.rendering import Refused, refusal
from tracking.database import Unreachable
from tracking.report.links import PAGES
from tracking.runs.lifecycle import CannotRecord

__all__ = ["LONGEST_QUERY", "pages"]

#: The database is gone or busy; its other errors are failures of the server.
_NO_DATABASE = (sa.exc.OperationalError, sa.exc.InterfaceError, sa.exc.TimeoutError, Unreachable)

#: Characters of a query; limits of browsers and proxies are similar.
LONGEST_QUERY = 8000


class _Page(APIRoute):
    """A route that shows its errors on a page."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that renders errors as pages."""
        handle = super().get_route_handler()

        async def shown(request: Request) -> Response:
            try:
                if len(request.url.query) > LONGEST_QUERY:
                    raise Refused(400, f"the address has more than {LONGEST_QUERY} characters: ask for less")
                return await handle(request)
            except Refused as error:
                return refusal(request, error)
            except Unshown as error:
                return refusal(request, Refused(error.status, str(error)))
            except CannotRecord as error:
                return refusal(request, Refused(404, str(error)))
            except HTTPException as error:
                if error.status_code == 401:
                    raise  # The browser asks for the login.
                return refusal(request, Refused(error.status_code, str(error.detail)))
            except _NO_DATABASE:
                noted(request.url.path)
                return refusal(request, Refused(503, "the database does not answer: try again in a moment"))
            except RequestValidationError as error:
                first = error.errors()[0]
                name = str(first["loc"][-1])[:60]
                return refusal(request, Refused(400, f"{name} of the address cannot be used: {first['msg']}"))
            except Exception:
                return refusal(request, Refused(500, noted(request.url.path)))

        return shown


def pages() -> APIRouter:
    """Create a router of pages, which are not part of the OpenAPI."""
    return APIRouter(prefix=PAGES, route_class=_Page, include_in_schema=False)
