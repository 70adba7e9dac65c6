"""Vocabulary of a physics task: columns with units, samples of events, estimators, the task itself.

Everything here is frozen data or a protocol. A task is one module that defines ``TASK``. It inherits from
nothing and imports neither another task nor mlflow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from shashlik.task.estimator import Estimator
from shashlik.task.sample import Predictions, Sample, Schema
from shashlik.task.search_space import Space
from shashlik.task.variants import Study
from tracking.rule import Terms
from tracking.statistics.residuals import Binning, Quantity, Residuals
from tracking.statistics.scores import Criteria, Scores

if TYPE_CHECKING:
    from shashlik.task.kinds import Judgement, Outcome

__all__ = ["Finding", "Task"]


@dataclass(frozen=True)
class Finding:
    """Additional result about fitted estimators, beyond their predictions for the test events.

    Examples are a comparison of the candidates among which a fit selected, or the predictions for another
    kind of events.

    Parameters
    ----------
    table : str
        Markdown.
    figure : matplotlib.figure.Figure
        The same result as a figure.
    numbers : mapping of str to float
        Metrics, ``<estimator>/<what>``.
    """

    table: str
    figure: Figure
    numbers: Mapping[str, float] = field(default_factory=dict)


def _undeclared(sample: Sample, predictions: Predictions) -> Residuals:
    raise TypeError("the task declares no residuals")


@dataclass(frozen=True)
class Task:
    """A physics task. A module ``task_<name>.py`` defines one as ``TASK``, see `shashlik.task.catalog`.

    A task declares either `residuals` with `quantities` and `binnings`, and is evaluated by its resolution,
    or `scores` with `criteria`, and is evaluated as a classification. Everything else is the same for both.

    Parameters
    ----------
    name : str
        Name of the entry point, the experiment and the registered model.
    title, description : str
        One line and one paragraph of documentation.
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
        Quantities that are evaluated; the first is the primary one.
    binnings : tuple of Binning
        Variables in whose bins the resolution is studied.
    scores : callable
        ``scores(sample, predictions) -> Scores``, in place of `residuals`.
    criteria : Criteria
        Criteria by which a classification is evaluated.
    carried : callable
        ``carried(sample) -> mapping of str to Predictions``: results of other programs that the file
        contains, evaluated beside our own estimators.
    limit : callable
        ``limit(settings, sample) -> Predictions``: predictions as good as the information in simulated
        events allows, computed with the truth. They are evaluated as ``bound`` beside the estimators, but
        never registered and never a rival. They are left out for the user's files, whose events the
        simulation may not fully resemble.
    pictures : callable
        ``pictures(sample, predictions by estimator) -> mapping of str to Figure``: displays, mass peaks.
    extra_metrics : callable
        ``extra_metrics(sample, predictions by estimator) -> mapping of str to float``: additional metrics
        of the task.
    findings : callable
        ``findings(fitted estimators by name) -> mapping of str to Finding``.
    probes : callable
        ``probes(settings, fitted estimators by name) -> mapping of str to Finding``: their predictions for
        dedicated simulated events that the test events do not represent.
    crossed : bool
        Whether every estimator uses two-fold cross-fitting: it trains on each half of the events and predicts
        the other. All events of a run then serve for training and for evaluation.
    files : callable
        ``files(sample) -> mapping of str to rows``: how the command
        `simulate` distributes events over the files of a folder.
    rule : Rule or ScoreRule
        Condition under which a candidate becomes champion; without a rule none does.
    frozen_events : int
        Default size of a frozen sample: enough to decide the margins of the rule.
    spaces : mapping of str to Space
        Search spaces of `tune`, by name; without one called ``default`` there is nothing to search.
    study : Study
        Variants of the network that an ablation compares; without it there is no ablation.
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
        """Evaluation kind: how outcomes become evidence."""
        # Imported here, as compiled statistics and figures are needed only for an evaluation.
        from shashlik.task.kinds import OfResiduals, OfScores

        return OfResiduals(self.quantities, self.binnings) if self.scores is None else OfScores(self.criteria)

    def outcome(self, sample: Sample, predictions: Predictions) -> Outcome:
        """Compute the residuals or scores of predictions, event by event."""
        return (self.scores or self.residuals)(sample, predictions)

    @property
    def primary(self) -> tuple[str, ...]:
        """Primary quantities of the rule, in which a better candidate improves; empty without a rule."""
        return self.rule.primary if self.rule else ()
