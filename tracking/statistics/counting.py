"""Fractions of objects and ratios of counts, with intervals that treat events as independent units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtri

from tracking.statistics.widths import CENTRAL

__all__ = ["Fraction", "fraction", "ratio_interval", "wilson"]


@dataclass(frozen=True)
class Fraction:
    """Fraction of objects with its 68.3 % interval; NaN without any object."""

    passed: int
    total: int
    value: float
    low: float
    high: float


def wilson(passed: float, total: float, level: float = CENTRAL) -> tuple[float, float]:
    """Compute Wilson's score interval of a binomial fraction; effective, non-integer numbers are allowed.

    E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209.

    Examples
    --------
    >>> low, high = wilson(8, 10)
    >>> round(low, 3), round(high, 3)
    (0.649, 0.896)
    """
    if total <= 0:
        return np.nan, np.nan
    share, z = passed / total, float(ndtri((1 + level) / 2))
    centre = (share + z**2 / (2 * total)) / (1 + z**2 / total)
    half = z * np.sqrt(share * (1 - share) / total + z**2 / (4 * total**2)) / (1 + z**2 / total)
    # The limits of an empty or full sample are exactly 0 and 1; rounding must not cross them.
    low = 0.0 if passed == 0 else max(float(centre - half), 0.0)
    high = 1.0 if passed == total else min(float(centre + half), 1.0)
    return low, high


def fraction(passed: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> Fraction:
    """Compute the fraction of objects that pass.

    Objects of one event tend to fail together. The interval is Wilson's for the number of independent objects
    with the same scatter. That number lies between the number of events and the number of objects.

    Parameters
    ----------
    passed : ndarray of bool, shape (events, objects)
        Objects that pass.
    among : ndarray of bool, shape (events, objects), optional
        Objects in the denominator; all of them by default.
    """
    among = np.ones_like(passed) if among is None else among
    hits, tries = (passed & among).sum(axis=1), among.sum(axis=1)
    total, count = int(tries.sum()), int(hits.sum())
    if total == 0:
        return Fraction(0, 0, np.nan, np.nan, np.nan)
    share = count / total
    largest = total / max(int((tries > 0).sum()), 1)
    spread = float(np.sum((hits - share * tries) ** 2))
    binomial = total * share * (1 - share)
    # Without data to measure the correlation, assume the largest one.
    effect = float(np.clip(spread / binomial, 1.0, largest)) if binomial > 0 else largest
    low, high = wilson(count / effect, total / effect)
    return Fraction(count, total, share, low, high)


def ratio_interval(first: int, second: int, level: float = 0.95) -> tuple[float, float]:
    """Compute the exact interval of a ratio of two Poisson means from their counts.

    Given ``first + second``, the first count is binomial. The interval of Clopper and Pearson for its share
    is converted to an interval of the ratio. It is conservative for paired counts, which are correlated.

    Examples
    --------
    >>> low, high = ratio_interval(10, 20)
    >>> round(low, 3), round(high, 3)
    (0.209, 1.119)
    """
    outside = (1 - level) / 2
    low = float(betaincinv(first, second + 1, outside)) if first else 0.0
    high = float(betaincinv(first + 1, second, 1 - outside)) if second else 1.0
    return low / (1 - low), high / (1 - high) if high < 1 else np.inf
