"""Core and robust width of weighted values, for many rows of weights at once.

The core is a Gaussian fitted by unbinned maximum likelihood to the values within ``WINDOW`` sigma of its own
centre. The window moves until it agrees with the fit. The likelihood is that of a *truncated* Gaussian, so
that cutting the tails does not bias the width: in a window of +-k sigma around the centre its two equations
are

    mu = <x>,    sigma^2 = <(x - mu)^2> / v(k),    v(k) = 1 - 2 k phi(k) / (2 Phi(k) - 1),

and the fixed point of "fit, move the window" is the point where both hold. It needs only three sums between
two of the ordered values, so a bootstrap replica is one more row of weights, and the same code fits one
sample or a thousand replicas.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

__all__ = ["CENTRAL", "FEWEST", "WINDOW", "Widths", "widths"]

#: Half-width of the core's window in units of its sigma.
WINDOW = 2.0
#: Probability of +-1 sigma of a Gaussian, the content of the central interval whose half-width is `q68`.
CENTRAL = 0.6826894921370859
#: Smallest number of finite values that is fitted.
FEWEST = 25
#: With fewer values in its window the core has collapsed onto a spike.
FEWEST_IN_CORE = 10
MOST_MOVES = 100
#: Values are clipped at this distance, in units of the spread of the middle half. Without a limit one
#: diverged fit at 1e10 would spoil the sums of all values by cancellation.
FAR = 100.0
#: Size of the blocks in which ordered values are summed; window edges are then resolved inside two blocks.
BLOCK = 50

_CONTENT = 2 * ndtr(WINDOW) - 1
_VARIANCE = 1 - 2 * WINDOW * np.exp(-0.5 * WINDOW**2) / np.sqrt(2 * np.pi) / _CONTENT


@dataclass(frozen=True)
class Widths:
    """Core and robust width for several rows of weights; every array has shape (rows,).

    ``n`` counts the values in the core's window. A row that cannot be fitted holds NaN.
    """

    n: NDArray[np.floating]
    mu: NDArray[np.floating]
    sigma: NDArray[np.floating]
    q68: NDArray[np.floating]


def widths(ordered: NDArray[np.floating], weights: NDArray[np.integer]) -> Widths:
    """Fit core mu and sigma, and q68, of values with integer weights.

    Parameters
    ----------
    ordered : ndarray, shape (values,)
        Finite values in increasing order.
    weights : ndarray of int, shape (rows, values)
        Multiplicity of each value in each row: ones for the sample itself, event counts for bootstrap
        replicas.

    Returns
    -------
    Widths
        One entry per row, equal to the result on ``np.repeat(ordered, weights[row])``.
    """
    rows = len(weights)
    undefined = np.full(rows, np.nan)
    if len(ordered) < FEWEST:
        return Widths(np.zeros(rows), undefined, undefined, undefined)
    lower, origin, upper = np.quantile(ordered, (0.25, 0.5, 0.75))
    scale = max(upper - origin, origin - lower) or (ordered[-1] - ordered[0]) or 1.0
    sums = _Sums(np.clip((ordered - origin) / scale, -FAR, FAR), ordered, weights)
    enough = sums.total >= FEWEST
    low, high = sums.quantile((1 - CENTRAL) / 2), sums.quantile((1 + CENTRAL) / 2)
    q68 = np.where(enough, (high - low) / 2, np.nan)

    # The middle half of the values gives a starting point that is robust against 20 % of failures.
    centre = (sums.quantile(0.5) - origin) / scale
    width = (sums.quantile(0.75) - sums.quantile(0.25)) / (2 * ndtri(0.75)) / scale
    alive = enough & (width > 0)
    inside, window = np.zeros(rows), np.full((2, rows), -1)
    for _ in range(MOST_MOVES):
        centre, width = np.where(alive, centre, 0.0), np.where(alive, width, 1.0)
        moved = sums.window(centre - WINDOW * width, centre + WINDOW * width)
        if np.array_equal(moved, window):
            break
        window = moved
        inside, first, second = sums.before(window[1]) - sums.before(window[0])
        number = np.maximum(inside, 1)
        centre = first / number
        variance = second / number - centre**2
        # Rounding leaves a variance of order 1e-16 if all values of the window are equal.
        alive &= (inside >= FEWEST_IN_CORE) & (variance > 1e-14 * (1 + centre**2))
        width = np.sqrt(np.maximum(variance, 0.0) / _VARIANCE)
    return Widths(
        n=np.where(alive, inside, 0.0),
        mu=np.where(alive, origin + scale * centre, np.nan),
        sigma=np.where(alive, scale * width, np.nan),
        q68=q68,
    )


class _Sums:
    """Cumulative sums of 1, z and z^2 over the ordered values, for every row of weights."""

    def __init__(
        self, z: NDArray[np.floating], values: NDArray[np.floating], weights: NDArray[np.integer]
    ) -> None:
        rows, number = weights.shape
        blocks = -(-number // BLOCK)
        padding = blocks * BLOCK - number
        self._z, self._values = z, values
        self._rows = np.arange(rows)
        self._weights = np.pad(weights, ((0, 0), (0, padding))).reshape(rows, blocks, BLOCK)
        padded = np.pad(z, (0, padding)).reshape(blocks, BLOCK)
        self._powers = np.stack([np.ones_like(padded), padded, padded**2], axis=-1)
        sums = np.matmul(self._weights.transpose(1, 0, 2).astype(np.float64), self._powers)
        self._before = np.zeros((blocks + 1, rows, 3))
        np.cumsum(sums, axis=0, out=self._before[1:])
        self.total = self._before[-1, :, 0]

    def window(self, low: NDArray[np.floating], high: NDArray[np.floating]) -> NDArray[np.integer]:
        """Find the positions of the first value inside and the first beyond, shape (2, rows)."""
        return np.stack([np.searchsorted(self._z, low, "left"), np.searchsorted(self._z, high, "right")])

    def before(self, position: NDArray[np.integer]) -> NDArray[np.floating]:
        """Return the three sums over all values before a position, shape (3, rows)."""
        block, offset = np.divmod(position, BLOCK)
        edge = np.minimum(block, len(self._powers) - 1)
        multiplicity = np.where(np.arange(BLOCK) < offset[:, None], self._weights[self._rows, edge], 0)
        return (self._before[block, self._rows] + np.einsum("rj,rjm->rm", multiplicity, self._powers[edge])).T

    def quantile(self, p: float) -> NDArray[np.floating]:
        """Compute the quantile of every row, linear between order statistics as in `numpy.quantile`."""
        rank = p * np.maximum(self.total - 1, 0)
        below = np.floor(rank)
        left = self._order_statistic(below)
        right = self._order_statistic(np.minimum(below + 1, self.total - 1))
        return left + (rank - below) * (right - left)

    def _order_statistic(self, rank: NDArray[np.floating]) -> NDArray[np.floating]:
        counts = self._before[1:, :, 0]
        block = np.minimum((counts <= rank).sum(axis=0), len(counts) - 1)
        within = self._before[block, self._rows, 0][:, None] + np.cumsum(
            self._weights[self._rows, block], axis=1
        )
        position = block * BLOCK + (within <= rank[:, None]).sum(axis=1)
        return self._values[np.minimum(position, len(self._values) - 1)]
