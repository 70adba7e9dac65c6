"""Compare variants by ratios of widths on the same events, with confidence intervals.

Pure functions of residuals. A ratio fluctuates for two reasons. The first is the test events: a paired
bootstrap evaluates all trainings on the same draws. The second is the training: another random seed gives
another network. The scatter of the logarithm of a width between trainings is estimated from all variants that
were trained several times, taken together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from shashlik.task.variants import Statement
from tracking.statistics.bootstrap import WidthOf, replicate
from tracking.statistics.residuals import Residuals

__all__ = ["LEVEL", "MARGIN", "Answer", "Ratio", "Widths", "verdict"]

LEVEL = 0.95
#: Relative differences below this count as no difference.
MARGIN = 0.05
REPLICAS = 400
#: Rows of `tracking.statistics.bootstrap.WidthOf`.
_ROW = {"sigma": 1, "q68": 2}


@dataclass(frozen=True)
class Answer:
    """Key of the predictions of one training on one sample.

    Parameters
    ----------
    variant : str
    repetition : int
        Index of the training of this variant.
    events : str
        Identifier of the sample, the same for all predictions on the same events.
    """

    variant: str
    repetition: int
    events: str


@dataclass(frozen=True)
class Ratio:
    """Ratio of two variants in a width, the geometric mean over quantities.

    Parameters
    ----------
    value, low, high : float
        Ratio and its 95 % interval from events and trainings together. The limits are NaN where no
        variant was trained twice.
    events_low, events_high : float
        Interval from the paired bootstrap of the events alone.
    """

    value: float
    low: float
    high: float
    events_low: float
    events_high: float


class Widths:
    """Widths of all predictions, and of their bootstrap replicas.

    Parameters
    ----------
    residuals : mapping of Answer to Residuals
    home : mapping of str to str
        Sample on which each variant is evaluated.
    quantities : sequence of str
    seed : int
        Random seed of the bootstrap.
    replicas : int
    """

    def __init__(
        self,
        residuals: Mapping[Answer, Residuals],
        home: Mapping[str, str],
        quantities: Sequence[str],
        seed: int,
        replicas: int = REPLICAS,
    ) -> None:
        self.answers, self.home, self.quantities = tuple(residuals), dict(home), tuple(quantities)
        self._whole: dict[tuple[Answer, str], NDArray[np.floating]] = {}
        self._drawn: dict[tuple[Answer, str], NDArray[np.floating]] = {}
        for events in dict.fromkeys(answer.events for answer in residuals):
            statistics = {
                (answer, name): WidthOf(errors.values[name])
                for answer, errors in residuals.items()
                for name in quantities
                if answer.events == events
            }
            number = next(errors.shape[0] for answer, errors in residuals.items() if answer.events == events)
            once = np.ones((1, number), dtype=np.uint8)
            with np.errstate(divide="ignore", invalid="ignore"):
                self._whole |= {key: np.log(width(once))[:, 0] for key, width in statistics.items()}
                resampled = replicate(statistics, number, replicas, np.random.default_rng(seed))
                self._drawn |= {key: np.log(values) for key, values in resampled.items()}

    def trainings(self, variant: str, events: str) -> list[Answer]:
        """Return the predictions of a variant on these events."""
        return [answer for answer in self.answers if (answer.variant, answer.events) == (variant, events)]

    def scatter(self, quantities: Sequence[str], statistic: str) -> tuple[float, int]:
        """Estimate the standard deviation of a training's mean logarithm, with its degrees of freedom.

        The standard deviation is NaN with 0 degrees of freedom.
        """
        squares, freedom = 0.0, 0
        for variant, events in self.home.items():
            values = self._logs(self._whole, self.trainings(variant, events), quantities, statistic)
            if len(values) > 1 and np.isfinite(values).all():
                squares += float(np.square(values - values.mean()).sum())
                freedom += len(values) - 1
        return (math.sqrt(squares / freedom), freedom) if freedom else (math.nan, 0)

    def ratio(
        self, variant: str, than: str, quantities: Sequence[str] = (), statistic: str = "q68"
    ) -> Ratio | None:
        """Compute the ratio of a variant to another one on the variant's events.

        Returns None unless both have predictions.
        """
        quantities = tuple(quantities) or self.quantities
        events = self.home.get(variant, "")
        ours, theirs = self.trainings(variant, events), self.trainings(than, events)
        if not ours or not theirs:
            return None
        whole, resampled = (
            self._logs(widths, ours, quantities, statistic).mean(axis=0)
            - self._logs(widths, theirs, quantities, statistic).mean(axis=0)
            for widths in (self._whole, self._drawn)
        )
        level = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        limits = np.quantile(resampled, level) if np.isfinite(resampled).all() else (math.nan, math.nan)
        by_events = float(np.std(resampled))
        scatter, freedom = self.scatter(quantities, statistic)
        by_training = scatter * math.sqrt(1 / len(ours) + 1 / len(theirs))
        reach = math.nan
        if freedom and math.isfinite(by_events):
            total = math.hypot(by_events, by_training)
            # Welch and Satterthwaite: only the scatter of trainings rests on few values.
            effective = freedom * (total / by_training) ** 4 if by_training > 0 else math.inf
            reach = total * float(student.ppf(level[1], min(effective, 1e9)))
        value = float(whole)
        low, high, events_low, events_high = np.exp([value - reach, value + reach, *limits])
        return Ratio(math.exp(value), float(low), float(high), float(events_low), float(events_high))

    def _logs(
        self,
        widths: Mapping[tuple[Answer, str], NDArray[np.floating]],
        answers: Sequence[Answer],
        quantities: Sequence[str],
        statistic: str,
    ) -> NDArray[np.floating]:
        """Average the logarithms over quantities, shape (trainings, ...)."""
        row = _ROW[statistic]
        return np.array(
            [np.mean([widths[answer, name][row] for name in quantities], axis=0) for answer in answers]
        )


def verdict(statement: Statement, ratio: Ratio | None, diverged: bool = False) -> str:
    """Decide from the interval of a ratio: ``holds``, ``does not hold`` or ``cannot be decided``.

    Parameters
    ----------
    statement : Statement
    ratio : Ratio or None
        Ratio of the statement's variants in its quantities.
    diverged : bool
        Whether all trainings of the variant diverged.

    Examples
    --------
    >>> from shashlik.task.variants import Statement
    >>> statement = Statement("a wider network helps", "wide", "base", "better")
    >>> verdict(statement, Ratio(0.80, 0.75, 0.85, 0.77, 0.83))
    'holds'
    >>> verdict(statement, Ratio(0.98, 0.90, 1.07, 0.93, 1.03))
    'cannot be decided'
    """
    if statement.expected == "diverges":
        return "holds" if diverged else "does not hold" if ratio is not None else "cannot be decided"
    if ratio is None or not math.isfinite(ratio.low + ratio.high):
        return "cannot be decided"
    low, high, least, most = ratio.low, ratio.high, 1 - MARGIN, 1 + MARGIN
    # Conditions on the interval under which the statement holds, and under which it does not.
    holds, fails = {
        "better": (high < 1, low > least),
        "worse": (low > 1, high < most),
        "same": (low > least and high < most, low > most or high < least),
        "no help": (low > least, high < least),
    }[statement.expected]
    return "holds" if holds else "does not hold" if fails else "cannot be decided"
