"""Runs in a real store: what is recorded, how runs end, and what happens when the store fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from pathlib import Path
from urllib.parse import urlparse

import awkward as ak
import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from nursery import Born, Nursery

from tracking.evidence import predictions
from tracking.evidence.predictions import PredictionTable
from tracking.evidence.resolution import Evidence
from tracking.figures.resolution import losses_against
from tracking.runs.processes import lives, signature
from tracking.runs.reader import recall, settings_of
from tracking.runs.recorder import CannotRecord, Recorder, recording

ROOT = Path(__file__).parents[2]
#: See the fixture of this name.
Child = Callable[..., tuple[Born, str]]
SETTINGS = {"epochs": 3, "preset": "smoke"}


def start(**more: object) -> object:
    return recording("toy", **({"seed": 7, "settings": SETTINGS} | more))  # type: ignore[arg-type]


def run_of(recorder: Recorder) -> Run:
    return MlflowClient().get_run(recorder.run_id)


def table(evidence: Evidence) -> PredictionTable:
    rng = np.random.default_rng(0)
    return PredictionTable(
        ids={"run": np.ones(50, dtype=np.int64), "event": np.arange(50)},
        truth={"x": ak.unflatten(rng.normal(size=100), 25 * [1, 3]), "mass": rng.normal(size=50)},
        answers={
            "network": {"x1": np.append(rng.normal(size=49), np.nan)},
            "fit": {"x1": rng.normal(size=50)},
        },
        sha256=evidence.facts.sha256,
    )


def test_everything_has_its_name_and_place(store: str, evidence: Evidence) -> None:
    with start() as recorder:
        recorder.dataset("test", evidence.facts.sha256, "simulation, seed 1", 3000, "evaluation")
        recorder.record(evidence, {"losses": losses_against(evidence, evidence.binnings[0])}, table(evidence))
    run = run_of(recorder)
    assert run.info.status == "FINISHED"
    assert MlflowClient().get_experiment(run.info.experiment_id).name == "toy"
    assert run.data.tags["task"] == "toy"
    assert run.data.tags["seed"] == "7"
    assert run.data.tags["data.sha256"] == evidence.facts.sha256
    assert run.data.params == {"cfg.epochs": "3", "cfg.preset": "smoke"}
    expected = {name: value for name, value in evidence.metrics().items() if np.isfinite(value)}
    assert run.data.metrics == pytest.approx(expected, rel=1e-12)
    (item,) = run.inputs.dataset_inputs
    assert evidence.facts.sha256.startswith(item.dataset.digest)
    assert json.loads(item.dataset.source)["tags"]["sha256"] == evidence.facts.sha256
    note = run.data.tags["mlflow.note.content"]
    links, headline = note.split("\n\n")[:2]
    assert links.startswith("[Leaderboard](/shashlik/leaderboard/toy) · ")
    assert f"(/shashlik/compare/toy?item={recorder.run_id})" in links
    assert headline.startswith("**network: σ(x)")
    assert f"![losses](/get-artifact?path=figures/losses.png&run_uuid={recorder.run_id})" in note
    files = {
        item.path
        for folder in ("evidence", "figures")
        for item in MlflowClient().list_artifacts(recorder.run_id, folder)
    }
    assert files == {
        "evidence/evidence.json",
        "evidence/tables.md",
        "evidence/predictions.parquet",
        "figures/losses.png",
    }
    assert recall(recorder.run_id) == evidence
    assert recorder.link.endswith(f"runs/{recorder.run_id}?workflowType=machine_learning")


def test_the_experiment_is_one_of_model_training(store: str) -> None:
    with start() as recorder:
        pass
    tags = MlflowClient().get_experiment(run_of(recorder).info.experiment_id).tags
    assert tags["mlflow.experimentKind"] == "custom_model_development"


def test_the_commit_is_recorded(store: str) -> None:
    with start() as recorder:
        pass
    head = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        assert "git.commit" not in run_of(recorder).data.tags
    else:
        assert run_of(recorder).data.tags["git.commit"] == head.stdout.strip()
        assert run_of(recorder).data.tags["git.dirty"] in ("true", "false")


def test_numbers_that_are_none_are_named(store: str) -> None:
    with start() as recorder:
        recorder.metrics({"a": 1.0, "b": float("nan"), "c": float("-inf")})
        recorder.curve("net", {"loss": float("nan"), "rate": 0.1}, 1)
    run = run_of(recorder)
    assert run.data.metrics == {"a": 1.0, "training/net/rate": 0.1}
    assert run.data.tags["nonfinite"] == "b, c, training/net/loss"


def test_curves_keep_every_point(store: str) -> None:
    with start() as recorder:
        for step in range(1500):
            recorder.curve("net", {"loss": 1 / (1 + step)}, step)
    history = MlflowClient().get_metric_history(recorder.run_id, "training/net/loss")
    assert [point.step for point in sorted(history, key=lambda point: point.step)] == list(range(1500))
    assert {point.step: point.value for point in history}[99] == pytest.approx(0.01)


# --- how runs end


def test_the_run_that_mlflow_run_made_is_continued(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client = MlflowClient()
    given = client.create_run(client.create_experiment("elsewhere")).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    with start() as recorder:
        assert recorder.run_id == given
    assert client.get_run(given).info.status == "FINISHED"
    assert "mlflow.experimentKind" in client.get_experiment_by_name("elsewhere").tags


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("two\nlines"), "ValueError: two lines"),
        (KeyboardInterrupt(), "interrupted by the user"),
        (SystemExit(3), "stopped before its end with exit code 3"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_whatever_is_raised_the_run_fails_with_the_reason(
    store: str, error: BaseException, reason: str
) -> None:
    with pytest.raises(type(error)), start() as recorder:
        raise error
    run = run_of(recorder)
    assert run.info.status == "FAILED"
    assert run.data.tags["failure"] == reason
    assert mlflow.active_run() is None


CHILD = """
import sys, time
from pathlib import Path
from tracking.runs.recorder import recording
with recording("toy", seed=7, settings={"epochs": 3, "preset": "smoke"}) as recorder:
    folder = Path("scratch"); folder.mkdir()
    (folder / "weights").write_text("half way")
    recorder.checkpoint(folder)
    print(recorder.run_id, flush=True)
    time.sleep(300)
