"""Rows of docs/bad-input.md on what is written to: servers that are gone or die, disks that are full.

The disk is a tiny file system of its own where this may be mounted, else a limit on the size of files, which
ends in the same places.
"""

from __future__ import annotations

import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from bad_input import promised
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from servers import kill, serving

from shashlik.__main__ import main
from tracking.evidence.resolution import Evidence
from tracking.runs.recorder import CannotRecord, recording

TASK = "ecal_stage4"
SMALL = [
    *("--network", "seed", "--batch", "256", "--epochs", "1"),
    *("--network_events", "1000", "--train_events", "400", "--test_events", "400"),
]


@contextmanager
def disk(folder: Path, size: int) -> Iterator[bool]:
    """Let `folder` have room for `size` bytes, and say whether it is a real file system."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode == 0:
        try:
            yield True
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield False
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill(folder: Path) -> None:
    """Leave no byte."""
    with suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))
    assert shutil.disk_usage(folder).free == 0


def last_line(row: str, told: str) -> str:
    """The last line of `told`, which must be the promised one."""
    line = told.strip().splitlines()[-1]
    assert promised(row)[1].fullmatch(line), told
    assert "Traceback" not in told
    return line


def test_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    row = "no server"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    done = CliRunner().invoke(main, ["run", TASK, *SMALL])
    last_line(row, done.stderr)
    assert done.exit_code == promised(row)[0]


def test_server_dies_half_way(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    row = "server dies half-way"
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "weights").write_text("half way")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "server").mkdir()
    with serving(tmp_path / "server") as (address, server):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)

        def go() -> None:
            with recording("toy", seed=1, settings={}) as recorder:
                recorder.curve("net", {"loss": 1.0}, 1)
                kill(server)
                recorder.curve("net", {"loss": 0.5}, 2)
                recorder.checkpoint(scratch)  # must not stop the training
                recorder.record(evidence, {})

        with pytest.raises(CannotRecord) as caught:
            go()
    told = capfd.readouterr().err
    assert "checkpoint not kept with run" in told
    assert "could not be marked as failed" in told
    kept = Path(last_line(row, f"shashlik: {caught.value}").rpartition("is kept in ")[2])
    assert (kept / "evidence" / "evidence.json").read_text() == evidence.to_json()


def test_disk_full_while_simulating(tmp_path: Path) -> None:
    row = "disk full, simulating"
    with disk(tmp_path / "disk", 64 * 1024):
        file = tmp_path / "disk" / "pairs.root"
        done = CliRunner().invoke(main, ["simulate", TASK, str(file), "--events", "2000"])
        left = list(file.parent.iterdir())
    last_line(row, done.stderr)
    assert done.exit_code == promised(row)[0]
    assert not left, "half a file must not be left"


def test_disk_full_when_a_run_begins(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = "disk full, no run begins"
    with disk(tmp_path / "disk", 4 * 2**20) as real:
        if not real:
            pytest.skip("a limit on the size of files does not fill a database that exists")
        shutil.copy(empty_store, tmp_path / "disk" / "mlflow.db")
        fill(tmp_path / "disk")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/disk/mlflow.db")
        done = CliRunner().invoke(main, ["run", TASK])
    last_line(row, done.stderr)
    assert done.exit_code == promised(row)[0]


def test_disk_full_while_training(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints go where temporary files go."""
    row = "disk full, training"
    with disk(tmp_path / "disk", 2**20) as real:
        if not real:
            pytest.skip("a limit on the size of files would hit the database first")
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "disk"))
        done = CliRunner().invoke(main, ["run", TASK, *SMALL])
    line = last_line(row, done.stderr)
    assert done.exit_code == promised(row)[0]
    experiment = MlflowClient().get_experiment_by_name(TASK)
    assert experiment is not None
    (run,) = MlflowClient().search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert "No space left on device" in run.data.tags["failure"]
    assert "No space left on device" in line


def test_disk_full_while_recording(
    empty_store: Path, evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the store and the working directory are full, the evidence goes where temporary files go."""
    row = "disk full, recording"
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    with disk(tmp_path / "disk", 4 * 2**20) as real:
        if not real:
            pytest.skip("a limit on the size of files does not fill a database that exists")
        shutil.copy(empty_store, tmp_path / "disk" / "mlflow.db")
        monkeypatch.chdir(tmp_path / "disk")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/disk/mlflow.db")

        def go() -> None:
            with recording("toy", seed=1, settings={}) as recorder:
                fill(tmp_path / "disk")
                recorder.record(evidence, {})

        with pytest.raises(CannotRecord) as caught:
            go()
        monkeypatch.chdir(tmp_path)
    kept = Path(last_line(row, f"shashlik: {caught.value}").rpartition("is kept in ")[2])
    assert kept.parent == tmp_path / "temporary"
    assert (kept / "evidence" / "evidence.json").read_text() == evidence.to_json()
