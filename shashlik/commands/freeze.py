"""Freeze the evaluation sample of a task's candidates."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from registry.journal.champions import Registry
from registry.models import frozen_sample
from registry.models.frozen_sample import Frozen
from shashlik.evaluation import leakage
from shashlik.exceptions import BadInput
from shashlik.task import catalog, rootio
from shashlik.task.definition import Task
from shashlik.task.sample import Sample
from shashlik.task.settings import parse, resolve

__all__ = ["SEED", "ensure", "freeze"]

SEED = 1
#: Separates the random seeds of frozen samples from those derived for runs.
STREAM = 0xF60


def freeze(
    registry: Registry,
    name: str,
    data: str = "",
    events: int | None = None,
    seed: int = SEED,
    parameters: Sequence[str] = (),
) -> Frozen:
    """Store a sample, simulated or from the user's files, as the next version of the frozen sample.

    Parameters
    ----------
    registry : Registry
        Registry that records the sample.
    name : str
        The task.
    data : str
        ROOT files, see `shashlik.task.rootio.expand`; empty for the simulation.
    events : int, optional
        Number of events, of files the first ones. By default as many as the task's rule needs.
    seed : int
        Random seed of the simulation.
    parameters : sequence of str
        Settings of the task as ``--name value``.

    Raises
    ------
    BadInput
        For files or parameters that cannot be used.
    """
    task = catalog.load(name)
    events = task.frozen_events if events is None else events
    if events < 200:
        raise BadInput(f"events={events} is out of range; it must be at least 200 to judge anything")
    sample = _sample(task, data, events, seed, parameters)
    now = registry.state(name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / frozen_sample.FILE
        rootio.write(sample, file)
        # The sample is what the file holds: floats of 32 bits.
        stored = replace(rootio.read(str(file), task.schema), source=sample.source)
        if now.frozen.get("sha256") == stored.sha256:
            return Frozen.of(now.frozen)
        frozen = frozen_sample.store(
            name,
            int(now.frozen.get("version", 0)) + 1,
            file,
            sha256=stored.sha256,
            events=len(stored),
            source=stored.source,
            simulated=not data,
            known=leakage.identify(stored),
        )
    registry.note(name, "freeze", None, asdict(frozen))
    return frozen


def _sample(task: Task, data: str, events: int, seed: int, parameters: Sequence[str]) -> Sample:
    settings = resolve(task.settings, task.presets, parse(parameters))
    if not data:
        derived = int(np.random.SeedSequence((seed, STREAM)).generate_state(1)[0])
        return task.simulate(settings, events, derived)
    return rootio.read(data, task.schema, progress=True).select(slice(0, events))


def ensure(registry: Registry, name: str) -> Frozen:
    """Return the current frozen sample; create the default one if there is none."""
    now = registry.state(name)
    return Frozen.of(now.frozen) if now.frozen else freeze(registry, name)
