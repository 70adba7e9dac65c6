"""Replicas draw whole events, all statistics see the same draw, and intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from tracking.statistics.bootstrap import FractionOf, WidthOf, draws, interval, replicate


def test_every_draw_has_as_many_events_as_the_sample() -> None:
    counts = np.concatenate(list(draws(137, 50, np.random.default_rng(0))))
    assert counts.shape == (50, 137)
    assert (counts.sum(axis=1) == 137).all()
    assert counts.mean() == 1.0
    assert counts.var() == pytest.approx(1 - 1 / 137, abs=0.05)


def test_objects_of_an_event_stay_together() -> None:
    values = np.random.default_rng(1).normal(size=(400, 2))
    counts = next(draws(400, 3, np.random.default_rng(2)))
    mu, sigma, q68 = WidthOf(values)(counts)
    for row in range(3):
        expected = WidthOf(values[np.repeat(np.arange(400), counts[row])])(np.ones((1, 400), dtype=np.uint8))
        assert (mu[row], sigma[row], q68[row]) == pytest.approx(expected[:, 0], rel=1e-9)


def test_the_same_values_have_the_same_replicas() -> None:
    values = np.random.default_rng(3).normal(size=(300, 1))
    found = replicate({"a": WidthOf(values), "b": WidthOf(3 * values)}, 300, 40, np.random.default_rng(4))
    assert found["b"] / found["a"] == pytest.approx(np.full((3, 40), 3.0), rel=1e-6)


def test_replicas_do_not_depend_on_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(5).normal(size=(200, 1))
    whole = replicate({0: WidthOf(values)}, 200, 30, np.random.default_rng(6))[0]
    monkeypatch.setattr("tracking.statistics.bootstrap.CHUNK", 7 * 200)
    assert np.array_equal(whole, replicate({0: WidthOf(values)}, 200, 30, np.random.default_rng(6))[0])


def test_fractions_follow_the_draw() -> None:
    rng = np.random.default_rng(7)
    passed, among = rng.uniform(size=(2, 500, 2)) < np.array([0.1, 0.6])[:, None, None]
    counts = next(draws(500, 20, rng))
    expected = [
        (n[:, None] * (passed & among)).sum() / (n[:, None] * among).sum() for n in counts.astype(int)
    ]
    assert FractionOf(passed, among)(counts) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(FractionOf(passed, np.zeros_like(among))(counts)).all()


def test_intervals_of_a_ratio_of_core_widths_cover() -> None:
    """Two estimators with common noise; 250 experiments, so coverage is known to 0.03 and 0.014."""
    truth, hits = 0.8, {0.68: 0, 0.95: 0}
    for seed in range(250):
        rng = np.random.default_rng(seed)
        common, own = rng.normal(size=(2, 600, 1))
        first = truth * (0.8 * common + 0.6 * own)
        second = 0.8 * common + 0.6 * rng.normal(size=(600, 1))
        statistics = {"a": WidthOf(first), "b": WidthOf(second)}
        found = replicate(statistics, 600, 150, rng)
        once = np.ones((1, 600), dtype=np.uint8)
        value = float(statistics["a"](once)[1, 0] / statistics["b"](once)[1, 0])
        for level in hits:
            limits = interval(value, found["a"][1] / found["b"][1], level)
            hits[level] += limits.low <= truth <= limits.high
    assert hits[0.68] / 250 == pytest.approx(0.68, abs=0.09)
    assert hits[0.95] / 250 == pytest.approx(0.95, abs=0.045)


def test_pairing_narrows_the_interval() -> None:
    rng = np.random.default_rng(8)
    common = rng.normal(size=(3000, 1))
    a, b = (common + 0.2 * rng.normal(size=(3000, 1)) for _ in range(2))
    found = replicate({"a": WidthOf(a), "b": WidthOf(b)}, 3000, 200, rng)
    paired = np.std(found["a"][1] / found["b"][1])
    unpaired = np.std(found["a"][1] / rng.permutation(found["b"][1]))
    assert paired < 0.5 * unpaired


def test_no_interval_from_replicas_without_a_value() -> None:
    limits = interval(1.0, np.array([1.0, np.nan, np.nan, 1.1]))
    assert np.isnan([limits.low, limits.high]).all()
