"""Benchmark the prediction of a hit's energy by both networks of the task facile and its classical methods.

``python benchmarks/facile.py`` builds the networks without training, which does not affect their speed.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from projects.facile.baselines import CLASSICAL
from projects.facile.networks import COLUMNS, Architecture, build
from projects.facile.simulation.events import simulate
from projects.facile.speed import measured
from shashlik.estimators.regression import columns


def main() -> None:
    hits = simulate(20_000, 1)
    for method in CLASSICAL:
        method.predict(hits)  # compiles
        begin = time.perf_counter()
        method.predict(hits)
        print(f"{method.name}: {1e9 * (time.perf_counter() - begin) / len(hits):.0f} ns an event")
    inputs = columns(hits, COLUMNS).astype(np.float32)
    for kind in ("default", "seed"):
        model = build(Architecture(kind, 24, 3, "relu", 1, 1, 1e-3, 0), inputs)
        print(f"\n{kind}: {model.count_params()} parameters")
        print(measured(model).table)


if __name__ == "__main__":
    main()
