"""Rows of docs/bad-input.md: one line that says what is wrong, a non-zero exit code, a FAILED run.

Those of stores that fail are in test_stores_that_fail.py.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import awkward as ak
import click
import numpy as np
import pytest
import uproot
from bad_input import ROWS, promised
from click.testing import CliRunner
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from programs import PATIENCE, program, until

from shashlik.__main__ import main
from shashlik.task import catalog, rootio
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve
from tracking.runs.recorder import recording

TASK = "ecal_stage4"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    uri = f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", uri)
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        yield uri


@pytest.fixture(scope="module")
def pairs() -> Sample:
    """Good events, to be spoilt."""
    task = catalog.load(TASK)
    return task.simulate(resolve(task.settings, task.presets, {}), 500, 1)


def spoilt(pairs: Sample, **columns: object) -> Sample:
    return Sample(pairs.schema, {**pairs.columns, **columns}, "spoilt")


def write_tree(path: Path, columns: dict[str, object], tree: str = "events") -> None:
    with uproot.recreate(path) as file:
        file.mktree(
            tree,
            {name: getattr(array, "dtype", None) or array.type.content for name, array in columns.items()},
        )
        file[tree].extend(columns)


def truncated(path: Path, pairs: Sample) -> None:
    rootio.write(pairs, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def nan_energy(path: Path, pairs: Sample) -> None:
    energy = ak.to_list(pairs["cell_e"])
    energy[7][0] = float("nan")
    rootio.write(spoilt(pairs, cell_e=ak.Array(energy)), path)


def without_events(path: Path, pairs: Sample) -> None:
    rootio.write(pairs.select(slice(0, 0)), path)


def without_branch(path: Path, pairs: Sample) -> None:
    write_tree(path, {"run": pairs["run"], "event": pairs["event"], "cell_x": pairs["cell_x"]})


def unlike_lengths(path: Path, pairs: Sample) -> None:
    short = ak.to_list(pairs["cell_e"])
    short[3] = short[3][:-1]
    write_tree(path, {**pairs.columns, "cell_e": ak.Array(short)})


#: Name of the row in docs/bad-input.md -> what is written to bad.root.
FILES: dict[str, Callable[[Path, Sample], object]] = {
    "empty file": lambda path, pairs: path.write_bytes(b""),
    "not a ROOT file": lambda path, pairs: path.write_text("energy, x, y\n1, 2, 3\n" * 100),
    "truncated file": truncated,
    "no such tree": lambda path, pairs: write_tree(path, {"run": np.arange(9)}, tree="hits"),
    "missing branch": without_branch,
    "no events": without_events,
    "too few events": lambda path, pairs: rootio.write(pairs.select(slice(0, 20)), path),
    "NaN energy": nan_energy,
    "branch of another type": lambda path, pairs: write_tree(
        path, {**pairs.columns, "event": pairs["event"] + 0.5}
    ),
    "lists of unlike length": unlike_lengths,
}
#: Name of the row -> parameters of the run.
PARAMETERS: dict[str, list[str]] = {
    "missing file": ["--data", "nowhere.root"],
    "glob without a match": ["--data", "nowhere/*.root"],
    "folder": ["--data", "."],
    "wrong type": ["--seed", "banana"],
    "out of range": ["--seed", "-1"],
    "value not allowed": ["--network", "banana"],
    "unknown preset": ["--preset", "banana"],
    "unknown parameter": ["--epoch", "3"],
    "parameter without a value": ["--seed"],
    "unknown run to resume": ["--resume", "banana"],
    "training diverges": [
        *("--network", "seed", "--rate", "1", "--batch", "64", "--epochs", "1"),
        *("--network_events", "1000", "--train_events", "400", "--test_events", "400"),
    ],
}


def runs(task: str) -> list[Run]:
    """Runs of a task, the newest first."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(task)
    return client.search_runs([experiment.experiment_id]) if experiment else []


def expect_failed(run: Run, reason: str) -> None:
    assert run.info.status == "FAILED"
    assert reason in run.data.tags["failure"]


