"""Registered versions in front of the frozen sample: predictions, outcome, speed and size of each."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from registry.gate.decision import Contestant
from registry.models import frozen_sample as frozen
from registry.models import model_files, versions
from registry.models.frozen_sample import Frozen
from registry.models.versions import Version
from shashlik.task import rootio
from shashlik.task.definition import Task
from shashlik.task.kinds import Outcome
from shashlik.task.sample import Predictions, Sample
from tracking.evidence import residual_table
from tracking.evidence.residual_table import ResidualTable
from tracking.evidence.resolution import AnyEvidence, Facts
from tracking.runs.lifecycle import CannotRecord
from tracking.runs.models import Predict, load
from tracking.runs.provenance import versions as packages

__all__ = ["Entrant", "called", "enter", "frozen_sample", "predict_all", "ranked", "residuals_of"]

#: Seed of the bootstrap: the same versions on the same sample give the same evidence.
SEED = 20_260_101
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
        model_files.megabytes(folder),
        model_files.sha256(folder),
    )
    return Entrant(version, predictions, contestant)


def called(version: Version) -> str:
    """Name of a version in evidence on a frozen sample; `tracking.runs.indexing` reads its number from it."""
    return f"v{version.number}-{version.estimator}"


def ranked(task: Task, kept: Frozen, sample: Sample, entrants: Sequence[Entrant]) -> AnyEvidence:
    """Evidence of several versions on a frozen sample; the first is compared with all others."""
    found = {called(entrant.version): entrant for entrant in entrants}
    facts = Facts(
        task.name,
        kept.sha256,
        f"frozen sample {kept.version}: {kept.source}",
        len(sample),
        entrants[0].outcome.shape[1],
        SEED,
        packages(),
    )
    return task.judgement.evidence(
        {name: one.outcome for name, one in found.items()},
        facts=facts,
        seed=SEED,
        subject=next(iter(found)),
        ns_per_event={name: one.contestant.ns_per_event for name, one in found.items()},
        extra=task.extra_metrics(sample, {name: one.predictions for name, one in found.items()}),
    )


def residuals_of(kept: Frozen, entrants: Sequence[Entrant]) -> ResidualTable | None:
    """Residuals of versions on a frozen sample, under the names that their evidence has for them."""
    return residual_table.of({called(one.version): one.outcome for one in entrants}, kept.sha256)
