"""Estimators: the interface shared by networks, fits and closed forms, and the inputs of a fit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from shashlik.task.sample import Predictions, Sample

__all__ = ["Bench", "Estimator", "Nested", "Portable"]


@dataclass(frozen=True)
class Portable:
    """An estimator as data that predicts without this repository.

    Parameters
    ----------
    module : pathlib.Path
        One self-contained Python file. It defines ``load(files) -> predict`` where ``files`` maps the
        names below to paths and ``predict(columns) -> outputs`` takes a mapping of input column name to
        a sequence with one entry per event (an array each, for a jagged column) and returns `Predictions`.
        The module of a network that can be exported also defines ``graph(files)``, see
        `tracking.runs.models.graph`.
    files : mapping of str to pathlib.Path
        Parameters and networks that the module reads.
    requirements : tuple of str
        PyPI requirements of the module.
    inputs : tuple of str
        Names of its input columns, from the task's schema.
    """

    module: Path
    files: Mapping[str, Path]
    requirements: tuple[str, ...]
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Bench:
    """Inputs of a fit besides the events.

    Parameters
    ----------
    seed : int
        Random seed of the fit.
    scratch : pathlib.Path
        Folder for checkpoints; a resumed run finds those of the interrupted run there.
    curve : callable
        ``curve(name, values, step)`` shows live training curves, e.g. ``("start", {"loss": 1.2}, 3)``.
    checkpointed : callable
        Called after a checkpoint was written under `scratch`, to keep a copy elsewhere.
    simulate : callable or None
        ``simulate(events, seed)`` makes more training events; None where the task has no simulation.
    measured : bool
        Whether the training sample comes from the user's files, which the simulation may not fully
        resemble.
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
        """Return a fitted copy; an estimator with nothing to fit returns itself."""

    def predict(self, sample: Sample) -> Predictions:
        """Predict every event, NaN where there is no prediction."""

    def portable(self, folder: Path) -> Portable:
        """Write the fitted estimator below `folder`."""


@dataclass(frozen=True)
class Nested:
    """One of several models inside an estimator, recorded as a child run of the estimator's.

    An estimator that has such models offers them as ``nested``.

    Parameters
    ----------
    name : str
        Name of the child run.
    settings : mapping of str to value
        Settings that differ from those of the other models.
    metrics : mapping of str to float
    curves : mapping of str to sequence of float
        One value per step, starting at step 1.
    """

    name: str
    settings: Mapping[str, Any]
    metrics: Mapping[str, float]
    curves: Mapping[str, Sequence[float]]
