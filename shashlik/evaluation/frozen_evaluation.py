"""Evaluate registered model versions on the frozen sample: predictions, outcome, speed and size."""

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

#: Random seed of the bootstrap: the same versions on the same sample give the same evidence.
SEED = 20_260_101
#: Events in one call of a model.
CHUNK = 20_000
#: Events predicted before the timing, which triggers compilation.
WARM = 64


@dataclass(frozen=True)
class Entrant:
    """A registered version with its predictions for a sample.

    Parameters
    ----------
    version : Version
    predictions : Predictions
    contestant : Contestant
        Outcome, metrics, speed and size for the gate.
    """

    version: Version
    predictions: Predictions
    contestant: Contestant

    @property
    def outcome(self) -> Outcome:
        """Residuals or scores of the version on the sample, event by event."""
        return self.contestant.outcome


def frozen_sample(task: Task, kept: Frozen) -> Sample:
    """Read the events of a frozen sample.

    Raises
    ------
    CannotRecord
        If the events are missing, or differ from those that were frozen.
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
    """Predict all events in chunks."""
    parts = []
    for start in range(0, len(sample), CHUNK):
        few = sample.select(slice(start, start + CHUNK))
        parts.append(predict({name: few[name] for name in inputs}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def enter(task: Task, version: Version, name: str, sample: Sample) -> Entrant:
    """Evaluate the registered model rather than the estimator that it was made from.

    Parameters
    ----------
    name : str
        Name of the version in the verdict.

    Raises
    ------
    CannotRecord
        If its files are missing, or differ from those that were registered.
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
    """Name a version in evidence on a frozen sample; `tracking.runs.indexing` parses its number."""
    return f"v{version.number}-{version.estimator}"


def ranked(task: Task, kept: Frozen, sample: Sample, entrants: Sequence[Entrant]) -> AnyEvidence:
    """Build the evidence of several versions on a frozen sample; the first is compared with all others."""
    by_name = {called(entrant.version): entrant for entrant in entrants}
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
        {name: entrant.outcome for name, entrant in by_name.items()},
        facts=facts,
        seed=SEED,
        subject=next(iter(by_name)),
        ns_per_event={name: entrant.contestant.ns_per_event for name, entrant in by_name.items()},
        extra=task.extra_metrics(sample, {name: entrant.predictions for name, entrant in by_name.items()}),
    )


def residuals_of(kept: Frozen, entrants: Sequence[Entrant]) -> ResidualTable | None:
    """Collect residuals of versions on a frozen sample, under their names in the evidence."""
    return residual_table.of({called(entrant.version): entrant.outcome for entrant in entrants}, kept.sha256)
