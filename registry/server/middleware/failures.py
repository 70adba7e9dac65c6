"""What nobody expected: its traceback goes to the log under a number, which is all that a client is told."""

from __future__ import annotations

import logging
import secrets

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Watched", "noted"]

#: The server's own log, with its times.
_LOG = logging.getLogger("uvicorn.error")


def noted(where: str) -> str:
    """Log the exception that is being handled; returns the line for whoever asked.

    Parameters
    ----------
    where : str
        What was asked for; it is from outside and may hold anything.
    """
    number = secrets.token_hex(4)
    _LOG.exception("error %s at %.500r", number, where)
    return f"the server failed at this: whoever runs it finds error {number} in its log"


class Watched:
    """Answers 500 to what raises, as JSON, and notes it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception:
            told = noted(scope.get("path", ""))
            if begun:
                raise
            await JSONResponse({"detail": told}, 500)(scope, receive, send)
