"""Ratios and differences of two estimators with intervals from bootstrap replicas."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

__all__ = ["Sampled"]

#: Least error of a difference of shares, in events: with none among N the 95 % limit is 3/N, not 0.
LEAST_EVENTS = 1.5


class Sampled:
    """Bootstrap statistics of a candidate (index 0) and its references, as values with intervals.

    Parameters
    ----------
    whole, drawn : mapping
        By key: the statistic of the sample itself and of its replicas, see
        `tracking.statistics.bootstrap.replicate`.
    events : int
        Size of the sample.
    level : float
        Confidence level of the intervals.
    """

    def __init__(self, whole: Mapping, drawn: Mapping, events: int, level: float) -> None:
        self._whole, self._drawn, self.events, self._level = whole, drawn, events, level
        self.z = float(ndtri((1 + level) / 2))

    def ratio(self, index: int, quantity: str, row: int) -> tuple[float, NDArray[np.floating]]:
        """Return the logarithm of the ratio of two widths, and that of its replicas."""
        keys = [(index, model, quantity) for model in (0, 1)]
        with np.errstate(divide="ignore", invalid="ignore"):
            value = np.log(self._whole[keys[0]][row][0] / self._whole[keys[1]][row][0])
            return float(value), np.log(self._drawn[keys[0]][row] / self._drawn[keys[1]][row])

    def difference(self, first: tuple, second: tuple) -> tuple[float, float, float]:
        """Return the difference of two shares with its interval."""
        value = float(self._whole[first][0] - self._whole[second][0])
        least = LEAST_EVENTS / self.events
        return self.around(value, self._drawn[first] - self._drawn[second], self.z, least=least)

    def around(
        self,
        value: float,
        drawn: NDArray[np.floating],
        z: float,
        logarithmic: bool = False,
        least: float = 0.0,
    ) -> tuple[float, float, float]:
        """Return a value with its interval of `z` standard errors.

        The limits are NaN unless nine replicas of ten are finite.
        """
        error = max(_error(drawn), least) if _usable(value, drawn) else math.nan
        numbers = (float(value), float(value - z * error), float(value + z * error))
        return tuple(math.exp(n) for n in numbers) if logarithmic else numbers  # type: ignore[return-value]

    def simultaneous(self, several: Sequence[tuple[float, NDArray[np.floating]]]) -> float:
        """Compute the half-width of simultaneous intervals (max-T), in standard errors."""
        scaled = [
            np.abs(drawn - value) / error
            for value, drawn in several
            if _usable(value, drawn) and (error := _error(drawn)) > 0
        ]
        if not scaled:
            return self.z
        deviations = np.stack(scaled)
        largest = np.where(np.isfinite(deviations), deviations, -np.inf).max(axis=0)
        return max(float(np.quantile(largest[np.isfinite(largest)], self._level)), self.z)


def _usable(value: float, drawn: NDArray[np.floating]) -> bool:
    return bool(np.isfinite(value) and np.isfinite(drawn).mean() >= 0.9)


def _error(drawn: NDArray[np.floating]) -> float:
    return float(np.std(drawn[np.isfinite(drawn)]))
