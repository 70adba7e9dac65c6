"""Pages show what the REST would tell the same caller, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import mlflow
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from journal_suite import promote
from logins import NOBODY, READER, Server
from mlflow.tracking import MlflowClient
from starlette.routing import Mount

from registry.journal.remote import RemoteJournal
from registry.server.pages.router import PARTS
from registry.server.routes import OPEN, include
from tracking.evidence.resolution import Evidence
from tracking.index.records import Origin
from tracking.index.remote import RemoteIndex
from tracking.runs.rest_client import PREFIX, call


def paths(task: str, run: str) -> list[str]:
    """All pages, figures and files, as the router has them."""
    given = {"task": task, "run_id": run, "number": 1, "kind": "svg", "name": "style.css", "path": "x"}
    found = [route.path.replace(":path", "").format(**given) for part in PARTS for route in part.routes]
    assert len(found) >= 15
    return found


@pytest.fixture
def secret(model: str, evidence: Evidence) -> tuple[str, str, str]:
    """Task, run and experiment of what only the administrator may see until others are let in."""
    experiment = mlflow.create_experiment(f"secret-{uuid4().hex[:8]}")
    run = MlflowClient().create_run(experiment, tags={"task": model})
    mine = replace(evidence, facts=replace(evidence.facts, task=model))
    MlflowClient().log_text(run.info.run_id, mine.to_json(), "evidence/evidence.json")
    RemoteIndex(call).put(Origin(run.info.run_id, experiment, "", "test", "evidence/evidence.json", 1), mine)
    promote(RemoteJournal(call), model, 1, None)
    return model, run.info.run_id, experiment


def test_without_a_login_no_page_is_shown(server: Server) -> None:
    for path in paths("toy", "0" * 32):
        answer = server.ask("GET", path, None)
        assert answer.status_code == 401, path
        assert answer.headers["WWW-Authenticate"].startswith("Basic"), "the browser asks for the login"


def every(routes: Iterable[Any]) -> Iterator[str]:
    """All paths, those of routers that are included and of apps that are mounted too."""
    for route in routes:
        if isinstance(route, Mount):
            yield from (f"{route.path}{path}" for path in every(route.routes))
        elif isinstance(route, APIRoute):
            yield route.path
        else:
            yield from every(route.original_router.routes)


def test_by_no_method_anything_is_told_without_a_login(server: Server) -> None:
    """Every path that we add to mlflow's app, from that app itself."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    include(app)
    found = sorted(set(every(app.routes)) - set(OPEN))
    assert {"/metrics", f"{PREFIX}/openapi.json", "/shashlik/static/{name}"} <= set(found)
    assert len(found) >= 30
    for path in found:
        place = re.sub(r"{.*?}", "1", path)
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"):
            status = server.ask(method, place, None).status_code
            assert status in ({401} if method == "GET" and not path.startswith(PREFIX) else {401, 405}), (
                method,
                path,
                status,
            )
    assert [server.ask(method, "/ready", None).status_code for method in ("GET", "HEAD")] == [200, 200]


def test_without_a_permission_nothing_of_a_task_is_shown(
    server: Server, secret: tuple[str, str, str]
) -> None:
    task, run, _ = secret
    home = server.ask("GET", "/shashlik", NOBODY)
    assert home.status_code == 200
    assert task not in home.text
    for path in paths(task, run):
        if task in path:
            answer = server.ask("GET", path, NOBODY, params={"item": run})
            assert answer.status_code in (403, 404), path
            assert "network" not in answer.text, "what only evidence says"


def test_with_a_permission_on_the_experiment_runs_are_shown_and_the_journal_is_not(
    server: Server, secret: tuple[str, str, str]
) -> None:
    task, run, experiment = secret
    server.grant(READER, "experiment", experiment, "READ")
    board = server.ask("GET", f"/shashlik/leaderboard/{task}", READER)
    assert board.status_code == 200, board.text
    assert run in board.text
    assert "champion" not in board.text
    compared = server.ask("GET", f"/shashlik/compare/{task}", READER, params={"item": run})
    assert compared.status_code == 200
    assert server.ask("GET", f"/shashlik/model/{task}", READER).status_code == 403
    server.grant(READER, "registered_model", task, "READ")
    model = server.ask("GET", f"/shashlik/model/{task}", READER)
    assert model.status_code == 200
    assert "promoted" in model.text
