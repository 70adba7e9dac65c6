"""Sculpting: distortion of the background spectrum of a variable, e.g. a mass, by a cut on the response.

The spectrum of all background is compared with that of the passing background in two ways: by the divergence
of J. Lin, IEEE Trans. Inf. Theory 37 (1991) 145, in bits (0 for the same shape, 1 for no overlap), and by the
largest distance between the cumulative distributions (Kolmogorov and Smirnov).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracking.statistics.residuals import Binning
from tracking.statistics.scores import Scores

__all__ = ["Sculpting", "divergence", "sculpting", "threshold"]

#: Number of random subsets that estimate the divergence expected by chance.
SUBSETS = 100


@dataclass(frozen=True)
class Sculpting:
    """Background before and after a cut on the response to one hypothesis.

    Parameters
    ----------
    before, after : ndarray, shape (bins,)
        Normalised spectra; the outermost bins include underflow and overflow.
    passing : float
        Share of passing background.
    js, js_floor : float
        Divergence in bits, and its mean over random subsets of the same effective size.
    ks : float
        Largest distance between the unbinned cumulative distributions.
    """

    before: NDArray[np.floating]
    after: NDArray[np.floating]
    passing: float
    js: float
    js_floor: float
    ks: float


def divergence(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the Jensen-Shannon divergence of normalised spectra along the last axis, in bits."""
    middle = (first + second) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = [
            np.where(spectrum > 0, spectrum * np.log2(spectrum / middle), 0.0).sum(axis=-1)
            for spectrum in (first, second)
        ]
    return (parts[0] + parts[1]) / 2


def threshold(scores: Scores, place: int, efficiency: float) -> float:
    """Find the cut that keeps this share of the signal of a hypothesis; missing responses do not pass."""
    rows = scores.asked[:, place] & scores.signal
    response, weights = scores.ranked[rows, place], scores.weights[rows]
    order = np.argsort(-response, kind="stable")
    passing = np.cumsum(weights[order])
    at = np.searchsorted(passing, efficiency * passing[-1] * (1 - 1e-12))
    return float(response[order][min(int(at), len(order) - 1)])


def sculpting(scores: Scores, place: int, binning: Binning, efficiency: float, seed: int = 0) -> Sculpting:
    """Measure how the cut at a signal efficiency sculpts the background of one hypothesis.

    Parameters
    ----------
    place : int
        Index of the hypothesis.
    binning : Binning
        Bins of a variable in `Scores.variables`.
    efficiency : float
        Signal efficiency of the cut.
    seed : int
        Random seed of the subsets.
    """
    background = ~scores.signal
    values, weights = scores.variables[binning.name][background], scores.weights[background]
    response = scores.ranked[background, place]
    passed = (response >= threshold(scores, place, efficiency)) & np.isfinite(response)
    edges = np.array(binning.edges)
    inside = np.clip(values, edges[0], np.nextafter(edges[-1], -np.inf))
    before, _ = np.histogram(inside, edges, weights=weights)
    after, _ = np.histogram(inside[passed], edges, weights=weights[passed])
    before = before / before.sum()
    share = float(weights[passed].sum() / weights.sum())
    if share == 0:
        undefined = np.full(len(before), np.nan)
        return Sculpting(before, undefined, 0.0, np.nan, np.nan, np.nan)
    after = after / after.sum()
    effective = max(round(weights[passed].sum() ** 2 / np.sum(weights[passed] ** 2)), 1)
    # The larger the selected share of a fixed sample, the smaller its scatter.
    subset = max(round(effective / max(1 - share, 1e-9)), 1) if share < 1 else 0
    subsets = np.random.default_rng(seed).multinomial(subset, before, size=SUBSETS) / max(subset, 1)
    floor = float(divergence(subsets, before).mean()) if subset else 0.0
    order = np.argsort(values, kind="stable")
    # Compare only at the last of equal values.
    last = np.append(np.diff(values[order]) > 0, True)
    cumulated = [
        np.cumsum(w)[last] / w.sum() for w in (weights[order], np.where(passed, weights, 0.0)[order])
    ]
    return Sculpting(
        before,
        after,
        share,
        float(divergence(after, before)),
        floor,
        float(np.abs(cumulated[0] - cumulated[1]).max()),
    )
