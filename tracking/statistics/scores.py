"""Responses of one estimator on one sample: the input of every statistic of a classification.

Rows are events; the second axis holds the hypotheses, for example the mass of a resonance. A classifier
without a parameter has one hypothesis. The bootstrap draws rows, so that all responses to an event stay
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
    """Published areas under the curve, drawn beside ours.

    Parameters
    ----------
    label : str
        Authors, as matplotlib text.
    auc : mapping of str to float
        Area by name of the hypothesis.
    """

    label: str
    auc: Mapping[str, float]


@dataclass(frozen=True)
class Criteria:
    """Criteria of a classification, declared by its task.

    Parameters
    ----------
    label, unit : str
        Matplotlib text and unit of the axis of the hypotheses, e.g. ``r"$m_X$"`` and ``GeV``.
    log : bool
        Whether that axis is drawn logarithmically.
    efficiencies : tuple of float
        Working points: signal efficiencies at which the background rejection is reported. Sculpting is
        evaluated at the first one.
    sculpted : tuple of Binning
        Variables in `Scores.variables` whose background spectrum a cut should not distort.
    published : tuple of Published
        Published reference values.
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
        Larger is more like signal; NaN without a prediction. A probability if all lie between 0 and 1.
        Entries outside `asked` are optional: the response of a signal event to other hypotheses shows where
        it peaks, and is used for nothing else.
    asked : ndarray of bool, shape (events, hypotheses)
        Evaluated entries: a background event under every hypothesis, a signal event only under its true one.
    signal : ndarray of bool, shape (events,)
        Mask of the signal events.
    weights : ndarray, shape (events,)
        Weights for ROC, area and calibration; only their ratios within a class and hypothesis matter.
    physical : ndarray, shape (events,)
        Expected number of events that each event represents, for the significance. The sum over the
        background is the expected background; the sum over a signal hypothesis is its expected signal.
    hypotheses : tuple of str
        Names, e.g. ``("m260", "m270")``; a plain classifier has one, which may be ``""``.
    values : ndarray, shape (hypotheses,)
        Positions of the hypotheses on their axis, e.g. in GeV, increasing.
    held_out : ndarray of bool, shape (hypotheses,)
        Hypotheses excluded from the training.
    variables : mapping of str to ndarray, shape (events,)
        Variables that a cut on the response may sculpt, e.g. a mass; finite for background.
    background_error : float
        ``b_r`` of the approximate median significance, in events.

    Raises
    ------
    ValueError
        If shapes do not match, a signal event is evaluated under more or fewer than one hypothesis, a
        background event not under all, weights are negative or not finite, a hypothesis has no signal, or
        there is no background.
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
        for name, (shape, expected) in shapes.items():
            if shape != expected:
                raise ValueError(
                    f"scores: {name} has shape {shape}, not {expected} (events, hypotheses: "
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
            for name, evaluated in zip(self.hypotheses, self.asked.T, strict=True)
            if not self.weights[evaluated & self.signal].sum() > 0
        ]
        if empty or not self.weights[~self.signal].sum() > 0:
            raise ValueError(f"scores: there is no {f'signal of {empty[0]!r}' if empty else 'background'}")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of events and of hypotheses."""
        return len(self.signal), len(self.hypotheses)

    @property
    def own(self) -> NDArray[np.integer]:
        """Index of the true hypothesis of every event, -1 for background, shape (events,)."""
        return np.where(self.signal, self.asked.argmax(axis=1), -1)

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Mask of the evaluated entries with a response, shape (events, hypotheses)."""
        return self.asked & np.isfinite(self.response)

    @property
    def ranked(self) -> NDArray[np.floating]:
        """Responses, minus infinity where missing: an event without a response passes no cut."""
        return np.where(np.isfinite(self.response), self.response, -np.inf)

    @property
    def asked_everywhere(self) -> bool:
        """Whether signal events have responses under other hypotheses than their true one."""
        return len(self.hypotheses) > 1 and bool(np.isfinite(self.response[~self.asked]).any())

    @property
    def probabilities(self) -> bool:
        """Whether all responses lie between 0 and 1, so that their calibration can be evaluated."""
        responses = self.response[self.answered]
        return len(responses) > 0 and bool((responses >= 0).all() and (responses <= 1).all())
