"""Limit of the size of requests."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MOST_BYTES", "Limited"]

#: Evidence of many estimators in many bins takes about a megabyte.
MOST_BYTES = 32 * 2**20


class _TooLong(Exception):
    pass


class Limited:
    """Middleware that returns 413 for bodies over `most` bytes, with or without an announced length."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        refusal = JSONResponse({"detail": f"a body may have {self._most} bytes at most"}, 413)
        if not length.isdigit() or int(length) > self._most:
            await refusal(scope, receive, send)
            return
        size, responding = 0, False

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._most:
                raise _TooLong
            return message

        async def sending(message: Message) -> None:
            nonlocal responding
            # Drop the app's response to a truncated body; the client gets 413 instead.
            if size <= self._most or responding:
                responding = True
                await send(message)

        with suppress(_TooLong):
            await self._app(scope, counted, sending)
        if size > self._most and not responding:
            await refusal(scope, receive, send)
