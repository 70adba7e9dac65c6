"""Dependence of a response on the evaluated hypothesis: partial dependence, flatness, peaks, single events.

The partial dependence is the mean response of a group of events with the hypothesis set to each value in turn
and all other inputs unchanged (J. Friedman, Ann. Stat. 29 (2001) 1189). The curve of a single event is its
individual conditional expectation, ICE (A. Goldstein et al., J. Comput. Graph. Stat. 24 (2015) 44). A good
parameterised response is flat and low for background; for a signal it peaks at its true hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from tracking.statistics.scores import Scores

__all__ = ["Clusters", "DependenceOf", "clusters", "flatness", "mean_response", "peaks", "spread"]

#: Smallest number of curves that is clustered.
FEWEST_CURVES = 50


def mean_response(scores: Scores) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Compute the weighted mean response by group of events and evaluated hypothesis, with standard errors.

    Returns
    -------
    tuple of ndarray, shape (1 + hypotheses, hypotheses)
        The first row belongs to the background, the others to each signal. NaN without any response.
    """
    values = DependenceOf(scores)(np.ones((1, len(scores.signal)), dtype=np.uint8))[..., 0]
    errors = np.full_like(values, np.nan)
    answer, available = _filled(scores)
    for row, members in enumerate(_groups(scores)):
        weights = scores.weights[members][:, None] * available[members]
        total = weights.sum(axis=0)
        deviation = weights * (answer[members] - np.nan_to_num(values[row]))
        with np.errstate(divide="ignore", invalid="ignore"):
            correction = 1 - np.sum(weights**2, axis=0) / total**2
            denominator = np.where(correction > 1e-9, correction, np.nan)
            errors[row] = np.sqrt(np.sum(deviation**2, axis=0) / denominator) / total
    return values, errors


def flatness(background: NDArray[np.floating]) -> NDArray[np.floating]:
    """Divide the largest by the smallest mean background response along the first axis; 1 is flat."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return background.max(axis=0) / background.min(axis=0)


def spread(background: NDArray[np.floating]) -> NDArray[np.floating]:
    """Subtract the smallest from the largest mean background response along the first axis; 0 is flat."""
    return background.max(axis=0) - background.min(axis=0)


def peaks(signals: NDArray[np.floating]) -> NDArray[np.floating]:
    """Count the grid steps from each signal's true hypothesis to the maximum of its mean response.

    Parameters
    ----------
    signals : ndarray, shape (true hypotheses, evaluated hypotheses, ...)
        Mean responses, such as the rows of `mean_response` after the first.

    Returns
    -------
    ndarray, shape (true hypotheses, ...)
        Signed number of steps; NaN where the signal was not evaluated under every hypothesis.
    """
    complete = np.isfinite(signals).all(axis=1)
    place = np.where(np.isfinite(signals), signals, -np.inf).argmax(axis=1)
    truth = np.arange(len(signals)).reshape(-1, *([1] * (signals.ndim - 2)))
    return np.where(complete, place - truth, np.nan)


class DependenceOf:
    """Mean responses in replicas, shape (1 + hypotheses, hypotheses, replicas), see `mean_response`.

    A statistic for `tracking.statistics.bootstrap.replicate`.
    """

    def __init__(self, scores: Scores) -> None:
        answer, available = _filled(scores)
        weights = scores.weights[:, None] * available
        self._groups = [
            (rows, (weights[rows] * answer[rows]), weights[rows])
            for rows in (np.flatnonzero(members) for members in _groups(scores))
        ]

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        means = []
        for rows, numerator, denominator in self._groups:
            draws = counts[:, rows].astype(np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                means.append(((draws @ numerator) / (draws @ denominator)).T)
        return np.stack(means)


def _filled(scores: Scores) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    available = np.isfinite(scores.response)
    return np.where(available, scores.response, 0.0), available


def _groups(scores: Scores) -> list[NDArray[np.bool_]]:
    truth = scores.own
    return [truth == place for place in range(-1, len(scores.hypotheses))]


@dataclass(frozen=True)
class Clusters:
    """Typical response curves of single events.

    Parameters
    ----------
    curves : ndarray, shape (clusters, hypotheses)
        Centres, the most frequent first.
    share : ndarray, shape (clusters,)
        Share of the events in each cluster.
    low, high : ndarray, shape (clusters, hypotheses)
        Central 68.3 % of the events of each cluster.
    """

    curves: NDArray[np.floating]
    share: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]


def clusters(curves: NDArray[np.floating], number: int, seed: int) -> Clusters | None:
    """Group the curves of single events by k-means.

    Parameters
    ----------
    curves : ndarray, shape (events, hypotheses)
        Response curves; those with a missing prediction are ignored.
    number : int
        Largest number of clusters; empty clusters are dropped.
    seed : int
        Random seed of the starting points.

    Returns
    -------
    Clusters or None
        None with too few complete curves.
    """
    complete = curves[np.isfinite(curves).all(axis=1)]
    if len(complete) < max(FEWEST_CURVES, number):
        return None
    centres, label = (
        kmeans2(complete, number, minit="++", rng=np.random.default_rng(seed), missing="raise")
        if _distinct(complete, number)
        else (complete[:1], np.zeros(len(complete), dtype=int))
    )
    order = np.argsort(-np.bincount(label, minlength=len(centres)), kind="stable")
    members = [complete[label == cluster] for cluster in order]
    low, high = np.stack([np.quantile(cluster, (0.1587, 0.8413), axis=0) for cluster in members], axis=1)
    share = np.array([len(cluster) / len(complete) for cluster in members])
    return Clusters(centres[order], share, low, high)


def _distinct(curves: NDArray[np.floating], number: int) -> bool:
    """Check that there are more different curves than clusters."""
    return len(np.unique(np.round(curves, 9), axis=0)) > number
