"""What is recorded gets into the index, and can be brought in again from the artifacts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from click.testing import CliRunner
from index_suite import made_up
from mlflow.tracking import MlflowClient

from shashlik.__main__ import main
from tracking.evidence.resolution import Evidence
from tracking.index.records import Head, Selection
from tracking.runs.indexing import opened_index
from tracking.runs.recorder import recording


def heads() -> tuple[Head, ...]:
    with opened_index() as found:
        return found.heads(Selection())


def test_a_recorded_run_is_in_the_index(store: str, evidence: Evidence) -> None:
    with recording("toy", seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    (head,) = heads()
    run = MlflowClient().get_run(recorder.run_id)
    assert (head.run, head.experiment, head.name) == (
        recorder.run_id,
        run.info.experiment_id,
        run.info.run_name,
    )
    assert head.sha256 == evidence.sha256
    assert head.user == run.data.tags["mlflow.user"]
    with opened_index() as found:
        MlflowClient().set_tag(recorder.run_id, "colour", "red")
        assert len(found.heads(Selection(tags={"colour": "red"}))) == 1
        assert len(found.heads(Selection(tags={"colour": "blue"}))) == 0
        MlflowClient().delete_run(recorder.run_id)
        assert found.heads(Selection()) == (), "a deleted run is not on the leaderboard"
        MlflowClient().restore_run(recorder.run_id)
        assert found.heads(Selection()) == (head,)


def test_rebuilt_from_artifacts(store: str, evidence: Evidence) -> None:
    with recording("toy", seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    before = [replace(head, id=0) for head in heads()]
    with opened_index() as found:
        found.drop([recorder.run_id])
        found.put(made_up("b"), evidence)
    done = CliRunner().invoke(main, ["index", "--rebuild"])
    assert done.exit_code == 0, done.output
    assert "1 evidences indexed" in done.output
    assert [replace(head, id=0) for head in heads()] == before


def test_a_record_without_an_index_is_complete(
    store: str, evidence: Evidence, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHASHLIK_DATABASE", "sqlite:////nowhere/at/all.db")
    with recording("toy", seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    assert MlflowClient().get_run(recorder.run_id).info.status == "FINISHED"
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith(f"shashlik: evidence of run {recorder.run_id} is recorded, but the index")
    assert "shashlik index --rebuild" in line
