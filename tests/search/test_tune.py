"""Searches as a user runs them, with real processes, and what happens when these are killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from shashlik.__main__ import main
from tracking.runs.reader import Found, look, nested

ROOT = Path(__file__).parents[2]
SMALL = ("--preset", "smoke", "--validation_events", "1000")


def begin(*words: str, **variables: str) -> subprocess.Popen[str]:
    """Start ``shashlik tune mass``."""
    return subprocess.Popen(
        [sys.executable, "-m", "shashlik", "tune", "mass", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # Started in the background Ctrl-C would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def finish(search: subprocess.Popen[str], wanted: int = 0) -> tuple[str, str]:
    out, err = search.communicate(timeout=300)
    assert search.returncode == wanted, f"{out}\n{err}"
    return out, err


def sole_search() -> str:
    """Id of the search in the store."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name("mass")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.`mlflow.runName` LIKE 'search%'")
    assert len(found) == 1
    return found[0].info.run_id


def until(condition: Callable[[], object], search: subprocess.Popen[str]) -> None:
    """Wait until something is true while the search runs."""
    deadline = time.monotonic() + 120
    while not _quietly(condition):
        assert search.poll() is None, search.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _quietly(condition: Callable[[], object]) -> object:
    try:
        return condition()
    except (AssertionError, IndexError):
        return None


def children(process: int, word: str) -> list[int]:
    """Processes below another one with a word on their command lines."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            command = stat.with_name("cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if parent == process and word in command:
            found.append(int(stat.parent.name))
    return found


def at_work(process: int) -> bool:
    """Whether it is there, and not only waiting to be buried by whoever inherited it."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def complete(parent: str, trials: int, finals: int) -> list[Found]:
    """The union of trials is complete and none doubled."""
    found = nested(parent)
    numbers = sorted(run.tags["trial"] for run in found)
    assert numbers == [f"{number:04d}" for number in range(trials + finals)]
    assert {run.status for run in found} == {"FINISHED"}
    assert [run.tags["trial.kind"] for run in sorted(found, key=lambda run: run.tags["trial"])] == [
        *["search"] * trials,
        *["final"] * finals,
    ]
    assert look(parent).status == "FINISHED"
    return found


def test_search_from_beginning_to_end(store: str) -> None:
    out, _ = finish(begin(*SMALL, "--trials", "5", "--workers", "2", "--best", "2", "--seeds", "2"))
    parent = sole_search()
    assert f"resume={parent} continues it" in out
    assert re.search(r"Best: trial \d+, .* with products = \d", out)
    found = complete(parent, 5, 4)
    for run in found:
        assert run.tags["search"] == parent
        assert run.metrics["objective"] > 0
        assert run.metrics["parameters"] > 0
        assert run.metrics["network/ns_per_event"] > 0
        assert "network/mass/sigma" in run.metrics
        assert any(name.startswith("training/") for name in run.metrics)
    searched = [run for run in found if run.tags["trial.kind"] == "search"]
    # Validated on the same events, which are none of those that a run is judged on.
    assert len({run.tags["data.sha256"] for run in searched}) == 1
    finals = [run for run in found if run.tags["trial.kind"] == "final"]
    assert not {run.tags["data.sha256"] for run in finals} & {run.tags["data.sha256"] for run in searched}
    assert {run.tags["seed"] for run in finals} == {"1", "2"}
    assert {run.tags["search.trials"] for run in finals} == {"5"}
    best = sorted(searched, key=lambda run: run.metrics["objective"])[:2]
    assert {run.tags["trial.of"] for run in finals} == {run.tags["trial"] for run in best}
    # Of each configuration one seed is a candidate.
    versions = MlflowClient().search_model_versions("name='mass'")
    assert {version.run_id for version in versions} == {
        run.run_id for run in finals if run.tags["seed"] == "1"
    }
    text = look(parent).tags["mlflow.note.content"]
    for name in ("history", "coordinates", "pareto"):
        assert f"figures/search_{name}.png" in text
    table = pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{parent}/search/trials.csv"))
    assert len(table) == 5
    assert table["objective"].min() == pytest.approx(look(parent).metrics["best/objective"])
    logs = mlflow.artifacts.list_artifacts(f"runs:/{parent}/workers")
    assert {Path(item.path).name for item in logs} == {"worker-0.log", "worker-1.log"}


#: Trials of some seconds, so that there is something to kill.
LONG = (
    "--space",
    "architectures",
    "--train_events",
    "8000",
    "--validation_events",
    "1000",
    "--algorithm",
    "random",
    "--trials",
    "6",
    "--best",
    "0",
)


def trial_running() -> bool:
    return any(run.status == "RUNNING" and run.tags.get("trial.kind") for run in nested(sole_search()))


