"""The vocabulary of a physics task: columns with units, samples of events, estimators, the task itself.

Everything here is frozen data or a protocol. A task is one module that defines ``TASK``; it inherits
from nothing and imports neither another task nor mlflow.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import awkward as ak
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shashlik.task.search_space import Space
from shashlik.task.variants import Study
from tracking.rule import Terms
from tracking.statistics.residuals import Binning, Quantity, Residuals
from tracking.statistics.scores import Criteria, Scores

if TYPE_CHECKING:
    from shashlik.task.kinds import Judgement, Outcome

__all__ = [
    "BadInput",
    "Bench",
    "Column",
    "Estimator",
    "Finding",
    "Nested",
    "Portable",
    "Predictions",
    "Sample",
    "Schema",
    "Task",
]

#: One flat array per output, shape (events,); NaN where the estimator has no answer.
Predictions = Mapping[str, NDArray[np.floating]]


class BadInput(ValueError):
    """Input that cannot be used. Its text is the one line a user reads: value, what is allowed, next step."""


@dataclass(frozen=True)
class Column:
    """One column of a sample.

    Parameters
    ----------
    name : str
        Branch name in the ROOT file.
    unit : str
        ``"cm"``, ``"GeV"``, ``"rad"``; empty for counts and ids.
    kind : {"int", "float"}
        Integers are kept as int64, floats as float64.
    meaning : str
        One phrase for the documentation.
    jagged : bool
        Whether an event holds any number of values.
    optional : bool
        Whether a file may lack the branch.
    role : {"input", "id", "truth", "result"}
        What estimators may see, what names an event, what they are judged by, what another program found.
    count : int
        How many values of a jagged column every event holds; 0: any number.
    """

    name: str
    unit: str
    kind: str
    meaning: str
    jagged: bool = False
    optional: bool = False
    role: str = "input"
    count: int = 0


@dataclass(frozen=True)
class Schema:
    """Columns of a ROOT tree that a task reads and writes.

    Parameters
    ----------
    tree : str
        Name of the tree.
    columns : tuple of Column
    named : callable
        ``named(file) -> mapping of str to float``: what the name of a file says of all its events. It fills
        columns that the file has no branches for.
    """

    tree: str
    columns: tuple[Column, ...]
    named: Callable[[str], Mapping[str, float]] = field(default=lambda file: {}, compare=False)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, optional ones included."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that a file must have."""
        return tuple(column.name for column in self.columns if not column.optional)

    def having(self, role: str) -> tuple[str, ...]:
        """Names of the columns of one role."""
        return tuple(column.name for column in self.columns if column.role == role)


@dataclass(frozen=True)
class Sample:
    """Events as columns: flat ones as numpy arrays, jagged ones as awkward arrays.

    Parameters
    ----------
    schema : Schema
        What the columns mean.
    columns : mapping of str to ndarray or awkward.Array
        All of one length; see `shashlik.task.rootio.sample` for the checked way to build one.
    source : str
        Where the events come from, for the record: files, or the simulation with its seed.
    """

    schema: Schema
    columns: Mapping[str, Any]
    source: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def select(self, rows: slice | NDArray[Any]) -> Sample:
        """Events chosen by a slice, a boolean mask or indices."""
        return Sample(self.schema, {name: array[rows] for name, array in self.columns.items()}, self.source)

    @cached_property
    def sha256(self) -> str:
        """Hash of the full content: every column's name, type, counts and values, in schema order.

        It does not depend on how the file was compressed or chunked. Floats are hashed as float32 and
        integers as int64, the precision that files of these schemas hold.
        """
        digest = hashlib.sha256()
        for column in self.schema.columns:
            if column.name not in self.columns:
                continue
            array = self.columns[column.name]
            kind = "<i8" if column.kind == "int" else "<f4"
            digest.update(f"{column.name}:{kind}:{len(self)};".encode())
            if column.jagged:
                digest.update(ak.to_numpy(ak.num(array)).astype("<i8").tobytes())
                array = ak.flatten(array)
            digest.update(np.ascontiguousarray(ak.to_numpy(array)).astype(kind).tobytes())
        return digest.hexdigest()

    @staticmethod
    def concatenate(samples: Sequence[Sample]) -> Sample:
        """One sample of several; columns that not all of them have are left out."""
        first = samples[0]
        shared = [name for name in first.columns if all(name in sample for sample in samples)]
        columns = {
            name: (ak if first.schema[name].jagged else np).concatenate([sample[name] for sample in samples])
            for name in shared
        }
        return Sample(first.schema, columns, ", ".join(dict.fromkeys(sample.source for sample in samples)))


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
class Finding:
    """What is known of fitted estimators besides their answers to the test events, for example how candidates
    that a fit chose from compare, or what they say of events of another kind.

    Parameters
    ----------
    table : str
        Markdown.
    figure : matplotlib.figure.Figure
        The same to look at.
    numbers : mapping of str to float
        Metrics, ``<estimator>/<what>``.
    """

    table: str
    figure: Figure
    numbers: Mapping[str, float] = field(default_factory=dict)


def _undeclared(sample: Sample, predictions: Predictions) -> Residuals:
    raise TypeError("the task declares no residuals")


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


