"""Curves neither hold up a training nor lose points to a store that is away for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import pytest

from tracking.runs.curves import Curves, Point


def test_points_are_sent_in_few_batches() -> None:
    batches: list[int] = []
    curves = Curves(lambda points: batches.append(len(points)), period=0.05)
    for step in range(2500):
        curves.add("net", {"loss": 1.0}, step)
    curves.close()
    assert sum(batches) == 2500
    assert max(batches) <= 1000
    assert len(batches) < 100


def test_flushing_sends_at_once_and_each_point_once() -> None:
    got: list[int] = []
    curves = Curves(lambda points: got.extend(point.step for point in points), period=60)
    for step in range(1500):
        curves.add("net", {"loss": 1.0}, step)
    curves.flush()
    assert got == list(range(1500))
    curves.add("net", {"loss": 1.0}, 1500)
    curves.close()
    assert got == list(range(1501))


def test_points_wait_for_a_store_that_is_away() -> None:
    got: list[Point] = []
    away = threading.Event()
    away.set()

    def send(points: Sequence[Point]) -> None:
        if away.is_set():
            raise ConnectionError("gone\nfor now")
        got.extend(points)

    curves = Curves(send, period=0.01)
    curves.add("net", {"loss": 1.0}, 0)
    deadline = time.monotonic() + 20
    while not curves.trouble and time.monotonic() < deadline:
        time.sleep(0.01)
    assert curves.trouble == "gone"
    away.clear()
    curves.add("net", {"loss": 0.5}, 1)
    curves.close()
    assert [point.step for point in got] == [0, 1]
    assert not curves.trouble


def test_a_store_that_hangs_does_not_hang_the_run() -> None:
    release = threading.Event()
    curves = Curves(lambda points: release.wait(60) and None, period=0.01)
    curves.add("net", {"loss": 1.0}, 0)
    curves.close(patience=0.2)
    release.set()
    assert curves.trouble == "the store does not answer"


def test_closing_without_points_needs_no_store() -> None:
    Curves(lambda points: pytest.fail("nothing to send")).close()
