"""Power of a cut on the response: significance at the best cut, background at a signal efficiency.

The approximate median significance (AMS) follows C. Adam-Bourdarios et al., JMLR W&CP 42 (2015) 19, eq. (7),
after G. Cowan et al., Eur. Phys. J. C 71 (2011) 1554, with a regularising background ``b_r``.

A cut that is optimised on some events is biased on the same events. Events are therefore split into halves:
each half is cut where the *other* one has the largest significance, and the passing events are summed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from tracking.statistics.scores import Scores

__all__ = ["Cuts", "CutsOf", "Scan", "ams"]

#: Number of scanned cuts, at equal steps of signal efficiency.
STEPS = 100
#: Random seed of the halves: the same for all estimators, and independent of any split by parity in a
#: training.
HALVES = 20_260_102


def ams(signal: NDArray[np.floating], background: NDArray[np.floating], error: float) -> NDArray[np.floating]:
    """Compute the approximate median significance of expected event numbers; `error` is ``b_r``.

    ``sqrt(2 [(s + b + b_r) ln(1 + s / (b + b_r)) - s])``; for ``s`` much smaller than ``b + b_r`` it is ``s /
    sqrt(b + b_r)``. It is infinite without any background.
    """
    s, b = np.asarray(signal, dtype=np.float64), np.asarray(background, dtype=np.float64) + error
    with np.errstate(divide="ignore", invalid="ignore"):
        x = s / b
        # (1 + x) ln(1 + x) - x loses all digits for small x, where it is x^2/2 - x^3/6 + x^4/12.
        exact = (1 + x) * np.log1p(x) - x
        half = np.where(x > 1e-3, exact, x**2 * (0.5 - x / 6 + x**2 / 12))
        significance = np.sqrt(2 * np.where(x > 0, b * half, 0.0))
    return np.where((b <= 0) & (s > 0), np.inf, significance)


@dataclass(frozen=True)
class Cuts:
    """Best cut of every hypothesis and the background at fixed signal efficiencies.

    Parameters
    ----------
    ams : ndarray, shape (hypotheses, replicas)
        Significance, not biased by the choice of the cut.
    background : ndarray, shape (efficiencies, hypotheses, replicas)
        Share of passing background at each of the efficiencies.
    """

    ams: NDArray[np.floating]
    background: NDArray[np.floating]


@dataclass(frozen=True)
class Scan:
    """Significance against the cut, for figures, and the cut at its maximum.

    Parameters
    ----------
    threshold, signal, background : ndarray, shape (hypotheses, cuts)
        Cuts ``response >= threshold`` from the tightest on, and the weighted passing shares.
    ams : ndarray, shape (hypotheses, cuts)
        Significance on all events; its largest value is biased upwards by construction.
    best : ndarray of int, shape (hypotheses,)
        Index of the cut with the largest significance.
    """

    threshold: NDArray[np.floating]
    signal: NDArray[np.floating]
    background: NDArray[np.floating]
    ams: NDArray[np.floating]
    best: NDArray[np.integer]


class CutsOf:
    """Significance and background at fixed efficiency in replicas, shape (1 + efficiencies, hypotheses, ...).

    A statistic for `tracking.statistics.bootstrap.replicate`; row 0 is the significance, the others the
    background. Every replica uses the expected event numbers of the sample: the number of simulated events is
    not physics. The grid of cuts comes from all events; the cut is chosen separately in each half.

    Parameters
    ----------
    scores : Scores
        Scores with physical weights.
    efficiencies : tuple of float
        Signal efficiencies at which the background is reported.
    """

    def __init__(self, scores: Scores, efficiencies: tuple[float, ...] = ()) -> None:
        self._efficiencies, self._error = efficiencies, scores.background_error
        events, hypotheses = scores.shape
        truth, ranked = scores.own, scores.ranked
        halves = np.random.default_rng(HALVES).random(events) < 0.5
        self._weights = scores.physical
        self._expected = np.array([scores.physical[truth == place].sum() for place in range(hypotheses)])
        self._background = float(scores.physical[~scores.signal].sum())
        self._threshold = np.empty((hypotheses, STEPS))
        self._group: list[tuple[NDArray, NDArray, NDArray]] = []
        for place in range(hypotheses):
            rows = np.flatnonzero(scores.asked[:, place])
            response = ranked[rows, place]
            is_signal = scores.signal[rows]
            self._threshold[place] = _grid(response[is_signal], scores.physical[rows][is_signal])
            # First cut, from the tightest on, that an event passes; STEPS if none.
            ascending = self._threshold[place, ::-1]
            passed = np.searchsorted(ascending, response, side="right")
            cut = np.where(np.isfinite(response), STEPS - passed, STEPS)
            self._group.append((rows.astype(np.int32), cut.astype(np.int16), 2 * is_signal + halves[rows]))

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        values = self.cuts(counts)
        return np.concatenate([values.ams[None], values.background])

    def cuts(self, counts: NDArray[np.integer]) -> Cuts:
        """Evaluate replicas like `__call__`, as named arrays."""
        lanes = np.ascontiguousarray(counts.T, dtype=np.uint8)
        pairs = [self._one(place, self._passing(place, lanes)) for place in range(len(self._group))]
        return Cuts(np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs], axis=1))

    def scan(self) -> Scan:
        """Scan all cuts on all events."""
        once = np.ones((len(self._weights), 1), dtype=np.uint8)
        shares = []
        for place in range(len(self._group)):
            passing, total = self._passing(place, once)
            with np.errstate(divide="ignore", invalid="ignore"):
                shares.append((passing.sum(axis=1) / total.sum(axis=1)[:, None])[..., 0])
        background, signal = np.stack(shares, axis=1)
        significance = self._ams(signal, background, self._expected[:, None])
        return Scan(self._threshold, signal, background, significance, significance.argmax(axis=1))

    def _ams(self, signal: NDArray, background: NDArray, expected: NDArray) -> NDArray[np.floating]:
        return ams(expected * signal, self._background * background, self._error)

    def _passing(self, place: int, lanes: NDArray) -> tuple[NDArray, NDArray]:
        """Sum passing weight, shape (class, half, cuts, replicas), and all weight (class, half, replicas)."""
        rows, cut, group = self._group[place]
        content = _fill(lanes, rows, self._weights, cut, group, STEPS)
        content = content.reshape(2, 2, STEPS + 1, -1)
        passing = np.cumsum(content, axis=2)
        return passing[:, :, :-1], passing[:, :, -1]

    def _one(self, place: int, passing: tuple[NDArray, NDArray]) -> tuple[NDArray, NDArray]:
        weight, total = passing
        with np.errstate(divide="ignore", invalid="ignore"):
            share = weight / total[:, :, None]
            # Each half is cut where the other one has its largest significance.
            value = self._ams(share[1], share[0], self._expected[place])
            best = np.nan_to_num(value, nan=-1.0).argmax(axis=1)[::-1]
            passed = np.take_along_axis(weight, best[None, :, None, :], axis=2)[:, :, 0]
            background, signal = passed.sum(axis=1) / total.sum(axis=1)
            everything = weight.sum(axis=1) / total.sum(axis=1)[:, None]
        backgrounds = [_at(everything[1], everything[0], efficiency) for efficiency in self._efficiencies]
        lanes = signal.shape[-1]
        return self._ams(signal, background, self._expected[place]), np.array(backgrounds).reshape(
            len(backgrounds), lanes
        )


def _grid(response: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.floating]:
    """Place cuts at equal steps of signal efficiency, the tightest first."""
    order = np.argsort(-response, kind="stable")
    passing = np.cumsum(weights[order])
    steps = np.arange(1, STEPS + 1) / STEPS * passing[-1]
    place = np.minimum(np.searchsorted(passing, steps * (1 - 1e-12)), len(order) - 1)
    return response[order][place]


def _at(
    signal: NDArray[np.floating], background: NDArray[np.floating], efficiency: float
) -> NDArray[np.floating]:
    """Interpolate the background share at a signal share between cuts; both of shape (cuts, replicas)."""
    zero = np.zeros((1, signal.shape[1]))
    signal, background = np.concatenate([zero, signal]), np.concatenate([zero, background])
    above = np.clip((signal < efficiency).sum(axis=0), 1, len(signal) - 1)
    (s0, s1), (b0, b1) = (
        (np.take_along_axis(a, above[None] - 1, 0)[0], np.take_along_axis(a, above[None], 0)[0])
        for a in (signal, background)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.clip(np.nan_to_num((efficiency - s0) / (s1 - s0)), 0.0, 1.0)
    interpolated = b0 + part * (b1 - b0)
    # With missing responses no cut may reach this efficiency; the background is undefined there.
    return np.where(signal[-1] >= efficiency, interpolated, np.nan)


@numba.njit(cache=True, error_model="numpy")
def _fill(lanes, rows, weights, cut, group, steps):
    """Sum the weight in every class, half and interval between cuts, shape (4 * (steps + 1), replicas)."""
    content = np.zeros((4 * (steps + 1), lanes.shape[1]))
    for i in range(len(rows)):
        here = content[group[i] * (steps + 1) + cut[i]]
        weight, drawn = weights[rows[i]], lanes[rows[i]]
        for lane in range(lanes.shape[1]):
            here[lane] += weight * drawn[lane]
    return content
