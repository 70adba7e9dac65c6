"""What tests of every area may use: a real mlflow store of their own, and evidence of made-up estimators."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"

import numpy as np
import pytest
from made_up import BINNINGS, QUANTITIES, WIDTHS, pairs

from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Evidence, Facts
from tracking.statistics.residuals import Residuals

pytest_plugins = ("guards", "duration_budget")


@pytest.fixture(scope="module", autouse=True)
def _mlflow_forgets() -> Iterator[None]:
    """What a module told mlflow is not for the next one, in whichever order they come."""
    address = os.environ.get("MLFLOW_TRACKING_URI")
    yield
    if "mlflow" in sys.modules:
        import mlflow

        while mlflow.active_run() is not None:
            mlflow.end_run("KILLED")
        mlflow.set_registry_uri(None)
        mlflow.set_tracking_uri(None)
    if address is not None:
        os.environ["MLFLOW_TRACKING_URI"] = address


@pytest.fixture(scope="session")
def residuals() -> dict[str, Residuals]:
    return pairs(3000, WIDTHS, seed=1)


@pytest.fixture(scope="session")
def evidence(residuals: dict[str, Residuals]) -> Evidence:
    facts = Facts("toy", "0123456789abcdef" * 4, "simulation, seed 1", 3000, 2, 1, {"numpy": np.__version__})
    return build(
        residuals,
        QUANTITIES,
        BINNINGS,
        facts=facts,
        seed=2,
        ns_per_event={"network": 12_000.0, "fit": 80_000.0},
        extra={"pi0/mass": 0.1349},
        replicas=200,
        bin_replicas=50,
    )


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with mlflow's tables; making them takes seconds, copying them does not."""
    from mlflow.tracking import MlflowClient

    path = tmp_path_factory.mktemp("store") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An embedded mlflow store in the working directory, as a user has it."""
    import mlflow

    shutil.copy(empty_store, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    yield uri
    while mlflow.active_run() is not None:
        mlflow.end_run("KILLED")
