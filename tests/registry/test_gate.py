"""The gate: its error rates, what shuts it, and what it says."""

from __future__ import annotations

import importlib.util
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from made_up import pairs

from registry.gate.card import card, terminal
from registry.gate.decision import Contestant, judge
from registry.gate.verdict import INCONCLUSIVE, PROMOTE, REJECT, claim, decide, from_json
from tracking.rule import Check, Rule
from tracking.statistics.residuals import Residuals

RULE = Rule(primary=("x", "energy"), rivals=("fit",), replicas=200)
FACTS = {"task": "toy", "sample_sha256": "ab" * 32, "seed": 1}


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    """The benchmark, of which these tests run small settings."""
    path = Path(__file__).parents[2] / "benchmarks" / "gate.py"
    spec = importlib.util.spec_from_file_location("benchmark_gate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def contestants() -> dict[str, Contestant]:
    found = pairs(4000, {"fit": 0.10, "old": 0.055, "new": 0.05}, seed=3)
    return {name: Contestant(name, judged) for name, judged in found.items()}


@pytest.mark.parametrize(
    ("events", "trials", "most", "scatter"),
    [(300, 60, 8, 0.07), pytest.param(1000, 200, 14, 0.03, marks=pytest.mark.slow)],
    ids=["few", "many"],
)
def test_promotes_by_chance_no_more_often_than_stated(
    bench: ModuleType, events: int, trials: int, most: int, scatter: float
) -> None:
    """Nothing but "is better" decides, at 2.5 % a side.

    60 trials exceed 8 promotions twice in 100 000 runs, and 200 exceed 14 once in a thousand; 180 intervals
    cover 95 % to 1.6 %, 600 to 0.9 %. Intervals of one standard error promote 10 of 60 and cover 68 %.
    """
    alone = Rule(primary=bench.QUANTITIES, margin=0.9, tails=0.9, failures=0.9, efficiency=0.9, replicas=200)
    found = bench.rates(alone, events, 0.0, trials)
    assert found["promoted"] <= most / trials
    assert found["coverage"] == pytest.approx(0.95, abs=scatter)


def test_finds_an_improvement_the_sample_can_show(bench: ModuleType) -> None:
    """The half-width of 1000 events is 2.4 %: 10 % are four times that."""
    rule = Rule(primary=bench.QUANTITIES, margin=0.02, replicas=200)
    assert bench.rates(rule, 1000, 0.10, 10)["promoted"] >= 0.8


@pytest.mark.parametrize(
    ("events", "trials"), [(500, 8), pytest.param(1000, 30, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_power_grows_with_the_improvement(bench: ModuleType, events: int, trials: int) -> None:
    rule = Rule(primary=bench.QUANTITIES, margin=0.1, tails=0.1, failures=0.1, efficiency=0.1, replicas=200)
    shares = [
        bench.rates(rule, events, improvement, trials)["promoted"] for improvement in (-0.05, 0.0, 0.03, 0.15)
    ]
    assert shares == sorted(shares)
    assert shares[0] == 0
    assert shares[-1] == 1


def test_better_than_all_is_promoted(contestants: dict[str, Contestant]) -> None:
    verdict = judge(RULE, contestants["new"], contestants["old"], contestants, **FACTS)
    assert verdict.decision == PROMOTE
    assert {c.reference for c in verdict.claims if c.kind == "better"} == {"old", "fit"}
    assert any("core width of x relative to old" in reason for reason in verdict.reasons)
    assert from_json(verdict.to_json()) == verdict or "nan" in verdict.to_json()
    assert from_json(verdict.to_json()).sha256 == verdict.sha256


def test_efficiency_is_of_the_objects_that_there_are(contestants: dict[str, Contestant]) -> None:
    """Half of the events lack an object; one that loses a tenth of the others is a tenth less efficient."""
    rng = np.random.default_rng(1)
    real = np.ones(contestants["new"].outcome.shape, dtype=bool)
    real[::2, 1] = False
    lost = rng.random(real.shape) < 0.1

    def having(name: str, objects: np.ndarray) -> Contestant:
        values = contestants[name].outcome.values
        kept = {key: np.where(objects, np.nan_to_num(array), np.nan) for key, array in values.items()}
        return Contestant(name, Residuals(kept, real=real))

    fit = having("fit", real)
    verdict = judge(RULE, having("new", real & ~lost), None, {"fit": fit}, **FACTS)
    (claimed,) = (one for one in verdict.claims if one.kind == "efficiency")
    assert claimed.value == pytest.approx(-lost[real].mean())


def test_worse_is_rejected_in_words(contestants: dict[str, Contestant]) -> None:
    verdict = judge(RULE, contestants["old"], contestants["new"], contestants, **FACTS)
    assert verdict.decision == REJECT
    assert verdict.reasons[0].startswith("core width of x relative to new: 1.1")


def test_the_champion_itself_is_never_promoted(contestants: dict[str, Contestant]) -> None:
    """No width differs in any replica: it is not better, and no number of events would show it."""
    same = replace(contestants["new"], name="again")
    assert judge(RULE, same, contestants["new"], contestants, **FACTS).decision == REJECT


def test_an_equal_one_is_told_how_many_events_are_needed(contestants: dict[str, Contestant]) -> None:
    found = pairs(4000, {"a": 0.05, "b": 0.0496}, seed=11)
    rule = replace(RULE, rivals=())
    verdict = judge(rule, Contestant("b", found["b"]), Contestant("a", found["a"]), {}, **FACTS)
    assert verdict.decision == INCONCLUSIVE
    assert verdict.events_needed > 4000


def test_the_number_of_events_is_that_of_the_textbook() -> None:
    """One standard error off the limit: (1.96 + 0.84)^2 times the sample give 80 % power."""
    one = claim(
        "width", "w", "r", (0.99, 0.99 - 0.0196, 0.99 + 0.0196), (-math.inf, 1.0), events=1000, z=1.96
    )
    assert one.status == "open"
    assert one.events == pytest.approx(1000 * 2.8016**2, rel=1e-3)
    decision, _, needed = decide([one])
    assert decision == INCONCLUSIVE
    assert needed == one.events


def test_one_better_quantity_is_enough_but_none_may_be_worse() -> None:
    def better(status: str) -> object:
        high = {"shown": 0.9, "open": 1.1}[status]
        return claim("better", "x", "old", (0.85, 0.8, high), (-math.inf, 1.0), events=10, z=2)

    worse = claim("width", "y", "old", (1.2, 1.1, 1.3), (-math.inf, 1.02), events=10, z=2)
    assert decide([better("shown"), better("open")])[0] == PROMOTE  # type: ignore[list-item]
    assert decide([better("open"), better("open")])[0] == INCONCLUSIVE  # type: ignore[list-item]
    assert decide([better("shown"), worse])[0] == REJECT  # type: ignore[list-item]


def test_nan_answers_lower_the_efficiency(contestants: dict[str, Contestant]) -> None:
    good = contestants["new"].outcome
    holes = {name: np.where(np.arange(4000)[:, None] % 20 == 0, np.nan, v) for name, v in good.values.items()}
    holed = Contestant("holed", Residuals(holes, good.variables, good.failed))
    verdict = judge(RULE, holed, contestants["old"], contestants, **FACTS)
    assert verdict.decision == REJECT
    assert any(reason.startswith("efficiency") for reason in verdict.reasons)


@pytest.mark.parametrize("value", [np.nan, 0.0])
def test_no_answers_or_one_answer_is_not_promoted(contestants: dict[str, Contestant], value: float) -> None:
    good = contestants["new"].outcome
    spoilt = Residuals(
        {name: np.full(good.shape, value) for name in good.values}, good.variables, good.failed
    )
    assert not judge(RULE, Contestant("bad", spoilt), contestants["old"], contestants, **FACTS).promoted


@pytest.mark.parametrize(
    ("rule", "change", "told"),
    [
        (replace(RULE, rivals=("fit", "lednev")), {}, "no baseline lednev"),
        (replace(RULE, primary=("z",)), {}, "quantity 'z'"),
        (replace(RULE, ns_per_event=10.0), {"ns_per_event": 11.0}, "ns an event"),
        (replace(RULE, megabytes=1.0), {"megabytes": 2.0}, "size in MB"),
        (replace(RULE, bias={"x": 1e-5}), {}, "centre of x"),
        (
            replace(RULE, checks=(Check("pi0/mu", 130, 140, "mass"),)),
            {"metrics": {"pi0/mu": 120.0}},
            "mass: 120",
        ),
        (
            replace(RULE, checks=(Check("pi0/mu", 130, 140, "mass"),)),
            {"metrics": {"pi0/mu": math.nan}},
            "mass",
        ),
        (replace(RULE, checks=(Check("pi0/mu", 130, 140, "mass"),)), {}, "mass"),
    ],
)
def test_any_other_shortcoming_keeps_it_shut(
    contestants: dict[str, Contestant], rule: Rule, change: dict, told: str
) -> None:
    verdict = judge(rule, replace(contestants["new"], **change), contestants["old"], contestants, **FACTS)
    assert not verdict.promoted
    assert any(told in reason for reason in verdict.reasons)


def test_other_events_keep_it_shut(contestants: dict[str, Contestant]) -> None:
    other = Contestant("other", pairs(3000, {"a": 0.04})["a"])
    verdict = judge(RULE, other, contestants["old"], contestants, **FACTS)
    assert (verdict.decision, verdict.claims) == (INCONCLUSIVE, ())
    assert "other events" in verdict.reasons[0]


def test_an_error_of_the_gate_keeps_it_shut(contestants: dict[str, Contestant]) -> None:
    unfinished = Residuals(
        {"x": contestants["new"].outcome.values["x"], "energy": np.empty((4000, 2), dtype=object)}
    )
    verdict = judge(RULE, Contestant("odd", unfinished), None, contestants, **FACTS)
    assert verdict.decision == INCONCLUSIVE


@pytest.mark.parametrize("wrong", [{"primary": ()}, {"margin": -0.1}, {"level": 1.0}, {"replicas": 3}])
def test_a_rule_without_sense_is_refused(wrong: dict) -> None:
    with pytest.raises(ValueError, match="rule"):
        Rule(**{"primary": ("x",), **wrong})


def test_says_how_many_were_looked_at(contestants: dict[str, Contestant]) -> None:
    """The best of many trials is told as such, in card and terminal, and cannot be hidden: it is hashed."""
    chosen, plain = (
        judge(RULE, contestants["new"], None, {"fit": contestants["fit"]}, trials=trials, **FACTS)
        for trials in (40, 0)
    )
    assert "chosen from 40 trials on validation events" in card(chosen)
    assert "chosen from 40 trials of a search" in terminal(chosen)
    assert "trials" not in card(plain) + terminal(plain)
    assert chosen.sha256 != plain.sha256
    assert terminal(chosen).startswith("PROMOTE: new of toy")
