"""The server dies while clients log: nothing acknowledged is lost; small forms of benchmarks.server_crash."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient
from nursery import Nursery
from servers import kill, shashlik_server

from tracking.evidence.resolution import from_json
from tracking.index.records import Selection
from tracking.runs.indexing import opened_index

ROOT = Path(__file__).parents[2]
CLIENT = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}]
from benchmarks.server_crash import client
client(1, 3, Path(sys.argv[1]))
"""


def test_what_is_acknowledged_is_on_disk(
    empty_store: Path, nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three runs the server survives one; what it said of it is where it keeps everything."""
    journal = tmp_path / "client.jsonl"
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    with shashlik_server(tmp_path) as (address, server):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        # That it is gone is to be seen, not waited for.
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        born = nursery.start(CLIENT.format(root=str(ROOT)), str(journal))
        while not journal.exists() or not journal.read_text():
            assert born.lives, born.stderr
            time.sleep(0.02)
        kill(server)
        assert born.wait() == 0, born.stderr
        born.close()
    told = [json.loads(line) for line in journal.read_text().splitlines()]
    acknowledged = {line["run"]: line["evidence"] for line in told if "run" in line}
    failed = [line["failed"] for line in told if "failed" in line]
    assert (len(told), len(acknowledged) >= 1, len(failed) >= 1) == (3, True, True), told
    assert all("\n" not in line for line in failed)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_tracking_uri(None)
    with opened_index() as index:
        indexed = {head.run: head.sha256 for head in index.heads(Selection(task="crash"))}
    for run, sha256 in acknowledged.items():
        found = MlflowClient().get_run(run)
        assert found.info.status == "FINISHED"
        where = tmp_path / "mlartifacts" / found.info.artifact_uri.removeprefix("mlflow-artifacts:/")
        evidence = from_json((where / "evidence" / "evidence.json").read_text())
        assert evidence.sha256 == indexed[run] == sha256
        finite = {name for name, value in evidence.metrics().items() if abs(value) < float("inf")}
        assert finite <= set(found.data.metrics)


@pytest.mark.slow
def test_what_is_acknowledged_is_there_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks.server_crash import crash

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    found = crash(tmp_path, clients=2, runs=3, kills=1)
    assert found.lost == []
    assert found.half == []
    assert found.acknowledged + len(found.failed) == 6
    assert found.acknowledged >= 3
    assert all("could not be stored" in line or "could be started" in line for line in found.failed)
