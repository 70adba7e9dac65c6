"""Ranking of signal above background: ROC curve and the area below it, with errors.

The area is the probability that a signal event has the larger response; ties count one half (H. Mann and D.
Whitney, Ann. Math. Stat. 18 (1947) 50). Events are weighted. Events without a prediction rank last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from tracking.statistics.scores import Scores

__all__ = ["AucOf", "Roc", "auc", "influence", "loss", "roc"]


@dataclass(frozen=True)
class Roc:
    """Efficiencies of all cuts ``response >= threshold``, from the tightest (nothing passes) to the loosest.

    ``signal`` and ``background`` are weighted shares of each class; both start at 0 and end at 1.
    """

    threshold: NDArray[np.floating]
    signal: NDArray[np.floating]
    background: NDArray[np.floating]


def roc(response: NDArray[np.floating], signal: NDArray[np.bool_], weights: NDArray[np.floating]) -> Roc:
    """Compute the ROC curve of weighted events.

    Parameters
    ----------
    response : ndarray, shape (events,)
        Responses; minus infinity without a prediction.
    signal : ndarray of bool, shape (events,)
    weights : ndarray, shape (events,)
        At least 0, with a positive sum in both classes.
    """
    order = np.argsort(-response, kind="stable")
    ordered = response[order]
    last = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(ordered) - 1)
    shares = []
    for members in (signal, ~signal):
        passing = np.cumsum(np.where(members, weights, 0.0)[order])[last]
        shares.append(np.append(0.0, passing / passing[-1]))
    return Roc(np.append(np.inf, ordered[last]), *shares)


def _placements(
    values: NDArray[np.floating], others: NDArray[np.floating], weights: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Compute the weighted share of `others` below each value; ties count one half."""
    order = np.argsort(others, kind="stable")
    below = np.append(0.0, np.cumsum(weights[order]))
    ordered = others[order]
    low, high = (np.searchsorted(ordered, values, side=side) for side in ("left", "right"))
    return (below[low] + below[high]) / (2 * below[-1])


def influence(scores: Scores) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Compute the area under the curve of every hypothesis and the contribution of each event to its error.

    The structural components of E. DeLong, D. DeLong and D. Clarke-Pearson, Biometrics 44 (1988) 837, for
    weighted events. The sum of products of two columns is the covariance of two areas: of two hypotheses,
    which share the background, or of two estimators on the same events.

    Returns
    -------
    tuple of ndarray
        Areas, shape (hypotheses,), and contributions, shape (events, hypotheses).
    """
    ranked, background = scores.ranked, np.flatnonzero(~scores.signal)
    areas = np.empty(len(scores.hypotheses))
    parts = np.zeros(scores.shape)
    for place, evaluated in enumerate(scores.asked.T):
        signal = np.flatnonzero(evaluated & scores.signal)
        sides = []
        for events, opposite, sign in ((signal, background, 1), (background, signal, -1)):
            others = sign * ranked[opposite, place]
            sides.append(
                (events, _placements(sign * ranked[events, place], others, scores.weights[opposite]))
            )
        areas[place] = np.average(sides[0][1], weights=scores.weights[signal])
        for rows, share in sides:
            weights = scores.weights[rows] / scores.weights[rows].sum()
            # n / (n - 1) for equal weights, as in an unbiased variance; a single event has no variance.
            rest = 1 - np.sum(weights**2)
            correction = 1 / np.sqrt(rest) if rest > 1e-9 else 1.0
            parts[rows, place] = correction * weights * (share - areas[place])
    return areas, parts


def auc(scores: Scores) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Compute the areas under the curve and their standard errors, both of shape (hypotheses,)."""
    areas, parts = influence(scores)
    return areas, np.sqrt(np.sum(parts**2, axis=0))


def loss(scores: Scores) -> tuple[float, float]:
    """Compute one minus the area under the curve, averaged over hypotheses, with its standard error.

    It is never 0: a perfect ranking counts as half of one misordered pair of events.
    """
    areas, parts = influence(scores)
    pairs = scores.signal.sum() / len(areas) * (~scores.signal).sum()
    return max(float(1 - areas.mean()), 0.5 / float(pairs)), float(np.sqrt(np.sum(parts.mean(axis=1) ** 2)))


class AucOf:
    """Area under the curve of every hypothesis in replicas of the events, shape (hypotheses, replicas).

    A statistic for `tracking.statistics.bootstrap.replicate`. Events are sorted once. A replica is one pass
    over them, and several replicas share the pass, one lane each.
    """

    def __init__(self, scores: Scores) -> None:
        ranked = scores.ranked
        self._sorted = []
        for place, evaluated in enumerate(scores.asked.T):
            rows = np.flatnonzero(evaluated & (scores.weights > 0))
            rows = rows[np.argsort(ranked[rows, place], kind="stable")]
            ordered = ranked[rows, place]
            tied = np.append(ordered[:-1] == ordered[1:], False)
            weights = scores.weights[rows]
            signal = scores.signal[rows]
            signed = np.where(signal, weights, -weights) / np.where(
                signal, weights[signal].sum(), weights[~signal].sum()
            )
            self._sorted.append((rows.astype(np.int32), signed, tied))

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        lanes = np.ascontiguousarray(counts.T, dtype=np.uint8)
        return np.stack([_areas(lanes, *ordering) for ordering in self._sorted])


@numba.njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _areas(lanes, rows, signed, tied):
    """Compute areas of shape (replicas,) from `lanes` (events, replicas) along ascending responses.

    `signed` holds the weight of a signal event, minus that of a background event; `tied` marks events whose
    successor has the same response. NaN where a replica lacks a class.
    """
    replicas = lanes.shape[1]
    below, pairs, all_signal = np.zeros(replicas), np.zeros(replicas), np.zeros(replicas)
    group_signal, group_background = np.zeros(replicas), np.zeros(replicas)
    grouped = False
    for i in range(len(rows)):
        drawn, weight = lanes[rows[i]], signed[i]
        if tied[i] or grouped:
            if weight > 0:
                for lane in range(replicas):
                    group_signal[lane] += weight * drawn[lane]
            else:
                for lane in range(replicas):
                    group_background[lane] -= weight * drawn[lane]
            grouped = tied[i]
            if not grouped:
                for lane in range(replicas):
                    pairs[lane] += group_signal[lane] * (below[lane] + 0.5 * group_background[lane])
                    below[lane] += group_background[lane]
                    all_signal[lane] += group_signal[lane]
                    group_signal[lane] = 0.0
                    group_background[lane] = 0.0
        elif weight > 0:
            for lane in range(replicas):
                share = weight * drawn[lane]
                pairs[lane] += share * below[lane]
                all_signal[lane] += share
        else:
            for lane in range(replicas):
                below[lane] -= weight * drawn[lane]
    return pairs / (all_signal * below)
