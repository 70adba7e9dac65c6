"""Ratios of widths and what they decide: against closed forms and by coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest

from shashlik.ablation.comparison import Answer, Ratio, Widths, verdict
from shashlik.task.variants import Statement
from tracking.statistics.residuals import Residuals


def made(
    scales: dict[str, float], trainings: int, scatter: float, events: int, seed: int
) -> dict[Answer, Residuals]:
    """Answers of Gaussian width `scale`, times exp(scatter z) in each training, with most noise in common."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(events, 2))
    found = {}
    for name, scale in scales.items():
        for number in range(trainings):
            width = scale * math.exp(scatter * rng.normal())
            own = rng.normal(size=(events, 2))
            found[Answer(name, number, "s")] = Residuals({"x": width * (0.9 * common + 0.436 * own)})
    return found


def widths(answers: dict[Answer, Residuals], **more: int) -> Widths:
    home = {answer.variant: answer.events for answer in answers}
    return Widths(answers, home, ("x",), 1, **more)


@pytest.mark.parametrize("statistic", ["q68", "sigma"])
def test_ratio_is_that_of_the_widths(statistic: str) -> None:
    found = widths(made({"base": 1.0, "wide": 1.5}, 2, 0.0, 4000, 1)).ratio("wide", "base", (), statistic)
    assert found is not None
    assert found.value == pytest.approx(1.5, rel=0.02)
    # The noise in common cancels: far better than the 1.6 % of independent widths.
    assert found.events_high / found.events_low < 1 + 4 * 0.016


def test_a_variant_is_one_times_itself() -> None:
    found = widths(made({"base": 1.0}, 2, 0.1, 500, 2)).ratio("base", "base")
    assert found is not None
    assert (found.value, found.events_low, found.events_high) == (1.0, 1.0, 1.0)


def test_scatter_of_trainings_is_pooled() -> None:
    many = made(dict.fromkeys("abcdefgh", 1.0), 4, 0.1, 2000, 3)
    value, freedom = widths(many, replicas=2).scatter(("x",), "q68")
    assert freedom == 8 * 3
    assert value == pytest.approx(0.1, rel=3 / math.sqrt(2 * freedom))


def test_one_training_each_decides_nothing() -> None:
    found = widths(made({"base": 1.0, "wide": 2.0}, 1, 0.0, 500, 4)).ratio("wide", "base")
    assert found is not None
    assert math.isnan(found.low)
    assert found.events_low > 1
    assert verdict(Statement("", "wide", "base", "worse"), found) == "cannot be decided"


def test_interval_covers_the_truth() -> None:
    """Also of trainings that scatter more than the events, in 95 of 100 studies."""
    inside = 0
    for seed in range(100):
        found = widths(made({"base": 1.0, "a": 1.2, "b": 1.0}, 2, 0.05, 400, seed), replicas=40)
        ratio = found.ratio("a", "base")
        assert ratio is not None
        inside += ratio.low < 1.2 < ratio.high
    assert inside == pytest.approx(95, abs=3 * math.sqrt(100 * 0.05 * 0.95))


def test_several_quantities_are_a_geometric_mean() -> None:
    rng = np.random.default_rng(5)
    noise = rng.normal(size=(2, 1000, 1))
    answers = {
        Answer("base", 0, "s"): Residuals({"x": noise[0], "y": noise[1]}),
        Answer("v", 0, "s"): Residuals({"x": 2 * noise[0], "y": 8 * noise[1]}),
    }
    found = Widths(answers, {"base": "s", "v": "s"}, ("x", "y"), 1).ratio("v", "base")
    assert found is not None
    assert found.value == pytest.approx(4.0)
    assert Widths(answers, {"base": "s", "v": "s"}, ("x", "y"), 1).ratio("none", "base") is None


CASES = [
    ("better", 0.8, 0.9, "holds"),
    ("better", 0.9, 1.1, "cannot be decided"),
    ("better", 0.97, 1.02, "does not hold"),
    ("better", 1.1, 1.2, "does not hold"),
    ("worse", 1.1, 1.2, "holds"),
    ("worse", 0.9, 1.1, "cannot be decided"),
    ("worse", 0.98, 1.03, "does not hold"),
    ("same", 0.97, 1.03, "holds"),
    ("same", 0.9, 1.03, "cannot be decided"),
    ("same", 1.06, 1.2, "does not hold"),
    ("no help", 0.96, 1.4, "holds"),
    ("no help", 0.9, 1.4, "cannot be decided"),
    ("no help", 0.8, 0.9, "does not hold"),
]


@pytest.mark.parametrize(("expected", "low", "high", "wanted"), CASES)
def test_verdicts(expected: str, low: float, high: float, wanted: str) -> None:
    ratio = Ratio(math.sqrt(low * high), low, high, low, high)
    assert verdict(Statement("", "a", "base", expected), ratio) == wanted


def test_divergence_is_a_verdict_too() -> None:
    statement = Statement("", "a", "base", "diverges")
    assert verdict(statement, None, diverged=True) == "holds"
    assert verdict(statement, None) == "cannot be decided"
    assert verdict(statement, Ratio(1, 0.9, 1.1, 0.9, 1.1)) == "does not hold"
