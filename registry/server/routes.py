"""Routes of Shashlik on mlflow's app."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse
from mlflow.exceptions import MlflowException
from starlette.routing import Mount

from registry.server.access import Caller, caller
from registry.server.middleware.failures import Watched, noted
from registry.server.middleware.limits import Limited
from registry.server.middleware.metrics import exposition
from registry.server.rest import evidence as rest_evidence
from registry.server.rest import journal as rest_journal
from registry.server.stores import engine
from tracking.database import Unreachable, reading
from tracking.runs.rest_client import PREFIX

__all__ = [
    "OPEN",
    "include",
    "metrics",
    "ready",
    "rest",
]

#: Routes without login, for monitoring.
OPEN = ("/ready",)


def include(app: FastAPI) -> None:
    """Insert our routes before mlflow's catch-all route."""
    before = len(app.router.routes)
    # Some load balancers send HEAD requests.
    app.add_api_route("/ready", ready, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/metrics", metrics, include_in_schema=False)
    app.router.routes.append(Mount(PREFIX, rest()))
    if find_spec("registry.server.pages"):
        pages = import_module("registry.server.pages.router").router
        app.include_router(pages, dependencies=[Depends(caller)])
    ours = app.router.routes[before:]
    del app.router.routes[before:]
    app.router.routes[:0] = ours


def rest() -> FastAPI:
    """Create the REST app; its OpenAPI requires the login like all other routes."""
    app = _app("Shashlik")
    app.description = (
        "Evidence and the journal of champions. Numbers that do not exist are the strings nan and inf. "
        "Refusals are 401 without a login, 403 without a permission, 409 where something has changed in the "
        "meantime, 413 and 422 for what cannot be taken; each says why in `detail`."
    )
    app.include_router(rest_evidence.router)
    app.include_router(rest_journal.router)

    @app.get("/openapi.json", include_in_schema=False)
    def openapi(who: Annotated[Caller, Depends(caller)]) -> JSONResponse:
        schema = app.openapi()
        return JSONResponse(schema | {"servers": [{"url": PREFIX}]})

    return app


def ready() -> Response:
    """Report whether the database responds."""
    try:
        with reading(engine()) as connection:
            connection.execute(sa.text("SELECT 1"))
    except (sa.exc.SQLAlchemyError, OSError):
        return PlainTextResponse("the database does not answer", 503)
    return PlainTextResponse("ready")


def metrics(who: Annotated[Caller, Depends(caller)]) -> Response:
    """Report request counts for Prometheus."""
    return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _app(title: str) -> FastAPI:
    app = FastAPI(
        title=title,
        version=version("shashlik"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    # The middleware added last runs first, so that a body that is too long is no failure.
    app.add_middleware(Watched)
    app.add_middleware(Limited)
    app.add_exception_handler(MlflowException, _of_mlflow)
    for kind, status in (
        # Text that the database cannot store: NUL, lone surrogates.
        (sa.exc.DataError, 422),
        (UnicodeError, 422),
        (sa.exc.OperationalError, 503),
        (sa.exc.InterfaceError, 503),
        (sa.exc.TimeoutError, 503),
        (Unreachable, 503),
    ):
        app.add_exception_handler(kind, _answer(status))
    return app


def _of_mlflow(request: Request, error: Exception) -> Response:
    assert isinstance(error, MlflowException)
    return JSONResponse({"detail": error.message}, error.get_http_status_code())


def _answer(status: int) -> Any:
    detail = {422: "this text cannot be stored", 503: "the database does not answer: try again"}[status]

    def answer(request: Request, error: Exception) -> Response:
        if status == 503:
            noted(request.url.path)
        return JSONResponse({"detail": detail}, status)

    return answer
