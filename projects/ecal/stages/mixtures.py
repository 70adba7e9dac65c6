"""Events with different numbers of photons: simulation and information limit."""

from __future__ import annotations

from dataclasses import replace

import awkward as ak
import numpy as np

from projects.ecal.limit.bound import bound
from projects.ecal.simulation.events import Scene, simulate
from shashlik.task.sample import Predictions, Sample

__all__ = ["mixture", "mixture_limit"]


def mixture(scene: Scene, fewest: int, events: int, seed: int) -> Sample:
    """Simulate events of `fewest` to `scene.photons` photons, every number equally likely, in random order.

    With a single number, the events are those of `projects.ecal.simulation.events.simulate`, with the same
    content.
    """
    if fewest == scene.photons:
        return simulate(scene, events, seed)
    rng = np.random.default_rng((seed, fewest))
    numbers = range(fewest, scene.photons + 1)
    counts = rng.multinomial(events, np.full(len(numbers), 1 / len(numbers)))
    seeds = np.random.SeedSequence((seed, fewest)).generate_state(len(numbers))
    parts = [
        simulate(replace(scene, photons=number), int(count), int(part_seed))
        for number, count, part_seed in zip(numbers, counts, seeds, strict=True)
    ]
    combined = Sample.concatenate(parts).select(rng.permutation(events))
    # One run, as in every simulated sample: its number is the random seed.
    names = {"run": np.full(events, seed, dtype=np.int64), "event": np.arange(events, dtype=np.int64)}
    source = f"simulation, seed {seed}, {fewest} to {scene.photons} photons, {scene}"
    return Sample(combined.schema, {**combined.columns, **names}, source)


def mixture_limit(scene: Scene, fewest: int, sample: Sample) -> Predictions:
    """Return `projects.ecal.limit.bound.bound` of such events, by their numbers of photons; NaN for absent
    photons.
    """
    number = ak.to_numpy(ak.num(sample["true_e"]))
    limits: dict[str, np.ndarray] = {}
    for photons in range(scene.photons, fewest - 1, -1):
        rows = number == photons
        limit = bound(replace(scene, photons=photons), sample.select(rows))
        for name, values in limit.items():
            limits.setdefault(name, np.full(len(sample), np.nan))[rows] = values
    return limits
