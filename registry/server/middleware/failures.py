"""Unexpected errors: log the traceback under a number, and return only the number to the client."""

from __future__ import annotations

import logging
import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Watched", "noted"]

#: The server's own log, with its times.
_LOG = logging.getLogger("uvicorn.error")


def noted(where: str) -> str:
    """Log the exception being handled; return the line for the client.

    Parameters
    ----------
    where : str
        The requested path; it is untrusted text.
    """
    number = secrets.token_hex(4)
    _LOG.exception("error %s at %.500r", number, where)
    return f"the server failed at this: whoever runs it finds error {number} in its log"


class Watched:
    """Middleware that logs exceptions and returns 500 as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        responding = False

        async def sending(message: Message) -> None:
            nonlocal responding
            responding = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            detail = noted(scope.get("path", ""))
            if responding:
                raise
            await JSONResponse({"detail": detail}, 500)(scope, receive, send)
