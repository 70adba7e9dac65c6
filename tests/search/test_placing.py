"""Local workers: their cores, and what is told of one that ends too early."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from shashlik.exceptions import BadInput
from shashlik.search.placement import LocalWorkers, cores_of

MINE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
#: A core that no machine has: the worker ends before it has loaded what takes long.
NOWHERE = 4095


def test_workers_share_the_cores() -> None:
    assert cores_of(1, 0) == [MINE]
    assert cores_of(len(MINE), 0) == [[core] for core in MINE]
    assert cores_of(len(MINE) + 1, 0) == [[core] for core in (*MINE, MINE[0])], "more workers than cores"
    assert cores_of(2, len(MINE)) == [MINE, MINE], "as many as were asked for"
    with pytest.raises(BadInput, match=f"threads={len(MINE) + 1}, but this process may use {len(MINE)}"):
        cores_of(1, len(MINE) + 1)


def test_a_worker_that_ends_too_early_is_started_again(tmp_path: Path) -> None:
    """One that is killed, and one that ends by itself, whose last words are told."""
    workers = LocalWorkers([[NOWHERE], [NOWHERE]], {}, tmp_path)
    try:
        first = dict(workers.processes)
        assert set(first) == {"worker-0", "worker-1"}
        os.kill(first["worker-0"].pid, signal.SIGKILL)
        for process in first.values():
            process.wait(60)
        assert workers.lost() == [
            ("worker-0", "killed by signal 9"),
            (
                "worker-1",
                "ended with exit code 2: shashlik: --cores '4095': none of these is a core of this machine",
            ),
        ]
        again = dict(workers.processes)
        assert not {process.pid for process in again.values()} & {process.pid for process in first.values()}
    finally:
        workers.close(orderly=False)
    assert all(process.returncode is not None for process in again.values())


@pytest.mark.parametrize(("orderly", "wanted"), [(True, 2), (False, -signal.SIGTERM)])
def test_workers_go_home_or_are_sent(orderly: bool, wanted: int, tmp_path: Path) -> None:
    workers = LocalWorkers([[NOWHERE]], {}, tmp_path)
    workers.close(orderly)
    (process,) = workers.processes.values()
    assert process.returncode == wanted
