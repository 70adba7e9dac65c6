"""One server with logins for all tests here: starting it takes longer than most of them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import mlflow
import pytest
from logins import ADMIN, EDITOR, NOBODY, READER, Server
from mlflow.tracking import MlflowClient
from nursery import nursery
from servers import shashlik_server

__all__ = ["login", "model", "nursery", "server"]


@pytest.fixture(scope="session")
def server(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
    shutil.copy(empty_store, folder / "mlflow.db")
    with shashlik_server(folder, "--auth", MLFLOW_AUTH_ADMIN_PASSWORD=ADMIN[1]) as (address, _):
        found = Server(address, folder)
        for name, password in (EDITOR, READER, NOBODY):
            made = found.ask(
                "POST", "/api/2.0/mlflow/users/create", json={"username": name, "password": password}
            )
            assert made.status_code == 200, made.text
        yield found


@pytest.fixture
def login(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[tuple[str, str]], None]]:
    """This process as a client of the server: of the administrator, or of whom it is told."""

    def be(user: tuple[str, str]) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user[0])
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", user[1])

    # First, as mlflow forgets the variable with the address that it was told.
    mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.address)
    # A failure of the server is to be seen, not waited for.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "SHASHLIK_DATABASE"):
        monkeypatch.delenv(name, raising=False)
    be(ADMIN)
    yield be
    while mlflow.active_run() is not None:
        mlflow.end_run("KILLED")


@pytest.fixture
def model(login: object) -> str:
    """A registered model with versions 1 to 9."""
    client, name = MlflowClient(), f"toy-{uuid4().hex[:8]}"
    run = client.create_run("0")
    client.create_registered_model(name)
    for _ in range(9):
        source = f"{run.info.artifact_uri}/model"
        client.create_model_version(name, source, run.info.run_id, await_creation_for=None)
    return name
