"""Evaluation kinds: resolution (residuals) and classification (scores).

A task declares its kind by the type that it computes from predictions,
`tracking.statistics.residuals.Residuals` or `tracking.statistics.scores.Scores`. Run, search, gate and
commands ask the kind for everything that depends on this choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from matplotlib.figure import Figure

from shashlik.task.objective import objective
from tracking.evidence import from_residuals, from_scores
from tracking.evidence.classification import Classification
from tracking.evidence.resolution import AnyEvidence, Evidence, Facts
from tracking.figures import classification as classification_figures
from tracking.figures import resolution as resolution_figures
from tracking.statistics.residuals import Binning, Quantity, Residuals
from tracking.statistics.resolution import resolution
from tracking.statistics.roc import loss
from tracking.statistics.scores import Criteria, Scores

__all__ = ["Column", "Judgement", "OfResiduals", "OfScores", "Outcome"]

#: Quality of an estimator's predictions, event by event.
Outcome = Residuals | Scores
One = TypeVar("One", Residuals, Scores)


@dataclass(frozen=True)
class Column:
    """A metric shown in a list of versions.

    Parameters
    ----------
    head : str
        Title of the column.
    metric : str
        Name of the metric without the estimator; the error is ``<metric>_err``.
    """

    head: str
    metric: str


class Judgement(Protocol):
    """Conversion of outcomes of estimators on identical events, by name, into evidence and figures."""

    @property
    def columns(self) -> Sequence[Column]:
        """Columns of a list of versions."""

    def evidence(
        self,
        outcomes: Mapping[str, Outcome],
        *,
        facts: Facts,
        seed: int,
        subject: str,
        ns_per_event: Mapping[str, float],
        extra: Mapping[str, float],
    ) -> AnyEvidence:
        """Build the evidence: results with errors, and comparisons of `subject` with all others."""

    def figures(self, evidence: AnyEvidence, outcomes: Mapping[str, Outcome]) -> dict[str, Figure]:
        """Draw the evidence, by file name without extension."""

    def objective(self, outcome: Outcome, primary: Sequence[str]) -> tuple[float, float]:
        """Compute the positive number that a search minimises, with its error; NaN where there is none.

        `primary` names the primary quantities of the rule; it is empty without a rule.
        """

    def goal(self, primary: Sequence[str]) -> str:
        """Describe the objective in words."""

    def core(self, outcome: Outcome) -> dict[str, float]:
        """Return the numbers, by description, whose scatter between trainings is shown beside a verdict."""


@dataclass(frozen=True)
class OfResiduals:
    """Evaluation of resolutions.

    Parameters
    ----------
    quantities : tuple of Quantity
        Quantities that are evaluated; the first is the primary one.
    binnings : tuple of Binning
        Variables in whose bins they are evaluated.
    """

    quantities: tuple[Quantity, ...]
    binnings: tuple[Binning, ...]

    @property
    def columns(self) -> list[Column]:
        """Core widths."""
        return [
            Column(f"σ {quantity.name} {quantity.unit}".strip(), f"{quantity.name}/sigma")
            for quantity in self.quantities
        ]

    def evidence(
        self,
        outcomes: Mapping[str, Outcome],
        *,
        facts: Facts,
        seed: int,
        subject: str,
        ns_per_event: Mapping[str, float],
        extra: Mapping[str, float],
    ) -> Evidence:
        """Build the evidence, see `tracking.evidence.from_residuals.build`."""
        return from_residuals.build(
            _all(Residuals, outcomes),
            self.quantities,
            self.binnings,
            facts=facts,
            seed=seed,
            subject=subject,
            ns_per_event=ns_per_event,
            extra=extra,
        )

    def figures(self, evidence: AnyEvidence, outcomes: Mapping[str, Outcome]) -> dict[str, Figure]:
        """Draw the figures, see `tracking.figures.resolution.figures`."""
        assert isinstance(evidence, Evidence)
        return resolution_figures.figures(evidence, _all(Residuals, outcomes))

    def objective(self, outcome: Outcome, primary: Sequence[str]) -> tuple[float, float]:
        """Compute the objective, see `shashlik.task.objective.objective`."""
        assert isinstance(outcome, Residuals)
        return objective(outcome, self._names(primary))

    def goal(self, primary: Sequence[str]) -> str:
        """Describe the objective in words."""
        names = ", ".join(self._names(primary))
        return f"geometric mean over {names} of the 68.3 % quantile of abs(prediction - truth)"

    def core(self, outcome: Outcome) -> dict[str, float]:
        """Return the core widths."""
        assert isinstance(outcome, Residuals)
        return {
            f"σ of {quantity.name}": resolution(outcome.values[quantity.name]).sigma
            for quantity in self.quantities
        }

    def _names(self, primary: Sequence[str]) -> list[str]:
        return list(primary) or [quantity.name for quantity in self.quantities]


@dataclass(frozen=True)
class OfScores:
    """Evaluation of classifications.

    Parameters
    ----------
    criteria : Criteria
        Criteria of the evaluation.
    """

    criteria: Criteria

    @property
    def columns(self) -> list[Column]:
        """Area under the curve and significance, averaged over the hypotheses."""
        return [Column("AUC", "auc"), Column("AMS", "ams")]

    def evidence(
        self,
        outcomes: Mapping[str, Outcome],
        *,
        facts: Facts,
        seed: int,
        subject: str,
        ns_per_event: Mapping[str, float],
        extra: Mapping[str, float],
    ) -> Classification:
        """Build the evidence, see `tracking.evidence.from_scores.build`."""
        return from_scores.build(
            _all(Scores, outcomes),
            self.criteria,
            facts=facts,
            seed=seed,
            subject=subject,
            ns_per_event=ns_per_event,
            extra=extra,
        )

    def figures(self, evidence: AnyEvidence, outcomes: Mapping[str, Outcome]) -> dict[str, Figure]:
        """Draw the figures, see `tracking.figures.classification.figures`."""
        assert isinstance(evidence, Classification)
        return classification_figures.figures(evidence, _all(Scores, outcomes))

    def objective(self, outcome: Outcome, primary: Sequence[str]) -> tuple[float, float]:
        """Compute the objective, see `tracking.statistics.roc.loss`."""
        assert isinstance(outcome, Scores)
        return loss(outcome)

    def goal(self, primary: Sequence[str]) -> str:
        """Describe the objective in words."""
        return "1 - AUC, averaged over the hypotheses"

    def core(self, outcome: Outcome) -> dict[str, float]:
        """Return the objective of a search."""
        assert isinstance(outcome, Scores)
        return {"1 − AUC": loss(outcome)[0]}


def _all(kind: type[One], outcomes: Mapping[str, Outcome]) -> dict[str, One]:
    return {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, kind)}
