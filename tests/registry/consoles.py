"""The console on a store, with the toy task in the catalog."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_task
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient

from registry.journal.champions import opened_registry
from shashlik.__main__ import main
from shashlik.task import catalog

__all__ = ["Shell", "as_at_first", "at", "champion", "console", "run_of", "train"]

Shell = Callable[..., Result]


def console(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console, with the toy task in the catalog."""
    load = catalog.load
    monkeypatch.setattr(catalog, "load", lambda name: toy_task.TASK if name == "toy" else load(name))
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("SHASHLIK_DATABASE", raising=False)

    def call(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == code, f"{words}: {done.output} {done.exception!r}"
        return done

    return call


def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on the store in a folder, which becomes the working directory."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    return console(folder, monkeypatch)


def as_at_first(workbench: tuple[Path, Path]) -> Path:
    """The folder of the workbench, whatever was done to it since."""
    folder, copy = workbench
    shutil.rmtree(folder / "mlruns")
    shutil.copytree(copy / "mlruns", folder / "mlruns")
    # Into the file that is there: mlflow keeps it open.
    source, target = sqlite3.connect(copy / "mlflow.db"), sqlite3.connect(folder / "mlflow.db")
    source.backup(target)
    source.close()
    target.close()
    return folder


def train(shell: Shell, candidate: str) -> None:
    shell("run", "toy", "--network", candidate)


def run_of(version: int) -> str:
    return MlflowClient().get_model_version("toy", str(version)).run_id


def champion() -> int | None:
    with opened_registry() as registry:
        return registry.state("toy").champion
