"""Benchmark the default training loop against plain Keras with batch size 64: same net, same events.

``python -m benchmarks.training [events]`` prints events per second and their ratio, by wall clock and per
second of processor time, which other programs on the machine disturb less. Both train the dense network of
the original study. The ratio does not include that fewer, larger steps also learn more from an epoch.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np

from projects.ecal.networks import original_networks
from projects.ecal.networks.pair_estimator import NetworkSettings
from shashlik.estimators.training import Plan, prepare, train
from shashlik.task.estimator import Bench


def events_of(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw cells (n, 9, 9) and pairs (n, 6) of the right shapes; their values do not affect the speed."""
    rng = np.random.default_rng(1)
    cells = rng.exponential(1.0, (number, 9, 9)).astype(np.float32)
    return cells, rng.uniform(0, 30, (number, 6)).astype(np.float32)


def plain(cells: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Measure wall and processor seconds of an epoch of ``model.fit(batch_size=64)``."""
    network = original_networks.network(2, 9)
    network.compile(keras.optimizers.Adam(5e-5), original_networks.loss(2))
    network.fit(cells[:640], pairs[:640], batch_size=64, verbose=0)  # compile
    begin = now()
    network.fit(cells, pairs, batch_size=64, verbose=0)
    return now() - begin


def default(cells: np.ndarray, pairs: np.ndarray, epochs: int = 4) -> np.ndarray:
    """Measure the same for the default loop with the task's plan, from the second epoch on."""
    settings = NetworkSettings()
    ends: list[np.ndarray] = []
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(seed=1, scratch=Path(folder), curve=lambda *facts: ends.append(now()))
        watching = (cells[:1024], pairs[:1024])
        plan = Plan(epochs, settings.batch, settings.rate)
        network, loss = original_networks.network(2, 9), original_networks.loss(2)
        train("speed", network, loss, (cells, pairs), watching, plan, bench)
    return (ends[-1] - ends[0]) / (epochs - 1)


def now() -> np.ndarray:
    """Read wall clock and processor time in seconds."""
    return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
    """Print both rates and their ratio, measured alternately."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
    prepare(1)
    cells, pairs = events_of(number)
    taken = np.array([(default(cells, pairs), plain(cells, pairs)) for _ in range(5)])
    for column, name in enumerate(("by the clock", "per processor second")):
        ours, theirs = number / np.median(taken[:, :, column], axis=0)
        ratios = np.sort(taken[:, 1, column] / taken[:, 0, column])
        print(
            f"{name}: default {ours:,.0f} events/s, batch 64 {theirs:,.0f} events/s, "
            f"ratio {np.median(ratios):.1f} (from {ratios[0]:.1f} to {ratios[-1]:.1f})"
        )


if __name__ == "__main__":
    main()
