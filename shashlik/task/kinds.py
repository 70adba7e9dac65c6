"""How answers become evidence: what differs between a resolution and a classification, in one place.

A task declares which of the two it is by what it makes of predictions,
`tracking.statistics.residuals.Residuals` or `tracking.statistics.scores.Scores`; run, search, gate and
commands ask its judgement for all that follows from that.
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

#: What the answers of an estimator are worth, event by event.
Outcome = Residuals | Scores
One = TypeVar("One", Residuals, Scores)


@dataclass(frozen=True)
class Column:
    """A number that a list of versions shows.

    Parameters
    ----------
    head : str
        Title of the column.
    metric : str
        Its metric without the estimator; the error is ``<metric>_err``.
    """

    head: str
    metric: str


class Judgement(Protocol):
    """Outcomes of estimators on identical events, by name, turned into what people and programs decide on."""

    @property
    def columns(self) -> Sequence[Column]:
        """What a list of versions shows."""

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
        """What is known, with errors, and how `subject` compares with all others."""

    def figures(self, evidence: AnyEvidence, outcomes: Mapping[str, Outcome]) -> dict[str, Figure]:
        """The same to look at, by the names of the files without ending."""

    def objective(self, outcome: Outcome, primary: Sequence[str]) -> tuple[float, float]:
        """The one positive number that a search makes small, with its error; NaN where there is none.

        `primary` names what of the rule is to be better; empty where there is no rule.
        """

    def goal(self, primary: Sequence[str]) -> str:
        """The objective in words."""

    def core(self, outcome: Outcome) -> dict[str, float]:
        """Numbers whose scatter between trainings is shown beside a verdict, by what they are in words."""


@dataclass(frozen=True)
class OfResiduals:
    """Judgement of resolutions.

    Parameters
    ----------
    quantities : tuple of Quantity
        What is judged; the first is the primary one.
    binnings : tuple of Binning
        Where.
    """

    quantities: tuple[Quantity, ...]
    binnings: tuple[Binning, ...]

    @property
    def columns(self) -> list[Column]:
        """Core widths."""
        return [Column(f"σ {one.name} {one.unit}".strip(), f"{one.name}/sigma") for one in self.quantities]

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
        """See `tracking.evidence.from_residuals.build`."""
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
        """See `tracking.figures.resolution.figures`."""
        assert isinstance(evidence, Evidence)
        return resolution_figures.figures(evidence, _all(Residuals, outcomes))

    def objective(self, outcome: Outcome, primary: Sequence[str]) -> tuple[float, float]:
        """See `shashlik.task.objective.objective`."""
        assert isinstance(outcome, Residuals)
        return objective(outcome, self._names(primary))

    def goal(self, primary: Sequence[str]) -> str:
        """The objective in words."""
        names = ", ".join(self._names(primary))
        return f"geometric mean over {names} of the 68.3 % quantile of abs(prediction - truth)"

    def core(self, outcome: Outcome) -> dict[str, float]:
        """Core widths."""
        assert isinstance(outcome, Residuals)
        return {f"σ of {one.name}": resolution(outcome.values[one.name]).sigma for one in self.quantities}

    def _names(self, primary: Sequence[str]) -> list[str]:
        return list(primary) or [quantity.name for quantity in self.quantities]


@dataclass(frozen=True)
class OfScores:
    """Judgement of classifications.

    Parameters
    ----------
    criteria : Criteria
        What is looked at.
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
        """See `tracking.evidence.from_scores.build`."""
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
        """See `tracking.figures.classification.figures`."""
        assert isinstance(evidence, Classification)
        return classification_figures.figures(evidence, _all(Scores, outcomes))

    def objective(self, outcome: Outcome, primary: Sequence[str]) -> tuple[float, float]:
        """See `tracking.statistics.roc.loss`."""
        assert isinstance(outcome, Scores)
        return loss(outcome)

    def goal(self, primary: Sequence[str]) -> str:
        """The objective in words."""
        return "1 - AUC, averaged over the hypotheses"

    def core(self, outcome: Outcome) -> dict[str, float]:
        """What a search makes small."""
        assert isinstance(outcome, Scores)
        return {"1 − AUC": loss(outcome)[0]}


def _all(kind: type[One], outcomes: Mapping[str, Outcome]) -> dict[str, One]:
    return {name: one for name, one in outcomes.items() if isinstance(one, kind)}
