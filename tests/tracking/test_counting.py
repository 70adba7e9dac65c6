"""Intervals of fractions and of ratios of counts cover, at the edges too."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, poisson

from tracking.statistics.counting import fraction, ratio_interval, wilson


@pytest.mark.parametrize("p", [0.002, 0.03, 0.5, 0.99])
def test_wilson_covers_on_average(p: float) -> None:
    """Exact coverage, summed over all outcomes; averaged over sample sizes it is near the level."""
    found = []
    for n in range(300, 700, 20):
        k = np.arange(n + 1)
        limits = np.array([wilson(i, n, 0.95) for i in k])
        found.append(binom.pmf(k, n, p)[(limits[:, 0] <= p) & (p <= limits[:, 1])].sum())
    assert np.mean(found) == pytest.approx(0.95, abs=0.03)


def test_wilson_at_the_edges() -> None:
    assert wilson(0, 100)[0] == 0.0
    assert wilson(0, 100)[1] == pytest.approx(1 / 101, rel=1e-6)
    assert wilson(100, 100)[1] == 1.0
    assert np.isnan(wilson(0, 0)).all()


def test_objects_that_fail_together_count_as_one() -> None:
    rng = np.random.default_rng(0)
    single = rng.uniform(size=(5000, 1)) < 0.1
    together, apart = np.repeat(single, 2, axis=1), rng.uniform(size=(5000, 2)) < 0.1
    a, b, one = fraction(together), fraction(apart), fraction(single)
    assert (a.passed, a.total) == (2 * one.passed, 10_000)
    assert a.high - a.low == pytest.approx(one.high - one.low, rel=1e-3)
    assert (b.high - b.low) / (a.high - a.low) == pytest.approx(1 / np.sqrt(2), rel=0.06)


def test_a_fraction_of_nothing_is_not_a_number() -> None:
    found = fraction(np.ones((3, 2), dtype=bool), np.zeros((3, 2), dtype=bool))
    assert np.isnan([found.value, found.low, found.high]).all()


@pytest.mark.parametrize(("first", "second"), [(3.0, 3.0), (0.5, 8.0), (6.0, 2.0)])
def test_the_ratio_of_counts_covers(first: float, second: float) -> None:
    """Exact coverage summed over all pairs of counts: never below the level."""
    k = np.arange(40)
    covered = 0.0
    for i in k:
        for j in k:
            low, high = ratio_interval(int(i), int(j)) if i + j else (0.0, np.inf)
            if low <= first / second <= high:
                covered += poisson.pmf(i, first) * poisson.pmf(j, second)
    assert covered >= 0.95


def test_the_ratio_of_counts_at_the_edges() -> None:
    assert ratio_interval(0, 10)[0] == 0.0
    assert ratio_interval(5, 0)[1] == np.inf
    low, high = ratio_interval(7, 7)
    assert low * high == pytest.approx(1.0)
