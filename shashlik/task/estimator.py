"""Estimators: what every network, fit and closed form has in common, and what a fit is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shashlik.task.sample import Predictions, Sample

__all__ = ["Bench", "Estimator", "Nested", "Portable"]


@dataclass(frozen=True)
class Portable:
    """An estimator as data, able to predict without this repository.

    Parameters
    ----------
    module : pathlib.Path
        One self-contained Python file. It defines ``load(files) -> predict`` where ``files`` maps the
        names below to paths and ``predict(columns) -> outputs`` takes a mapping of input column name to
        a sequence with one entry an event (an array each, for a jagged column) and returns `Predictions`.
        A network's module also defines ``graph(files)``, see `tracking.runs.models.graph`: it can be
        exported.
    files : mapping of str to pathlib.Path
        Parameters and networks that the module reads.
    requirements : tuple of str
        PyPI requirements of the module.
    inputs : tuple of str
        Names of the columns it takes, from the task's schema.
    """

    module: Path
    files: Mapping[str, Path]
    requirements: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """What a fit is given besides events.

    Parameters
    ----------
    seed : int
        Governs everything random in the fit.
    scratch : pathlib.Path
        Folder for checkpoints; a resumed run finds there what the interrupted one left.
    curve : callable
        ``curve(name, values, step)`` shows live training curves, e.g. ``("start", {"loss": 1.2}, 3)``.
    checkpointed : callable
        Called after a checkpoint was written under `scratch`, so that it can be kept elsewhere too.
    simulate : callable or None
        ``simulate(events, seed)`` makes more training events; None where the task has no simulation.
    measured : bool
        Whether the training sample comes from the user's files, which the simulation may not quite resemble.
    """

    seed: int
    scratch: Path
    curve: Callable[[str, Mapping[str, float], int], None] = lambda name, values, step: None
    checkpointed: Callable[[Path], None] = lambda path: None
    simulate: Callable[[int, int], Sample] | None = None
    measured: bool = False


class Estimator(Protocol):
    """Anything that predicts: a network, a fit, a closed form."""

    @property
    def name(self) -> str:
        """Name in metrics and tables, e.g. ``network`` or ``lednev-tuned``."""

    def fit(self, train: Sample, bench: Bench) -> Estimator:
        """A fitted copy; an estimator with nothing to fit returns itself."""

    def predict(self, sample: Sample) -> Predictions:
        """Answers for every event, NaN where there is none."""

    def portable(self, folder: Path) -> Portable:
        """The fitted estimator written below `folder`."""


@dataclass(frozen=True)
class Nested:
    """One of several models that an estimator consists of: it gets a run of its own inside the estimator's.

    An estimator that has some offers them as ``nested``.

    Parameters
    ----------
    name : str
        Of the run.
    settings : mapping of str to value
        What it does not share with the others.
    metrics : mapping of str to float
    curves : mapping of str to sequence of float
        One value a step, from 1 on.
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
