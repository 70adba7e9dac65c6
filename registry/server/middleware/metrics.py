"""Metrics for Prometheus: number and duration of requests to mlflow's routes and ours."""

from __future__ import annotations

import os
import time

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Counted", "exposition"]

_LABELS = ("method", "area", "status")
_REQUESTS = Counter("shashlik_requests", "Requests answered.", _LABELS)
_SECONDS = Histogram("shashlik_request_seconds", "Time until an answer was complete.", ("method", "area"))
#: Area of a path by its prefix; a label may only have few values.
_AREAS = {
    "/api/shashlik/": "shashlik",
    "/shashlik": "pages",
    "/api/2.0/mlflow-artifacts/": "artifacts",
    "/ajax-api/2.0/mlflow-artifacts/": "artifacts",
    "/api/": "mlflow",
    "/ajax-api/": "mlflow-ui",
    "/graphql": "mlflow-ui",
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Counted:
    """Middleware that counts and times requests."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            area = next((name for start, name in _AREAS.items() if scope["path"].startswith(start)), "other")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _REQUESTS.labels(method, area, str(status)).inc()
            _SECONDS.labels(method, area).observe(time.perf_counter() - begin)


def exposition() -> bytes:
    """Export the counts in the format of Prometheus, for all workers."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    collector = CollectorRegistry()
    MultiProcessCollector(collector)
    return generate_latest(collector)
