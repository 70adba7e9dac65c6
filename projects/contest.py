"""Registered versions in front of the frozen sample: predictions, outcome, speed and size of each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from projects import rootio
from projects.judgement import Outcome
from projects.task import Predictions, Sample, Task
from registry import frozen, modelfiles, versions
from registry.frozen import Frozen
from registry.gate import Contestant
from registry.versions import Version
from tracking.models import Predict, load
from tracking.runs import CannotRecord

__all__ = ["Entrant", "enter", "frozen_sample", "predict_all"]

#: Events in one call of a model.
CHUNK = 20_000
#: Events that are predicted before the clock starts: they compile.
WARM = 64


@dataclass(frozen=True)
class Entrant:
    """A version with what it said about a sample.

    Parameters
    ----------
    version : Version
    predictions : Predictions
    contestant : Contestant
        What the gate sees of it.
    """

    version: Version
    predictions: Predictions
    contestant: Contestant

    @property
    def outcome(self) -> Outcome:
        """What it is worth on the sample, event by event."""
        return self.contestant.outcome


def frozen_sample(task: Task, kept: Frozen) -> Sample:
    """The events of a frozen sample.

    Raises
    ------
    CannotRecord
        If they are gone, or are not those that were frozen.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = frozen.fetch(kept, Path(folder))
        sample = rootio.read(str(file), task.schema)
    if sample.sha256 != kept.sha256:
        raise CannotRecord(
            f"frozen sample {kept.version} of {task.name} is not the one that was frozen: its SHA-256 is "
            f"{sample.sha256[:12]}, the journal says {kept.sha256[:12]}"
        )
    return replace(sample, source=kept.source)


def predict_all(predict: Predict, inputs: Sequence[str], sample: Sample) -> dict[str, np.ndarray]:
    """Answers for all events, some at a time."""
    parts = []
    for start in range(0, len(sample), CHUNK):
        few = sample.select(slice(start, start + CHUNK))
        parts.append(predict({name: few[name] for name in inputs}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def enter(task: Task, version: Version, name: str, sample: Sample) -> Entrant:
    """Ask the registered model, not the estimator it once was.

    Parameters
    ----------
    name : str
        How the verdict calls it.

    Raises
    ------
    CannotRecord
        If its files are gone or are not those that were registered.
    """
    folder = versions.fetch(task.name, str(version.number))
    predict, inputs = load(folder)
    predict_all(predict, inputs, sample.select(slice(0, WARM)))
    begin = time.perf_counter()
    predictions = predict_all(predict, inputs, sample)
    speed = 1e9 * (time.perf_counter() - begin) / len(sample)
    prefix = f"{name}/"
    metrics = task.extra_metrics(sample, {name: predictions})
    contestant = Contestant(
        name,
        task.outcome(sample, predictions),
        {key.removeprefix(prefix): value for key, value in metrics.items()},
        speed,
        modelfiles.megabytes(folder),
        modelfiles.sha256(folder),
    )
    return Entrant(version, predictions, contestant)
