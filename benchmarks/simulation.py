"""Benchmark the simulation against a plain per-event loop in numpy: events per second, in one run.

Usage: ``python -m benchmarks.simulation [events]``
"""

from __future__ import annotations

import sys
import time

import numpy as np

from projects.ecal.detector import PITCH
from projects.ecal.simulation.events import Scene, simulate
from projects.ecal.simulation.profile import Profile
from projects.ecal.simulation.showers import draw, geant4_model


def plain(events: int, seed: int) -> list[np.ndarray]:
    """Simulate the default scene shower by shower and part by part, with the same physics."""
    rng, model, scene = np.random.default_rng(seed), geant4_model(), Scene()
    steps = (np.arange(scene.grid) - scene.grid // 2) * PITCH
    result = []
    for _ in range(events):
        energy, distance, angle = (
            rng.uniform(*scene.energy, 2),
            rng.uniform(*scene.distance),
            rng.uniform(0, 2 * np.pi),
        )
        middle = rng.uniform(-PITCH / 2, PITCH / 2, 2)
        half = distance / 2 * np.array([np.cos(angle), np.sin(angle)])
        cells = np.zeros((scene.grid, scene.grid))
        for sign, e in zip((-1, 1), energy, strict=True):
            shower = draw(model, np.array([e]), rng)
            x, y = middle + sign * half
            mean = np.zeros_like(cells)
            for part in range(shower.energy.shape[1]):
                term = Profile((1.0,), (float(shower.width[0, part]),))
                dx, dy = steps - x - shower.x[0, part], steps - y - shower.y[0, part]
                mean += shower.energy[0, part] * term.fraction(dx, dy[:, None])
            mean = np.maximum(mean, 1e-9)
            spots = rng.gamma(mean / shower.spot) * shower.spot
            cells += spots * mean.sum() / spots.sum()
        cells = cells * (1 + scene.gain_spread * rng.standard_normal(cells.shape))
        cells += scene.noise * rng.standard_normal(cells.shape)
        result.append(cells[cells > scene.threshold])
    return result


def main() -> None:
    """Print both rates, per second of processor time, and their ratio."""
    events = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    simulate(Scene(), 100, seed=0)  # compile
    start = time.process_time()
    simulate(Scene(), events, seed=1, progress=True)
    fast = events / (time.process_time() - start)
    few = max(events // 200, 20)
    start = time.process_time()
    plain(few, seed=1)
    slow = few / (time.process_time() - start)
    print(f"simulation {fast:,.0f} events/s, plain loop {slow:,.0f} events/s, ratio {fast / slow:.0f}")


if __name__ == "__main__":
    main()
