"""Simulation and information limit of tasks whose settings describe a scene."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from projects.ecal.limit.bound import bound
from projects.ecal.simulation.events import Scene, simulate
from shashlik.task.sample import Predictions, Sample

__all__ = ["limit", "simulator"]


def simulator(scene: Callable[[Any], Scene]) -> Callable[[Any, int, int], Sample]:
    """Return `simulate` of a task whose settings `scene` converts to a scene."""
    return lambda settings, events, seed: simulate(scene(settings), events, seed)


def limit(scene: Callable[[Any], Scene]) -> Callable[[Any, Sample], Predictions]:
    """Return `limit` of such a task."""
    return lambda settings, sample: bound(scene(settings), sample)
