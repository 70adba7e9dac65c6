"""How much a request may bring along."""

from __future__ import annotations

from contextlib import suppress

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["MOST_BYTES", "Limited"]

#: Evidence of many estimators in many bins has a megabyte.
MOST_BYTES = 32 * 2**20


class _TooLong(Exception):
    pass


class Limited:
    """Answers 413 to a body of more than `most` bytes, whether or not its length was announced."""

    def __init__(self, app: ASGIApp, most: int = MOST_BYTES) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = dict(scope["headers"]).get(b"content-length", b"0")
        refusal = JSONResponse({"detail": f"a body may have {self._most} bytes at most"}, 413)
        if not announced.isdigit() or int(announced) > self._most:
            await refusal(scope, receive, send)
            return
        taken, begun = 0, False

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._most:
                raise _TooLong
            return message

        async def sending(message: Message) -> None:
            nonlocal begun
            # Whatever the app makes of a body that broke off, it is not what is wrong with it.
            if taken <= self._most or begun:
                begun = True
                await send(message)

        with suppress(_TooLong):
            await self._app(scope, counted, sending)
        if taken > self._most and not begun:
            await refusal(scope, receive, send)