@pytest.mark.parametrize("row", [*FILES, *PARAMETERS])
def test_run_refuses(
    row: str, store: str, pairs: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if row in FILES:
        FILES[row](tmp_path / "bad.root", pairs)
    code, line = promised(row)
    done = CliRunner().invoke(main, ["run", TASK, *PARAMETERS.get(row, ["--data", "bad.root"])])
    told = done.stderr.strip().splitlines()[-1]
    assert line.fullmatch(told), told
    assert done.exit_code == code
    assert "Traceback" not in done.output
    expect_failed(runs(TASK)[0], told.removeprefix("shashlik: ")[:60])


def interrupted(task: str, **settings: object) -> str:
    """Id of a run that failed on its way."""
    with suppress(KeyboardInterrupt), recording(task, seed=1, settings=settings) as recorder:
        recorder.dataset(task, "a" * 64, "events that are gone", 500, "evaluation")
        raise KeyboardInterrupt
    return recorder.run_id


def finished(task: str) -> str:
    with recording(task, seed=1, settings={}) as recorder:
        pass
    return recorder.run_id


#: Rows of test_stores_that_fail.py.
STORES = {
    "no server",
    "server dies half-way",
    "disk full, simulating",
    "disk full, training",
    "disk full, no run begins",
    "disk full, recording",
}
#: Name of the row -> the run to resume, and parameters beside it.
RESUMED: dict[str, tuple[Callable[[], str], list[str]]] = {
    "run of another task to resume": (lambda: interrupted("mass"), []),
    "finished run to resume": (lambda: finished(TASK), []),
    "resumed with other settings": (lambda: interrupted(TASK, seed=1), ["--seed", "2"]),
    "resumed with other events": (lambda: interrupted(TASK, data="good.root"), []),
}


@pytest.mark.parametrize("row", RESUMED)
def test_resume_refuses(
    row: str, store: str, pairs: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rootio.write(pairs, tmp_path / "good.root")
    make, words = RESUMED[row]
    run_id = make()
    code, line = promised(row)
    done = CliRunner().invoke(main, ["run", TASK, "--resume", run_id, *words])
    told = done.stderr.strip().splitlines()[-1]
    assert line.fullmatch(told), told
    assert run_id in told
    assert done.exit_code == code
    expected = "FINISHED" if row == "finished run to resume" else "FAILED"
    assert MlflowClient().get_run(run_id).info.status == expected


def test_unknown_task(store: str) -> None:
    code, line = promised("unknown task")
    done = CliRunner().invoke(main, ["run", "ecal_stage5"])
    assert line.fullmatch(done.stderr.strip()), done.stderr
    assert done.exit_code == code
    assert MlflowClient().get_experiment_by_name("ecal_stage5") is None, "a slip must not leave an experiment"


@pytest.mark.parametrize("place", ["/proc/self/pairs.root", "/dev/null/pairs.root"])
def test_no_place_to_write(place: str) -> None:
    code, line = promised("no place to write")
    done = CliRunner().invoke(main, ["simulate", TASK, place, "--events", "10"])
    assert line.fullmatch(done.stderr.strip()), done.stderr
    assert done.exit_code == code


@pytest.mark.parametrize(
    ("row", "number"),
    [("Ctrl-C", signal.SIGINT), ("killed politely", signal.SIGTERM)],
    ids=["SIGINT", "SIGTERM"],
)
@pytest.mark.parametrize("tag", ["process", pytest.param("data.sha256", marks=pytest.mark.slow)])
def test_interrupted(row: str, number: signal.Signals, tag: str, store: str) -> None:
    """As soon as the run is there, and behind the simulation of its events."""
    before = {run.info.run_id for run in runs("mass")}

    def under_way() -> bool:
        return any(run.info.run_id not in before and tag in run.data.tags for run in runs("mass"))

    with program("run", "mass", "--train_events", "200000") as process:
        until(under_way, process)
        process.send_signal(number)
        told = process.communicate(timeout=PATIENCE)[1].strip().splitlines()[-1]
    code, line = promised(row)
    assert line.fullmatch(told), told
    assert process.returncode == code
    (run,) = (run for run in runs("mass") if run.info.run_id not in before)
    expect_failed(run, "interrupted" if number is signal.SIGINT else "SIGTERM")


def test_every_row_is_tested() -> None:
    here = {*FILES, *PARAMETERS, *RESUMED, "unknown task", "no place to write", "Ctrl-C", "killed politely"}
    assert set(ROWS) == here | STORES


def test_an_answer_in_the_exit_code_is_no_failure() -> None:
    """`promote` that does not promote has said why; nothing terminated it."""

    @click.group(cls=type(main))
    def group() -> None: ...

    @group.command()
    def no() -> None:
        sys.exit(1)

    done = CliRunner().invoke(group, ["no"])
    assert done.exit_code == 1
    assert done.stderr == ""
