"""Paired bootstrap by events: every replica draws events once and recomputes all statistics on them.

Objects of one event (the two photons of a pair) are drawn together. All estimators see the same draw, so
common fluctuations cancel in a ratio. The core is refitted in every replica.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from tracking.statistics.widths import widths

__all__ = ["FractionOf", "Interval", "WidthOf", "draws", "interval", "replicate"]

Key = TypeVar("Key")

#: Number of drawn events held in memory at a time.
CHUNK = 2_000_000

#: Callable that turns counts of shape (replicas, events) into the statistic of each replica, shape (...,
#: replicas).
Statistic = Callable[[NDArray[np.integer]], NDArray[np.floating]]


@dataclass(frozen=True)
class Interval:
    """Value with its interval at a confidence level."""

    value: float
    low: float
    high: float
    level: float = 0.95


class WidthOf:
    """Core mu, core sigma and q68 of residuals, shape (3, replicas).

    Parameters
    ----------
    values : ndarray, shape (events, objects)
        Residuals; values that are not finite are ignored.
    """

    def __init__(self, values: NDArray[np.floating]) -> None:
        flat = np.asarray(values, dtype=np.float64).ravel()
        finite = np.flatnonzero(np.isfinite(flat))
        order = finite[np.argsort(flat[finite], kind="stable")]
        self._ordered = flat[order]
        self._event = order // values.shape[1]

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        fitted = widths(self._ordered, counts[:, self._event])
        return np.stack([fitted.mu, fitted.sigma, fitted.q68])


class FractionOf:
    """Fraction of objects that pass, shape (replicas,); NaN without any object.

    Parameters
    ----------
    passed : ndarray of bool, shape (events, objects)
        Objects that pass.
    among : ndarray of bool, shape (events, objects), optional
        Objects in the denominator; all of them by default.
    """

    def __init__(self, passed: NDArray[np.bool_], among: NDArray[np.bool_] | None = None) -> None:
        among = np.ones_like(passed) if among is None else among
        self._passed = _Total((passed & among).sum(axis=1))
        self._among = _Total(among.sum(axis=1))

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        passed, among = self._passed(counts), self._among(counts)
        return np.divide(passed, among, out=np.full(len(counts), np.nan), where=among > 0)


class _Total:
    """Sum of a small number per drawn event; visits only events that differ from the most frequent number."""

    def __init__(self, number: NDArray[np.integer]) -> None:
        self._usual = int(np.bincount(number).argmax()) if len(number) else 0
        self._event = np.flatnonzero(number != self._usual)
        self._more = number[self._event] - self._usual

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.integer]:
        # A draw has as many events as the sample.
        return self._usual * counts.shape[1] + (counts[:, self._event] * self._more).sum(axis=1)


def draws(events: int, replicas: int, rng: np.random.Generator) -> Iterator[NDArray[np.integer]]:
    """Yield how often each event is drawn, in chunks of shape (chunk, events); `replicas` rows in all."""
    rows = int(np.clip(CHUNK // max(events, 1), 1, replicas))
    for start in range(0, replicas, rows):
        chunk = min(rows, replicas - start)
        picks = rng.integers(0, events, size=(chunk, events))
        picks += events * np.arange(chunk)[:, None]
        yield np.bincount(picks.ravel(), minlength=chunk * events).reshape(chunk, events).astype(np.uint8)


def replicate(
    statistics: Mapping[Key, Statistic], events: int, replicas: int, rng: np.random.Generator
) -> dict[Key, NDArray[np.floating]]:
    """Evaluate every statistic on the same replicas.

    Parameters
    ----------
    statistics : mapping
        Statistics, such as `WidthOf` and `FractionOf` of each estimator, under any key.
    events : int
        Number of events in the sample of the statistics.
    replicas : int
        Number of replicas.
    rng : numpy.random.Generator
        Source of the draws.

    Returns
    -------
    dict
        Values of the statistic for each key, shape (..., replicas).
    """
    parts: dict[Key, list[NDArray[np.floating]]] = {key: [] for key in statistics}
    for counts in draws(events, replicas, rng):
        for key, statistic in statistics.items():
            parts[key].append(statistic(counts))
    return {key: np.concatenate(arrays, axis=-1) for key, arrays in parts.items()}


def interval(value: float, replicas: NDArray[np.floating], level: float = 0.95) -> Interval:
    """Compute a percentile interval from replicas; NaN limits unless nine replicas of ten are finite."""
    finite = replicas[np.isfinite(replicas)]
    if not np.isfinite(value) or len(finite) < 0.9 * len(replicas) or not len(replicas):
        return Interval(value, np.nan, np.nan, level)
    low, high = np.quantile(finite, ((1 - level) / 2, (1 + level) / 2))
    return Interval(value, float(low), float(high), level)