def finished() -> int:
    return sum(run.status == "FINISHED" for run in nested(sole_search()))


@pytest.mark.slow
def test_killed_and_resumed(store: str) -> None:
    """A worker, then the whole search, then a worker that somebody started by hand on the resumed one."""
    search = begin(*LONG, "--workers", "2")
    until(lambda: finished() and trial_running(), search)
    workers = children(search.pid, "projects worker")
    os.kill(workers[0], signal.SIGKILL)
    until(lambda: set(children(search.pid, "projects worker")) - set(workers), search)
    until(trial_running, search)
    workers = children(search.pid, "projects worker")
    assert len(workers) == 2
    search.kill()
    _, err = search.communicate()
    assert "worker-" in err
    assert "killed by signal 9; it is started again" in re.sub(r": [^\n]*; it", "; it", err)
    deadline = time.monotonic() + 60
    while any(at_work(pid) for pid in workers):
        assert time.monotonic() < deadline, "workers do not outlive their search"
        time.sleep(0.2)
    parent = sole_search()
    before = {run.run_id: run.seconds for run in nested(parent) if run.status == "FINISHED"}
    assert before

    search = begin("--resume", parent, "--workers", "0", "--address", "127.0.0.1")
    assert search.stdout is not None
    lines = []
    for line in search.stdout:
        lines.append(line)
        if line.startswith("workers join with: "):
            break
    words = lines[-1].removeprefix("workers join with: ").split()
    assert words[-2:] == ["shashlik", "worker"]
    joined = subprocess.run(
        [sys.executable, "-m", "shashlik", "worker"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **dict(word.split("=") for word in words[:-2])},
    )
    assert joined.returncode == 0, joined.stderr
    finish(search)
    assert re.search(r"continues after \d trials that have ended", "".join(lines))
    after = complete(parent, 6, 0)
    assert {run.run_id: run.seconds for run in after if run.run_id in before} == before, "none was repeated"
    # Finished: there is nothing to resume, and it says so.
    done = CliRunner().invoke(main, ["tune", "mass", "--resume", parent])
    assert done.exit_code == 1
    assert f"run {parent} is finished" in done.stderr


@pytest.mark.slow
def test_interrupted_search_ends_in_order(store: str) -> None:
    search = begin(*LONG, "--workers", "1")
    until(trial_running, search)
    search.send_signal(signal.SIGINT)
    _, err = finish(search, 130)
    assert "shashlik: interrupted" in err
    assert "Traceback" not in err
    parent = sole_search()
    assert (look(parent).status, look(parent).failure) == ("FAILED", "interrupted by the user")
    assert {run.status for run in nested(parent)} <= {"FINISHED", "FAILED"}
    assert {run.failure for run in nested(parent) if run.status == "FAILED"} == {"terminated by SIGTERM"}


@pytest.mark.slow
def test_dask_places_the_workers(store: str, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=True,
        dashboard_address=None,
        host="127.0.0.1",
        local_directory=str(tmp_path / "dask"),
    ) as cluster:
        out, _ = finish(
            begin(
                *SMALL,
                "--trials",
                "4",
                "--workers",
                "2",
                "--scheduler",
                cluster.scheduler_address,
                "--address",
                "127.0.0.1",
            )
        )
    assert "workers join with: KERASTUNER_ORACLE_IP=127.0.0.1 KERASTUNER_ORACLE_PORT=" in out
    complete(sole_search(), 4, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--algorithm", "grid"), "parameter algorithm='grid' is not allowed; choose from random, bayesian"),
        (("--trials", "0"), "parameter trials=0 is out of range; it must be between 1 and 100000"),
        (("--space", "wide"), "mass has no space 'wide'; choose from default, architectures"),
        (("--products", "3"), "parameter products='3' is varied by the search; leave it out"),
        (("--resume", "0" * 32), f"no run '{'0' * 32}' in sqlite:"),
        (("--workers", "0"), "workers=0 means that others start them: give address=host:port"),
        (("--threads", "999"), "threads=999, but this process may use"),
        (("--scheduler", "tcp://127.0.0.1:9"), "no Dask scheduler answers at scheduler='tcp://127.0.0.1:9'"),
        (("--epoch", "3"), "unknown parameter 'epoch'; this task knows: preset, data"),
    ],
)
def test_bad_input(store: str, words: tuple[str, ...], line: str) -> None:
    done = CliRunner().invoke(main, ["tune", "mass", *SMALL, *words])
    assert done.exit_code in (1, 2)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("shashlik: ")
    assert line in last
    client = MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("mass").experiment_id])  # type: ignore[union-attr]
    assert run.info.status == "FAILED"
    assert line.split(";")[0] in run.data.tags["failure"]
