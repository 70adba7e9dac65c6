"""What every statistic of a classification starts from: the responses of one estimator on one sample.

Rows are events, the second axis runs over the hypotheses, for example the mass of a resonance. A classifier
without a parameter has one hypothesis. The bootstrap draws rows, so that all answers about an event stay
together. The counterpart for regressions is `tracking.statistics.residuals`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tracking.statistics.residuals import Binning

__all__ = ["Criteria", "Published", "Scores"]


@dataclass(frozen=True)
class Published:
    """Areas under the curve that somebody published, drawn beside ours.

    Parameters
    ----------
    label : str
        Who, as matplotlib text.
    auc : mapping of str to float
        By name of the hypothesis.
    """

    label: str
    auc: Mapping[str, float]


@dataclass(frozen=True)
class Criteria:
    """What of a classification is looked at, declared by its task.

    Parameters
    ----------
    label, unit : str
        Matplotlib text and unit of the axis of the hypotheses, e.g. ``r"$m_X$"`` and ``GeV``.
    log : bool
        Whether that axis is drawn logarithmically.
    efficiencies : tuple of float
        Signal efficiencies at which the background rejection is given; at the first one sculpting is studied.
    sculpted : tuple of Binning
        Variables in `Scores.variables` whose background spectrum a cut should not distort.
    published : tuple of Published
        References of others.
    """

    label: str = "hypothesis"
    unit: str = ""
    log: bool = False
    efficiencies: tuple[float, ...] = (0.5, 0.8)
    sculpted: tuple[Binning, ...] = ()
    published: tuple[Published, ...] = ()

    def __post_init__(self) -> None:
        if not self.efficiencies or any(not 0 < share < 1 for share in self.efficiencies):
            raise ValueError(
                f"criteria: efficiencies={self.efficiencies}; at least one is needed, all between 0 and 1"
            )


@dataclass(frozen=True)
class Scores:
    """Responses of one estimator to every event under every hypothesis.

    Parameters
    ----------
    response : ndarray, shape (events, hypotheses)
        Larger is more like signal; NaN without an answer. A probability where all lie between 0 and 1. What
        is not `asked` may be there too: the response of a signal event to other hypotheses than its own shows
        whether it peaks there, and counts nowhere else.
    asked : ndarray of bool, shape (events, hypotheses)
        What is judged: a background event under every hypothesis, a signal event under its own one alone.
    signal : ndarray of bool, shape (events,)
        Which events are signal.
    weights : ndarray, shape (events,)
        For ROC, area and calibration; only their ratios within a class and hypothesis count.
    physical : ndarray, shape (events,)
        Expected number of events each stands for, for the significance. Their sum over the background is the
        expected background, that over the events of a signal hypothesis the expected signal.
    hypotheses : tuple of str
        Names, e.g. ``("m260", "m270")``; a plain classifier has one, which may be called ``""``.
    values : ndarray, shape (hypotheses,)
        Where they are on their axis, e.g. in GeV, increasing.
    held_out : ndarray of bool, shape (hypotheses,)
        Hypotheses that the training did not see.
    variables : mapping of str to ndarray, shape (events,)
        What a cut on the response may sculpt, e.g. a mass; finite for background.
    background_error : float
        ``b_r`` of the approximate median significance, in events.

    Raises
    ------
    ValueError
        If shapes do not fit, a signal event is asked about other than one hypothesis, a background event not
        about all, weights are negative or not finite, a hypothesis has no signal or there is no background.
    """

    response: NDArray[np.floating]
    asked: NDArray[np.bool_]
    signal: NDArray[np.bool_]
    weights: NDArray[np.floating]
    physical: NDArray[np.floating]
    hypotheses: tuple[str, ...]
    values: NDArray[np.floating]
    held_out: NDArray[np.bool_]
    variables: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    background_error: float = 10.0

    def __post_init__(self) -> None:
        events, hypotheses = len(self.signal), len(self.hypotheses)
        shapes = {
            "response": (self.response.shape, (events, hypotheses)),
            "asked": (self.asked.shape, (events, hypotheses)),
            "weights": (self.weights.shape, (events,)),
            "physical": (self.physical.shape, (events,)),
            "values": (self.values.shape, (hypotheses,)),
            "held_out": (self.held_out.shape, (hypotheses,)),
        } | {name: (array.shape, (events,)) for name, array in self.variables.items()}
        for name, (shape, wanted) in shapes.items():
            if shape != wanted:
                raise ValueError(
                    f"scores: {name} has shape {shape}, not {wanted} (events, hypotheses: "
                    f"{events}, {hypotheses})"
                )
        if len(set(self.hypotheses)) != hypotheses or np.any(np.diff(self.values) <= 0):
            raise ValueError(
                f"scores: hypotheses {self.hypotheses} need names of their own and increasing values"
            )
        number = self.asked.sum(axis=1)
        if np.any(number[self.signal] != 1) or np.any(number[~self.signal] != hypotheses):
            raise ValueError(
                "scores: a signal event is asked about its own hypothesis, a background event about every one"
            )
        for name, values in (("weights", self.weights), ("physical", self.physical)):
            if not np.all(np.isfinite(values)) or np.any(values < 0):
                raise ValueError(f"scores: {name} must be finite and at least 0")
        if not self.background_error >= 0:
            raise ValueError(f"scores: background_error={self.background_error} must be at least 0")
        empty = [
            name
            for name, one in zip(self.hypotheses, self.asked.T, strict=True)
            if not self.weights[one & self.signal].sum() > 0
        ]
        if empty or not self.weights[~self.signal].sum() > 0:
            raise ValueError(f"scores: there is no {f'signal of {empty[0]!r}' if empty else 'background'}")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of events and of hypotheses."""
        return len(self.signal), len(self.hypotheses)

    @property
    def own(self) -> NDArray[np.integer]:
        """Index of the hypothesis of every event, -1 for background, shape (events,)."""
        return np.where(self.signal, self.asked.argmax(axis=1), -1)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """What was asked and has an answer, shape (events, hypotheses)."""
        return self.asked & np.isfinite(self.response)

    @property
    def ranked(self) -> NDArray[np.floating]:
        """Responses with minus infinity for no answer: who has no response passes no cut, whatever it is."""
        return np.where(np.isfinite(self.response), self.response, -np.inf)

    @property
    def asked_everywhere(self) -> bool:
        """Whether signal events have answers under other hypotheses than their own."""
        return len(self.hypotheses) > 1 and bool(np.isfinite(self.response[~self.asked]).any())

    @property
    def probabilities(self) -> bool:
        """Whether all answers lie between 0 and 1, so that it makes sense to ask if they are calibrated."""
        found = self.response[self.answered]
        return len(found) > 0 and bool((found >= 0).all() and (found <= 1).all())
