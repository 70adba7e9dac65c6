"""A run that is killed in the middle of its training continues, under its own id, to its usual end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from tracking.recall import recall

ROOT = Path(__file__).parents[2]
TASK = "ecal_stage4"
#: Two stages of training, of which the second is long enough to be killed in.
SMALL = [
    *("--train_events", "400", "--test_events", "400", "--network_events", "2000"),
    *("--epochs", "12", "--batch", "256", "--seed", "5"),
]
PATIENCE = 240


def program(folder: Path, *words: str, **variables: str) -> subprocess.Popen[str]:
    """A run in a process of its own."""
    with (folder / "told").open("w") as told:
        return subprocess.Popen(
            [sys.executable, "-m", "projects", "run", TASK, *words],
            cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)} | variables, stdout=told, stderr=told,
            text=True,
        )  # fmt: skip


def runs() -> list[Run]:
    """Runs of the task, oldest first."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(TASK)
    if experiment is None:
        return []
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def steps(run_id: str, curve: str) -> list[int]:
    return sorted(point.step for point in MlflowClient().get_metric_history(run_id, curve))


@pytest.fixture
def killed(store: str, tmp_path: Path) -> str:
    """Id of a run whose process was killed in the second stage, after the checkpoint of the first."""
    process = program(tmp_path, *SMALL)
    try:
        deadline = time.monotonic() + PATIENCE
        while not (found := runs()) or "checkpoint" not in found[0].data.tags:
            told = (tmp_path / "told").read_text()
            assert process.poll() is None, told
            assert time.monotonic() < deadline, told
            time.sleep(0.1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    run = runs()[0]
    assert run.info.status == "RUNNING", "nobody could say that it was killed"
    assert not MlflowClient().list_artifacts(run.info.run_id, "evidence")
    return run.info.run_id


def test_killed_run_continues(killed: str, tmp_path: Path) -> None:
    """As `mlflow run . -e ecal_stage4 -P resume=ID` does it, which makes a run of its own first."""
    client = MlflowClient()
    given = client.create_run(client.get_run(killed).info.experiment_id).info.run_id
    before = client.get_run(killed).data.params
    process = program(tmp_path, "--resume", killed, MLFLOW_RUN_ID=given)
    assert process.wait(timeout=PATIENCE) == 0, (tmp_path / "told").read_text()
    assert "continues from the checkpoint of the run" in (tmp_path / "told").read_text()

    run = client.get_run(killed)
    assert run.info.status == "FINISHED"
    assert not {"failure", "process"} & set(run.data.tags)
    assert run.data.params == before, "the settings were not given again, and are the same"
    assert steps(killed, "training/start/loss") == list(range(1, 13)), "the first stage was not repeated"
    assert set(steps(killed, "training/correction/loss")) == set(range(1, 13))
    assert {item.path for item in client.list_artifacts(killed, "evidence")} == {
        "evidence/counting.md",
        "evidence/evidence.json",
        "evidence/residuals.parquet",
        "evidence/tables.md",
        "evidence/predictions.parquet",
    }
    assert set(recall(killed).estimators) == {
        "bound", "coral", "coral-tuned", "lednev", "lednev-tuned", "network",
    }  # fmt: skip
    (version,) = client.search_model_versions(f"name='{TASK}'")
    assert version.run_id == killed

    pointer = client.get_run(given)
    assert pointer.info.status == "FINISHED"
    assert killed in pointer.data.tags["mlflow.note.content"]
