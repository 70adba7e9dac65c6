"""How variants compare: ratios of widths on the same events, told from chance by events and by trainings.

Pure functions of residuals. A ratio has two sources of chance. The test events: a paired bootstrap, all
trainings on the same draws. And the training: another seed of the same variant gives another network; how
much the logarithm of a width scatters is estimated from the variants that were trained several times,
taken together.
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
#: A difference smaller than this is none.
MARGIN = 0.05
REPLICAS = 400
#: Rows of `tracking.statistics.bootstrap.WidthOf`.
_ROW = {"sigma": 1, "q68": 2}


@dataclass(frozen=True)
class Answer:
    """What one training says about one sample.

    Parameters
    ----------
    variant : str
    repetition : int
        Which of its trainings.
    events : str
        Names the sample: answers on the same events have the same.
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
        With the interval of 95 %, events and trainings together; limits are NaN where no variant was
        trained twice.
    events_low, events_high : float
        The interval by the paired bootstrap of events alone.
    """

    value: float
    low: float
    high: float
    events_low: float
    events_high: float


class Widths:
    """Widths of all answers, and of bootstrap replicas of them.

    Parameters
    ----------
    residuals : mapping of Answer to Residuals
    home : mapping of str to str
        The events on which each variant is judged.
    quantities : sequence of str
    seed : int
        Of the bootstrap.
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
                (answer, name): WidthOf(found.values[name])
                for answer, found in residuals.items()
                for name in quantities
                if answer.events == events
            }
            number = next(found.shape[0] for answer, found in residuals.items() if answer.events == events)
            once = np.ones((1, number), dtype=np.uint8)
            with np.errstate(divide="ignore", invalid="ignore"):
                self._whole |= {key: np.log(width(once))[:, 0] for key, width in statistics.items()}
                drawn = replicate(statistics, number, replicas, np.random.default_rng(seed))
                self._drawn |= {key: np.log(values) for key, values in drawn.items()}

    def trainings(self, variant: str, events: str) -> list[Answer]:
        """Answers of a variant on these events."""
        return [one for one in self.answers if (one.variant, one.events) == (variant, events)]

    def scatter(self, quantities: Sequence[str], statistic: str) -> tuple[float, int]:
        """Standard deviation of a training's mean logarithm, and its degrees of freedom; NaN with none."""
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
        """Ratio of a variant to another one on the variant's events; None without answers of both."""
        quantities = tuple(quantities) or self.quantities
        events = self.home.get(variant, "")
        ours, theirs = self.trainings(variant, events), self.trainings(than, events)
        if not ours or not theirs:
            return None
        whole, drawn = (
            self._logs(kept, ours, quantities, statistic).mean(axis=0)
            - self._logs(kept, theirs, quantities, statistic).mean(axis=0)
            for kept in (self._whole, self._drawn)
        )
        level = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
        limits = np.quantile(drawn, level) if np.isfinite(drawn).all() else (math.nan, math.nan)
        by_events = float(np.std(drawn))
        scatter, freedom = self.scatter(quantities, statistic)
        by_training = scatter * math.sqrt(1 / len(ours) + 1 / len(theirs))
        reach = math.nan
        if freedom and math.isfinite(by_events):
            total = math.hypot(by_events, by_training)
            # Welch and Satterthwaite: only the scatter of trainings is known from few.
            effective = freedom * (total / by_training) ** 4 if by_training > 0 else math.inf
            reach = total * float(student.ppf(level[1], min(effective, 1e9)))
        value = float(whole)
        low, high, events_low, events_high = np.exp([value - reach, value + reach, *limits])
        return Ratio(math.exp(value), float(low), float(high), float(events_low), float(events_high))

    def _logs(
        self,
        kept: Mapping[tuple[Answer, str], NDArray[np.floating]],
        answers: Sequence[Answer],
        quantities: Sequence[str],
        statistic: str,
    ) -> NDArray[np.floating]:
        """Mean logarithm over quantities, shape (trainings, ...)."""
        row = _ROW[statistic]
        return np.array([np.mean([kept[one, name][row] for name in quantities], axis=0) for one in answers])


def verdict(statement: Statement, ratio: Ratio | None, diverged: bool = False) -> str:
    """``holds``, ``does not hold`` or ``cannot be decided``, by the interval of the ratio.

    Parameters
    ----------
    statement : Statement
    ratio : Ratio or None
        Of its variants in its quantities.
    diverged : bool
        Whether all trainings of the variant did.
    """
    if statement.expected == "diverges":
        return "holds" if diverged else "does not hold" if ratio is not None else "cannot be decided"
    if ratio is None or not math.isfinite(ratio.low + ratio.high):
        return "cannot be decided"
    low, high, least, most = ratio.low, ratio.high, 1 - MARGIN, 1 + MARGIN
    # What must be true of the interval for the statement to hold, and for it not to.
    holds, fails = {
        "better": (high < 1, low > least),
        "worse": (low > 1, high < most),
        "same": (low > least and high < most, low > most or high < least),
        "no help": (low > least, high < least),
    }[statement.expected]
    return "holds" if holds else "does not hold" if fails else "cannot be decided"
