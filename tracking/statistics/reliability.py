"""Calibration of a response as a probability: reliability, expected calibration error, Brier score.

The probability refers to weights: with equal weight for every class and hypothesis, a response of 0.8 should
be right in 80 % of the weight, summed over all hypotheses. A background event that is evaluated under several
hypotheses counts as one event: errors treat events as independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracking.statistics.scores import Scores

__all__ = ["Reliability", "reliability"]

#: Number of bins of the response, equally wide.
BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Agreement between responses and the observed signal share.

    Parameters
    ----------
    edges : ndarray, shape (bins + 1,)
        Bin edges of the response.
    predicted, observed, error : ndarray, shape (bins,)
        Mean response, share of signal and its standard error; NaN in an empty bin.
    share : ndarray, shape (bins,)
        Share of the total weight.
    ece, ece_err : float
        Expected calibration error, the mean of abs(observed - predicted) over all weight (M. P. Naeini et
        al., AAAI 2015, 2901). Fluctuations increase it: `ece_floor` is their contribution alone.
    ece_floor : float
        Expected value for a response that is calibrated in each bin.
    brier, brier_err : float
        Mean of (response - truth)^2 (G. Brier, Mon. Weather Rev. 78 (1950) 1).
    """

    edges: NDArray[np.floating]
    predicted: NDArray[np.floating]
    observed: NDArray[np.floating]
    error: NDArray[np.floating]
    share: NDArray[np.floating]
    ece: float
    ece_err: float
    ece_floor: float
    brier: float
    brier_err: float


def reliability(scores: Scores, bins: int = BINS) -> Reliability | None:
    """Measure the reliability of all predictions; None if they are not probabilities.

    The weights of a class are scaled so that each class and hypothesis has the same sum.
    """
    if not scores.probabilities:
        return None
    weights = _balanced(scores)
    response = np.where(scores.answered, scores.response, 0.0)
    truth = scores.signal[:, None]
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, response, side="right") - 1, 0, bins - 1)
    events, total = len(truth), weights.sum()
    # Weight of a typical event of each hypothesis, of signal and of background.
    typical = [
        np.sum(weights[members] ** 2, axis=0) / np.maximum(weights[members].sum(axis=0), 1e-300)
        for members in (scores.signal, ~scores.signal)
    ]

    def by_event(values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Sum over hypotheses by event and bin, shape (events, bins)."""
        key = np.arange(events)[:, None] * bins + place
        sums = np.bincount(key.ravel(), values.ravel(), events * bins)
        return sums.reshape(events, bins).astype(np.float64)

    weight = by_event(weights)
    # Signal minus response: its mean in a bin is the miscalibration of the bin.
    residual = by_event(weights * (truth - response))
    content = weight.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = by_event(weights * truth).sum(axis=0) / content
        predicted = by_event(weights * response).sum(axis=0) / content
        gap = residual.sum(axis=0) / content
        variance = np.sum((residual - weight * np.nan_to_num(gap)) ** 2, axis=0)
        # At least the scatter of a calibrated response: a bin without any signal shows no scatter.
        floor = weights * response * (1 - response) * (typical[0] * (1 - response) + typical[1] * response)
        error = np.sqrt(np.maximum(variance, by_event(floor).sum(axis=0))) / content
    share = content / total
    sign = np.sign(np.nan_to_num(gap))
    ece = float(np.sum(share * np.abs(np.nan_to_num(gap))))
    parts = residual @ sign - weight.sum(axis=1) * ece
    brier = float(np.sum(weights * (response - truth) ** 2) / total)
    deviation = (weights * ((response - truth) ** 2 - brier)).sum(axis=1)
    return Reliability(
        edges,
        predicted,
        observed,
        error,
        share,
        ece,
        float(np.sqrt(np.sum(parts**2)) / total),
        # Mean of the absolute value of a Gaussian.
        float(np.sqrt(2 / np.pi) * np.sum(share * np.nan_to_num(error))),
        brier,
        float(np.sqrt(np.sum(deviation**2)) / total),
    )


def _balanced(scores: Scores) -> NDArray[np.floating]:
    """Scale the weights, shape (events, hypotheses), to the same sum in each class and hypothesis."""
    weights = scores.weights[:, None] * scores.asked
    for members in (scores.signal, ~scores.signal):
        weights[members] /= weights[members].sum(axis=0)
    return weights * scores.answered
