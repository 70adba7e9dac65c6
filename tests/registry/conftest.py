"""What tests of the registry share: databases of both kinds, and processes that are quickly there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from consoles import Shell, as_at_first, at, train
from nursery import Nursery, nursery
from postgresql import fresh, running

__all__ = ["database", "nursery", "postgres", "promoted", "stocked", "tracking_store", "workbench"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL server of this process, without a database's name."""
    with running() as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return fresh(request.getfixturevalue("postgres"))


@pytest.fixture(scope="session")
def tracking_store(postgres: str, nursery: Nursery) -> str:
    """Name of a PostgreSQL database with mlflow's tables, which are copied faster than made."""
    address = fresh(postgres)
    # Nobody may be connected to what is copied, and mlflow keeps its connections for as long as it lives.
    making = "import sys; from mlflow import MlflowClient; MlflowClient(sys.argv[1]).search_experiments()"
    code, said = nursery.run(making, address)
    assert code == 0, said
    return address.rpartition("/")[2]


@pytest.fixture
def stocked(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of a database with mlflow's tables, of each kind."""
    if database.startswith("sqlite"):
        shutil.copy(request.getfixturevalue("empty_store"), tmp_path / "journal.db")
        return database
    return fresh(request.getfixturevalue("postgres"), request.getfixturevalue("tracking_store"))


@pytest.fixture(scope="session")
def workbench(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Version 1 (fair) as champion, its baseline as version 2 and version 3 (good) as candidate.

    Behind it a copy: a store knows its own place, so that it can only be put back where it was.
    """
    folder = tmp_path_factory.mktemp("workbench")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as monkeypatch:
        shell = at(folder, monkeypatch)
        train(shell, "fair")
        shell("promote", "toy")
        train(shell, "good")
    copy = tmp_path_factory.mktemp("copy") / "of"
    shutil.copytree(folder, copy)
    return folder, copy


@pytest.fixture
def promoted(workbench: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on the workbench, as it was at first."""
    return at(as_at_first(workbench), monkeypatch)
