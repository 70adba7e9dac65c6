"""How a response depends on the hypothesis asked: partial dependence, flatness, peaks, individual curves.

The partial dependence is the mean response of a group of events with the hypothesis set to each value in
turn and all else left as it is (J. Friedman, Ann. Stat. 29 (2001) 1189); the curve of a single event is its
individual conditional expectation, ICE (A. Goldstein et al., J. Comput. Graph. Stat. 24 (2015) 44). Both are
wanted here: a good parameterised response is flat and low for background, and peaks for a signal at its own
hypothesis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from tracking.statistics.scores import Scores

__all__ = ["Clusters", "DependenceOf", "clusters", "flatness", "mean_response", "peaks", "spread"]

#: Fewer curves than this are not clustered.
FEWEST_CURVES = 50


def mean_response(scores: Scores) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Weighted mean response by group of events and hypothesis asked, with standard errors.

    Returns
    -------
    tuple of ndarray, shape (1 + hypotheses, hypotheses)
        The first row is that of the background, the others those of each signal. NaN where nothing was
        answered.
    """
    values = DependenceOf(scores)(np.ones((1, len(scores.signal)), dtype=np.uint8))[..., 0]
    errors = np.full_like(values, np.nan)
    answer, there = _filled(scores)
    for row, chosen in enumerate(_groups(scores)):
        weights = scores.weights[chosen][:, None] * there[chosen]
        total = weights.sum(axis=0)
        off = weights * (answer[chosen] - np.nan_to_num(values[row]))
        with np.errstate(divide="ignore", invalid="ignore"):
            small = 1 - np.sum(weights**2, axis=0) / total**2
            known = np.where(small > 1e-9, small, np.nan)
            errors[row] = np.sqrt(np.sum(off**2, axis=0) / known) / total
    return values, errors


def flatness(background: NDArray[np.floating]) -> NDArray[np.floating]:
    """Largest over smallest mean background response, along the first axis; 1 is flat."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return background.max(axis=0) / background.min(axis=0)


def spread(background: NDArray[np.floating]) -> NDArray[np.floating]:
    """Largest less smallest mean background response, along the first axis; 0 is flat."""
    return background.max(axis=0) - background.min(axis=0)


def peaks(signals: NDArray[np.floating]) -> NDArray[np.floating]:
    """How many steps of the grid from its own hypothesis each mean signal response is largest.

    Parameters
    ----------
    signals : ndarray, shape (own hypotheses, asked hypotheses, ...)
        Such as the rows of `mean_response` behind the first.

    Returns
    -------
    ndarray, shape (own hypotheses, ...)
        With the sign of the direction; NaN where not every hypothesis was asked.
    """
    known = np.isfinite(signals).all(axis=1)
    place = np.where(np.isfinite(signals), signals, -np.inf).argmax(axis=1)
    own = np.arange(len(signals)).reshape(-1, *([1] * (signals.ndim - 2)))
    return np.where(known, place - own, np.nan)


class DependenceOf:
    """Mean responses in replicas, shape (1 + hypotheses, hypotheses, replicas), see `mean_response`.

    A statistic for `tracking.statistics.bootstrap.replicate`.
    """

    def __init__(self, scores: Scores) -> None:
        answer, there = _filled(scores)
        weights = scores.weights[:, None] * there
        self._groups = [
            (rows, (weights[rows] * answer[rows]), weights[rows])
            for rows in (np.flatnonzero(chosen) for chosen in _groups(scores))
        ]

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        found = []
        for rows, above, below in self._groups:
            drawn = counts[:, rows].astype(np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                found.append(((drawn @ above) / (drawn @ below)).T)
        return np.stack(found)


def _filled(scores: Scores) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    there = np.isfinite(scores.response)
    return np.where(there, scores.response, 0.0), there


def _groups(scores: Scores) -> list[NDArray[np.bool_]]:
    own = scores.own
    return [own == place for place in range(-1, len(scores.hypotheses))]


@dataclass(frozen=True)
class Clusters:
    """Typical curves of single events.

    Parameters
    ----------
    curves : ndarray, shape (clusters, hypotheses)
        Centres, the most frequent first.
    share : ndarray, shape (clusters,)
        Share of the events in each.
    low, high : ndarray, shape (clusters, hypotheses)
        Central 68.3 % of the events of each.
    """

    curves: NDArray[np.floating]
    share: NDArray[np.floating]
    low: NDArray[np.floating]
    high: NDArray[np.floating]


def clusters(curves: NDArray[np.floating], number: int, seed: int) -> Clusters | None:
    """Curves of single events, grouped by k-means.

    Parameters
    ----------
    curves : ndarray, shape (events, hypotheses)
        Those with a missing answer are left out.
    number : int
        Groups, at most: empty ones are dropped.
    seed : int
        Of the starting points.

    Returns
    -------
    Clusters or None
        None where there are too few complete curves.
    """
    whole = curves[np.isfinite(curves).all(axis=1)]
    if len(whole) < max(FEWEST_CURVES, number):
        return None
    centres, label = (
        kmeans2(whole, number, minit="++", rng=np.random.default_rng(seed), missing="raise")
        if _distinct(whole, number)
        else (whole[:1], np.zeros(len(whole), dtype=int))
    )
    order = np.argsort(-np.bincount(label, minlength=len(centres)), kind="stable")
    members = [whole[label == one] for one in order]
    low, high = np.stack([np.quantile(one, (0.1587, 0.8413), axis=0) for one in members], axis=1)
    share = np.array([len(one) / len(whole) for one in members])
    return Clusters(centres[order], share, low, high)


def _distinct(curves: NDArray[np.floating], number: int) -> bool:
    """Whether there are enough different curves to tell groups apart."""
    return len(np.unique(np.round(curves, 9), axis=0)) > number
