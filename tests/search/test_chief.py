"""The chief's service over real gRPC: workers that vanish, come back, and find nothing left."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from shashlik.exceptions import BadInput
from shashlik.search import chief as chiefs
from shashlik.search import worker as workers
from shashlik.search.chief import Chief, split_address
from shashlik.search.oracle import OBJECTIVE, oracle
from shashlik.search.settings import SearchSettings
from shashlik.search.worker import Worker, search_of
from shashlik.task.search_space import Range, Space
from shashlik.task.settings import RunSettings

SPACE = Space({"rate": Range(1e-4, 1e-1, log=True)})


class Noted:
    """A chief's surroundings."""

    def __init__(self, folder: Path, trials: int) -> None:
        search = SearchSettings(algorithm="random", trials=trials, best=1)
        self.oracle = oracle(search, SPACE, RunSettings(), "r" * 32)
        self.oracle._set_project_dir(str(folder), "oracle")
        self.saved: list[int] = []
        self.ended: list[tuple[str, str]] = []
        self.chief = Chief(
            self.oracle,
            "127.0.0.1",
            0,
            lambda: self.saved.append(len(self.oracle.trials)),
            lambda trial: self.ended.append((trial.trial_id, trial.status)),
        )


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Noted]]:
    open_ones: list[Chief] = []
    monkeypatch.setenv(workers.NAME, "")

    def make(trials: int) -> Noted:
        found = Noted(tmp_path, trials)
        open_ones.append(found.chief)
        for name, value in found.chief.environment("127.0.0.1").items():
            monkeypatch.setenv(name, value)
        return found

    yield make
    for one in open_ones:
        one.close()


@contextmanager
def worker(
    name: str, perform: Callable[..., float], folder: Path
) -> Iterator[tuple[Worker, threading.Thread]]:
    """A worker at work in a thread; keras-tuner reads its name from the environment."""
    os.environ[workers.NAME] = name
    made = Worker(perform, str(folder / name))
    thread = threading.Thread(target=made.search, daemon=True)
    thread.start()
    yield made, thread
    thread.join(30)
    assert not thread.is_alive()


def test_two_workers_share_the_trials(noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "PAUSE", 0.05)
    found = noted(6)
    done: list[tuple[str, str]] = []

    def performing(name: str) -> Callable[..., float]:
        def perform(trial_id: str, values: dict[str, Any]) -> float:
            time.sleep(0.2)
            done.append((name, trial_id))
            return values["rate"]

        return perform

    assert search_of(10) == "r" * 32
    with worker("a", performing("a"), tmp_path), worker("b", performing("b"), tmp_path):
        pass
    assert {name for name, _ in done} == {"a", "b"}
    assert sorted(trial for _, trial in done) == [f"{number:04d}" for number in range(7)]
    assert found.chief.done
    assert found.ended == [(trial, "COMPLETED") for trial in dict(found.ended)]
    # Written down before a worker acts on it, and again at its end.
    assert len(found.saved) == 14
    best = min(found.oracle.searched, key=lambda trial: trial.hyperparameters.values["rate"])
    assert found.oracle.finals[0].hyperparameters.values["search/final"] == best.trial_id


@pytest.mark.parametrize(
    ("error", "tries"),
    [(ValueError("no such width"), 1), (OSError("the disk is full"), 3), (float("nan"), 1)],
)
def test_failures(noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Any, tries: int) -> None:
    """A trial that cannot work is not tried again; one that met a passing trouble is."""
    monkeypatch.setattr(workers, "PAUSE", 0.05)
    found = noted(3)
    asked: list[str] = []

    def perform(trial_id: str, values: dict[str, Any]) -> float:
        asked.append(trial_id)
        if trial_id != "0001":
            return values["rate"]
        if isinstance(error, float):
            return error
        raise error

    with worker("a", perform, tmp_path):
        pass
    assert asked.count("0001") == tries
    assert {"0000", "0002", "0003"} <= set(asked)
    assert [trial for trial, status in found.ended if status == "FAILED"] == ["0001"]