"""


@pytest.fixture
def child(nursery: Nursery, store: str) -> Iterator[Child]:
    """Begins a process in the middle of a run; gives it and the run."""
    born: list[Born] = []

    def begin(code: str = CHILD) -> tuple[Born, str]:
        born.append(nursery.start(code))
        return born[-1], born[-1].stdout.readline().strip()

    yield begin
    for process in born:
        process.close()


def end(process: Born, number: int) -> int:
    process.send_signal(number)
    return process.wait(60)


def test_sigterm_closes_the_run(child: Child) -> None:
    process, run_id = child()
    assert end(process, signal.SIGTERM) == 143
    run = MlflowClient().get_run(run_id)
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "terminated by SIGTERM")


LOST = """
import ctypes, time
from tracking.runs.recorder import recording
with recording("toy", seed=7, settings={}) as recorder:
    print(recorder.run_id, flush=True)
    # Whatever is raised in a call from compiled code is printed and lost.
    ctypes.CFUNCTYPE(None)(lambda: (print("there", flush=True), time.sleep(3)) and None)()
    time.sleep(300)
"""


def test_a_signal_that_gets_lost_in_compiled_code_comes_again(child: Child) -> None:
    process, run_id = child(
        "import tracking.runs.lifecycle; tracking.runs.lifecycle.AGAIN_AFTER = 0.5\n" + LOST
    )
    assert process.stdout.readline() == "there\n"
    assert end(process, signal.SIGTERM) == 143
    run = MlflowClient().get_run(run_id)
    assert (run.info.status, run.data.tags["failure"]) == ("FAILED", "terminated by SIGTERM")


def test_a_killed_run_is_buried_by_the_next_and_can_be_resumed(child: Child, tmp_path: Path) -> None:
    process, run_id = child()
    with pytest.raises(CannotRecord, match="still running as process"), start(resume=run_id):
        pass
    end(process, signal.SIGKILL)
    assert MlflowClient().get_run(run_id).info.status == "RUNNING"
    with start() as other:
        pass
    killed = MlflowClient().get_run(run_id)
    assert killed.info.status == "FAILED"
    assert killed.data.tags["failure"].startswith("killed: ")
    assert other.run_id != run_id
    with start(resume=run_id) as recorder:
        assert recorder.fetch_checkpoint(tmp_path / "again")
        assert (tmp_path / "again" / "weights").read_text() == "half way"
    resumed = MlflowClient().get_run(run_id)
    assert resumed.info.status == "FINISHED"
    assert not {"failure", "process"} & set(resumed.data.tags)


def test_a_number_used_again_is_another_process() -> None:
    """After a restart of the machine other programs have the old numbers."""
    mine = signature(os.getpid())
    assert lives(mine)
    host, pid, birth = mine.rsplit(":", 2)
    assert birth.isdigit() or not Path("/proc").exists()
    assert not lives(f"{host}:{pid}:{birth}1")
    assert lives(f"elsewhere:{pid}:{birth}1"), "of other machines nothing is known"
    assert not lives("")


@pytest.mark.parametrize("fails", [False, True])
def test_the_run_made_for_a_resuming_process_points_to_the_resumed_and_ends_like_it(
    fails: bool, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = failed()
    client = MlflowClient()
    given = client.create_run(client.get_run(old).info.experiment_id).info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    with pytest.raises(MemoryError) if fails else nullcontext(), start(resume=old) as recorder:
        assert recorder.run_id == old
        assert "failure" not in client.get_run(old).data.tags, "it runs again"
        assert client.get_run(given).info.status == "RUNNING"
        if fails:
            raise MemoryError
    assert "MLFLOW_RUN_ID" not in os.environ
    for run in (client.get_run(old), client.get_run(given)):
        assert run.info.status == ("FAILED" if fails else "FINISHED")
        assert run.data.tags.get("failure") == ("MemoryError" if fails else None)
    assert old in client.get_run(given).data.tags["mlflow.note.content"]


def test_a_resumed_run_has_the_settings_it_had(store: str) -> None:
    assert settings_of(failed(), "toy") == {"epochs": "3", "preset": "smoke"}
    with pytest.raises(CannotRecord, match="is of task 'toy', not 'other'"):
        settings_of(failed(), "other")


def test_a_resumed_run_is_judged_on_the_events_it_had(store: str) -> None:
    with suppress(ZeroDivisionError), start() as recorder:
        recorder.dataset("test", "a" * 64, "old file", 3000, "evaluation")
        raise ZeroDivisionError
    with pytest.raises(CannotRecord, match="was evaluated on other events"), start(resume=recorder.run_id):
        recorder.dataset("test", "b" * 64, "new file", 3000, "evaluation")
    with start(resume=recorder.run_id):
        recorder.dataset("test", "a" * 64, "old file", 3000, "evaluation")


def finished() -> str:
    with start() as recorder:
        pass
    return recorder.run_id


def failed() -> str:
    with pytest.raises(ZeroDivisionError), start() as recorder:
        raise ZeroDivisionError
    return recorder.run_id


@pytest.mark.parametrize(
    ("make", "change", "message"),
    [
        (lambda: "0" * 32, {}, "no run '0{32}' in sqlite"),
        (lambda: "../x", {}, r"no run '\.\./x' in sqlite"),
        (finished, {}, "is finished"),
        (failed, {"settings": SETTINGS | {"epochs": 5}}, "has cfg.epochs=3, not 5"),
    ],
)
def test_what_cannot_be_resumed(
    store: str, make: Callable[[], str], change: dict[str, object], message: str
) -> None:
    with pytest.raises(CannotRecord, match=message) as caught, start(resume=make(), **change):
        pytest.fail("must not begin")
    assert "\n" not in str(caught.value)
    assert not MlflowClient().search_runs(
        [e.experiment_id for e in MlflowClient().search_experiments()], "attributes.status = 'RUNNING'"
    )


def test_a_run_of_another_task_is_not_resumed(store: str) -> None:
    run_id = failed()
    with (
        pytest.raises(CannotRecord, match="is of task 'toy', not 'other'"),
        recording("other", seed=7, settings=SETTINGS, resume=run_id),
    ):
        pytest.fail("must not begin")


def test_a_deleted_experiment_says_how_to_bring_it_back(store: str) -> None:
    MlflowClient().delete_experiment(MlflowClient().create_experiment("toy"))
    with pytest.raises(CannotRecord, match="mlflow experiments restore"), start():
        pytest.fail("must not begin")


def test_it_works_outside_the_main_thread(store: str) -> None:
    found: list[str] = []

    def work() -> None:
        with start() as recorder:
            found.append(recorder.run_id)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert MlflowClient().get_run(found[0]).info.status == "FINISHED"


# --- checkpoints


def test_the_last_complete_checkpoint_is_used(store: str, tmp_path: Path) -> None:
    folder = tmp_path / "scratch"
    (folder / "deep").mkdir(parents=True)
    with start() as recorder:
        assert not recorder.fetch_checkpoint(tmp_path / "none")
        recorder.curve("net", {"loss": 1.0}, 1)
        for content in ("one", "two", "three"):
            (folder / "deep" / "weights").write_text(content)
            recorder.checkpoint(folder)
        assert run_of(recorder).data.metrics["training/net/loss"] == 1.0, "a resumed run does not repeat it"
        slot = run_of(recorder).data.tags["checkpoint"].split()[0]
        assert recorder.fetch_checkpoint(tmp_path / "a")
        assert (tmp_path / "a" / "deep" / "weights").read_text() == "three"
        assert {f.path for f in MlflowClient().list_artifacts(recorder.run_id, "checkpoint")} == {
            "checkpoint/first.zip",
            "checkpoint/second.zip",
        }
        # A write that was cut short does not hurt: it goes to the other file, before the tag changes.
        place = Path(urlparse(run_of(recorder).info.artifact_uri).path) / "checkpoint"
        other = {"first": "second", "second": "first"}[slot]
        (place / f"{other}.zip").write_bytes(b"torn")
        assert recorder.fetch_checkpoint(tmp_path / "b")
        (place / f"{slot}.zip").write_bytes(b"torn")
        with pytest.raises(CannotRecord, match="damaged"):
            recorder.fetch_checkpoint(tmp_path / "c")


# --- stores that fail


def test_no_server_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with (
        pytest.raises(CannotRecord, match=r"no tracking server answers at http://127\.0\.0\.1:9") as caught,
        start(),
    ):
        pytest.fail("must not begin")
    assert "\n" not in str(caught.value)


def test_a_store_that_breaks_leaves_the_evidence_on_disk(
    store: str, evidence: Evidence, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def go() -> None:
        with start() as recorder:
            (tmp_path / "mlflow.db").write_bytes(b"this was a database")
            recorder.record(evidence, {}, table(evidence))

    with pytest.raises(CannotRecord, match="is kept in") as caught:
        go()
    assert "\n" not in str(caught.value)
    kept = Path(str(caught.value).split("is kept in ")[1])
    assert kept.parent == tmp_path
    assert (kept / "evidence" / "evidence.json").read_text() == evidence.to_json()
    assert predictions.read(kept / "evidence" / "predictions.parquet").sha256 == evidence.facts.sha256
    assert "could not be marked as failed" in capfd.readouterr().err
    assert mlflow.active_run() is None


def test_artifacts_that_cannot_be_written_leave_the_evidence_on_disk(
    store: str, evidence: Evidence, tmp_path: Path
) -> None:
    """A folder that is a file stands for any disk that does not take artifacts."""
    (tmp_path / "mlruns").write_text("in the way")
    with pytest.raises(CannotRecord, match="is kept in") as caught, start() as recorder:
        recorder.record(evidence, {})
    kept = Path(str(caught.value).split("is kept in ")[1])
    assert (kept / "evidence" / "tables.md").exists()
    assert run_of(recorder).info.status == "FAILED"


def test_recall_of_nothing_is_one_line(store: str) -> None:
    with pytest.raises(CannotRecord, match="no evidence of run"):
        recall("0" * 32)
    with pytest.raises(CannotRecord, match="no evidence of run"):
        recall(finished())


def test_predictions_round_trip(evidence: Evidence, tmp_path: Path) -> None:
    before = table(evidence)
    predictions.write(before, tmp_path / "p.parquet")
    after = predictions.read(tmp_path / "p.parquet")
    assert np.array_equal(after.ids["event"], before.ids["event"])
    assert after.truth["x"].to_list() == before.truth["x"].to_list()
    assert np.array_equal(after.truth["mass"], before.truth["mass"])
    for name, outputs in before.answers.items():
        assert np.array_equal(after.answers[name]["x1"], outputs["x1"], equal_nan=True)
    with pytest.raises(ValueError, match="one entry an event"):
        predictions.write(
            PredictionTable({"event": np.arange(3)}, {}, {"a": {"x": np.arange(2)}}, ""), tmp_path / "q"
        )