@dataclass(frozen=True)
class Task:
    """A physics task. One module of `projects` defines one as ``TASK``.

    It declares either `residuals` with `quantities` and `binnings`, and is judged by its resolution, or
    `scores` with `criteria`, and is judged as a classification. Everything else is the same for both.

    Parameters
    ----------
    name : str
        Entry point, experiment and registered model.
    title, description : str
        One line and one paragraph for people.
    schema : Schema
        Columns of the input files.
    settings : type
        Frozen dataclass of the run's parameters; its fields become the entry point's parameters. Field
        metadata: ``help`` (str), ``allowed`` (tuple of values) or ``least`` / ``most`` (numbers).
    presets : mapping of str to mapping
        Named sets of settings; ``default`` and ``smoke`` exist in every task.
    simulate : callable
        ``simulate(settings, events, seed) -> Sample``.
    estimators : callable
        ``estimators(settings) -> sequence of Estimator`` not yet fitted: baselines first, the network last.
    residuals : callable
        ``residuals(sample, predictions) -> Residuals``.
    quantities : tuple of Quantity
        What is judged; the first is the primary one.
    binnings : tuple of Binning
        Where the resolution is studied.
    scores : callable
        ``scores(sample, predictions) -> Scores``, in place of `residuals`.
    criteria : Criteria
        What of a classification is looked at.
    carried : callable
        ``carried(sample) -> mapping of str to Predictions``: results of other programs that came with the
        file, judged beside our own estimators.
    limit : callable
        ``limit(settings, sample) -> Predictions``: answers as good as the information in simulated events
        allows, made with the truth. They are judged as ``bound`` beside the estimators, never registered and
        nobody's rival. Left out for the user's files, whose events the simulation may not quite resemble.
    pictures : callable
        ``pictures(sample, predictions by estimator) -> mapping of str to Figure``: displays, mass peaks.
    extra_metrics : callable
        ``extra_metrics(sample, predictions by estimator) -> mapping of str to float``: numbers of its own.
    findings : callable
        ``findings(fitted estimators by name) -> mapping of str to Finding``.
    probes : callable
        ``probes(settings, fitted estimators by name) -> mapping of str to Finding``: what they say of events
        that the test events cannot stand for, simulated for the purpose.
    crossed : bool
        Whether every estimator learns from two halves of the events and answers each event by what it learned
        from the other half. Then all events of a run train and all are judged.
    files : callable
        ``files(sample) -> mapping of str to rows``: how `simulate` spreads events over files in a folder.
    rule : Rule or ScoreRule
        When a candidate becomes champion; without one nothing does.
    frozen_events : int
        Size of a frozen sample where nobody asks for another: enough for the rule's margins to be decided.
    spaces : mapping of str to Space
        What `tune` can vary, by name; without one called ``default`` there is nothing to search.
    study : Study
        Variants of the network that `study` compares; without one there is nothing to study.
    """

    name: str
    title: str
    description: str
    schema: Schema
    settings: type
    presets: Mapping[str, Mapping[str, Any]]
    simulate: Callable[[Any, int, int], Sample]
    estimators: Callable[[Any], Sequence[Estimator]]
    residuals: Callable[[Sample, Predictions], Residuals] = _undeclared
    quantities: tuple[Quantity, ...] = ()
    binnings: tuple[Binning, ...] = ()
    scores: Callable[[Sample, Predictions], Scores] | None = None
    criteria: Criteria = field(default_factory=Criteria)
    carried: Callable[[Sample], Mapping[str, Predictions]] = lambda sample: {}
    limit: Callable[[Any, Sample], Predictions] | None = None
    pictures: Callable[[Sample, Mapping[str, Predictions]], Mapping[str, Figure]] = field(
        default=lambda sample, predictions: {}
    )
    extra_metrics: Callable[[Sample, Mapping[str, Predictions]], Mapping[str, float]] = field(
        default=lambda sample, predictions: {}
    )
    findings: Callable[[Mapping[str, Estimator]], Mapping[str, Finding]] = lambda fitted: {}
    probes: Callable[[Any, Mapping[str, Estimator]], Mapping[str, Finding]] = lambda settings, fitted: {}
    crossed: bool = False
    files: Callable[[Sample], Mapping[str, NDArray[Any]]] | None = None
    rule: Terms | None = None
    frozen_events: int = 20_000
    spaces: Mapping[str, Space] = field(default_factory=dict)
    study: Study | None = None

    def __post_init__(self) -> None:
        if (self.scores is None) == (self.residuals is _undeclared):
            raise TypeError(f"task {self.name!r} declares either residuals or scores")

    @property
    def judgement(self) -> Judgement:
        """How its outcomes become evidence."""
        # Here, as compiled statistics and figures are only needed where something is judged.
        from shashlik.task.kinds import OfResiduals, OfScores

        return OfResiduals(self.quantities, self.binnings) if self.scores is None else OfScores(self.criteria)

    def outcome(self, sample: Sample, predictions: Predictions) -> Outcome:
        """What predictions are worth, event by event."""
        return (self.scores or self.residuals)(sample, predictions)

    @property
    def primary(self) -> tuple[str, ...]:
        """What a better candidate is better in; empty without a rule."""
        return self.rule.primary if self.rule else ()