def test_lost_worker_loses_its_trial_only(noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent too long, its trial goes to another worker, and what it says later is ignored."""
    monkeypatch.setattr(workers, "PAUSE", 0.05)
    monkeypatch.setattr(workers, "BEAT", 0.1)
    monkeypatch.setattr(chiefs, "SILENCE", 0.6)
    found = noted(3)
    wake = threading.Event()
    asked: list[tuple[str, str]] = []

    def slow(trial_id: str, values: dict[str, Any]) -> float:
        asked.append(("slow", trial_id))
        assert wake.wait(30)
        return 1e-9

    def quick(trial_id: str, values: dict[str, Any]) -> float:
        asked.append(("quick", trial_id))
        return values["rate"]

    with worker("slow", slow, tmp_path) as (_, thread):
        while not asked:
            time.sleep(0.05)
        with worker("quick", quick, tmp_path):
            deadline = time.monotonic() + 30
            while not found.chief.expire():
                assert time.monotonic() < deadline
                time.sleep(0.05)
        assert found.chief.done
        wake.set()
    assert not thread.is_alive(), "there is nothing left for it"
    assert [trial for name, trial in asked if name == "slow"] == ["0000"]
    assert sorted(trial for name, trial in asked if name == "quick") == ["0000", "0001", "0002", "0003"]
    assert found.oracle.trials["0000"].metrics.get_best_value(OBJECTIVE) > -20, "not what the late one said"
    assert [status for _, status in found.ended] == ["COMPLETED"] * 4


def test_sign_of_life(noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long trial is not a lost one."""
    monkeypatch.setattr(workers, "PAUSE", 0.05)
    monkeypatch.setattr(workers, "BEAT", 0.1)
    monkeypatch.setattr(chiefs, "SILENCE", 0.6)
    found = noted(1)
    wake = threading.Event()

    def long(trial_id: str, values: dict[str, Any]) -> float:
        assert wake.wait(30)
        return 1.0

    with worker("a", long, tmp_path) as (made, _), workers.attending(made):
        for _ in range(20):
            assert found.chief.expire() == []
            time.sleep(0.1)
        wake.set()
    assert found.chief.done


def test_a_silent_chief_ends_the_process_and_only_while_there_is_work(
    noted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever outlives the search, such as the process of these tests, is left in peace."""
    ended = threading.Event()
    monkeypatch.setattr(workers, "BEAT", 0.05)
    monkeypatch.setattr(workers, "PATIENCE", 0.2)
    monkeypatch.setattr(workers, "_end", ended.set)
    found = noted(1)
    monkeypatch.setenv(workers.NAME, "a")
    made = Worker(lambda trial_id, values: 1.0, str(tmp_path))
    threads = threading.active_count()
    with workers.attending(made):
        assert not ended.wait(1.0), "the chief answers"
    assert threading.active_count() == threads
    with workers.attending(made):
        found.chief.close()
    assert not ended.wait(1.0), "the search is over"
    with workers.attending(made):
        assert ended.wait(10.0)


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(chiefs.ADDRESS, raising=False)
    with pytest.raises(BadInput, match="finds its search by the variables KERASTUNER_ORACLE_IP"):
        search_of()
    monkeypatch.setenv(chiefs.ADDRESS, "127.0.0.1")
    monkeypatch.setenv(chiefs.PORT, "9")
    with pytest.raises(BadInput, match=r"no search answers at 127.0.0.1:9 \(\w+\): it has ended, or"):
        search_of(0.5)


def test_port_that_is_taken(noted) -> None:
    taken = noted(1).chief.port
    with pytest.raises(BadInput, match=f"cannot listen on 127.0.0.1:{taken}: choose another"):
        Chief(None, "127.0.0.1", taken, lambda: None, lambda trial: None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("farm", ("farm", 0)), ("farm:5000", ("farm", 5000)), ("10.0.0.1:0", ("10.0.0.1", 0))],
)
def test_addresses(text: str, wanted: tuple[str, int]) -> None:
    assert split_address(text) == wanted


@pytest.mark.parametrize("text", ["farm:", "farm:x", ":5000", "farm:70000"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(BadInput, match="is not host or host:port"):
        split_address(text)
