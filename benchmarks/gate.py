"""Simulate the error rates of the gate: false promotions, power, coverage of its intervals.

``python benchmarks/gate.py`` prints a table; the numbers of events, replicas and trials are options. Trials
are photon pairs of three quantities with partly common errors and 2 % of failures, evaluated by the rule with
default margins. With ``alone`` the margins are so wide that only "is better" decides, which is the hardest
case for false promotions. ``--kind classification`` does the same for classifiers with three hypotheses and
half of the events background, whose areas are known in closed form.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from scipy.special import ndtri

from registry.gate.decision import Contestant, judge
from registry.gate.verdict import Verdict
from tracking.rule import Rule, ScoreRule
from tracking.statistics.counting import wilson
from tracking.statistics.residuals import Residuals
from tracking.statistics.scores import Scores

#: Share of the error that two estimators have in common.
COMMON = 0.8
QUANTITIES = ("x", "y", "energy")
HYPOTHESES = ("m300", "m500", "m900")
#: Area under the curve of the champion.
AREA = 0.85


def pairs(
    events: int, widths: tuple[float, float], rng: np.random.Generator, common: float
) -> list[Residuals]:
    """Draw residuals of the champion and of a candidate with these widths, shape (events, 2)."""
    shape = (events, 2)
    shared = {name: rng.normal(size=shape) for name in QUANTITIES}
    failed = rng.uniform(size=(events, 1)) < 0.02
    residuals = []
    for width in widths:
        independent = np.sqrt(1 - common**2)
        values = {
            name: width * (common * shared[name] + independent * rng.normal(size=shape))
            for name in QUANTITIES
        }
        values["x"] = np.where(failed, values["x"] + 20.0, values["x"])
        residuals.append(Residuals(values, failed=np.repeat(failed, 2, axis=1)))
    return residuals


def trial(rule: Rule, events: int, improvement: float, seed: int, common: float = COMMON) -> Verdict:
    """Decide on a candidate whose widths are smaller than the champion's by `improvement`."""
    champion, candidate = pairs(events, (1.0, 1.0 - improvement), np.random.default_rng(seed), common)
    return judge(
        rule,
        Contestant("candidate", candidate),
        Contestant("champion", champion),
        {},
        task="made up",
        sample_sha256="",
        seed=seed,
    )


def rates(
    rule: Rule, events: int, improvement: float, trials: int, common: float = COMMON
) -> dict[str, float]:
    """Measure the shares of promotions and rejections, and the coverage of the intervals of ratios."""
    verdicts = [trial(rule, events, improvement, seed, common) for seed in range(trials)]
    return _rates(verdicts, "width", 1.0 - improvement)


def _rates(verdicts: Sequence[Verdict], kind: str, truth: float) -> dict[str, float]:
    """Compute the shares of decisions, and of intervals of one kind of claim that contain the truth."""
    claims = [claim for verdict in verdicts for claim in verdict.claims if claim.kind == kind]
    return {
        "promoted": float(np.mean([verdict.promoted for verdict in verdicts])),
        "rejected": float(np.mean([verdict.decision == "REJECT" for verdict in verdicts])),
        "coverage": float(np.mean([claim.low <= truth <= claim.high for claim in claims])),
        "half-width": float(np.mean([(claim.high - claim.low) / 2 for claim in claims])),
    }


def classified(
    events: int, areas: tuple[float, float], rng: np.random.Generator, common: float
) -> list[Scores]:
    """Draw scores of the champion and of a candidate with these areas: Gaussians at a distance."""
    number = len(HYPOTHESES)
    hypothesis = np.where(np.arange(events) % 2 == 0, -1, np.arange(events) // 2 % number)
    is_own = hypothesis[:, None] == np.arange(number)
    applicable = is_own | (hypothesis < 0)[:, None]
    shared, weights = rng.normal(size=is_own.shape), rng.uniform(0.5, 1.5, events)
    physical = np.where(hypothesis < 0, 5000.0, 150.0) / events
    scores = []
    for area in areas:
        distance = np.sqrt(2) * ndtri(area)
        x = common * shared + np.sqrt(1 - common**2) * rng.normal(size=is_own.shape) + distance * is_own
        response = 1 / (1 + np.exp(-distance * (x - distance / 2)))
        at = np.arange(number, dtype=float)
        scores.append(
            Scores(
                response,
                applicable,
                hypothesis >= 0,
                weights,
                physical,
                HYPOTHESES,
                at,
                np.zeros(number, bool),
            )
        )
    return scores


def score_rates(
    rule: ScoreRule, events: int, gain: float, trials: int, common: float = COMMON
) -> dict[str, float]:
    """Measure the same rates for a candidate whose areas are larger than the champion's by `gain`."""
    verdicts = []
    for seed in range(trials):
        champion, candidate = classified(events, (AREA, AREA + gain), np.random.default_rng(seed), common)
        verdicts.append(
            judge(
                rule,
                Contestant("candidate", candidate),
                Contestant("champion", champion),
                {},
                task="made up",
                sample_sha256="",
                seed=seed,
            )
        )
    return _rates(verdicts, "auc", gain)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--events", type=int, default=0, help="default: 20000 pairs, 5000 classified events")
    parser.add_argument("--replicas", type=int, default=400)
    parser.add_argument("--kind", choices=("resolution", "classification"), default="resolution")
    options = parser.parse_args()
    options.events = options.events or (20_000 if options.kind == "resolution" else 5_000)
    begin = time.process_time()
    (_resolutions if options.kind == "resolution" else _classifications)(options)
    spent = time.process_time() - begin
    print(f"\n{options.trials} trials a line, {options.replicas} replicas, {spent:.0f} s of one core")


def _resolutions(options: argparse.Namespace) -> None:
    usual = Rule(primary=QUANTITIES, replicas=options.replicas)
    alone = Rule(
        primary=QUANTITIES, margin=0.9, tails=0.9, failures=0.9, efficiency=0.9, replicas=options.replicas
    )
    print("| rule | events | common | true change | promoted (95 %) | rejected | coverage | half-width |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, rule, events, improvement, common in (
        ("alone", alone, options.events // 10, 0.0, COMMON),
        ("alone", alone, options.events, 0.0, COMMON),
        ("usual", usual, options.events, 0.0, COMMON),
        ("usual", usual, options.events, 0.02, COMMON),
        ("usual", usual, options.events, 0.02, 0.0),
        ("usual", usual, options.events, -0.05, COMMON),
    ):
        shares = rates(rule, events, improvement, options.trials, common)
        print(
            f"| {name} | {events} | {common} | {0.0 - 100 * improvement:+.0f} % "
            f"{_shares(shares, options.trials)}| {100 * shares['half-width']:.2f} % |",
            flush=True,
        )


def _classifications(options: argparse.Namespace) -> None:
    usual = ScoreRule(primary=("auc", "ams"), margin=0.02, ams=0.2, peak=0, replicas=options.replicas)
    alone = ScoreRule(primary=("auc", "ams"), margin=0.9, ams=1, efficiency=0.9, replicas=options.replicas)
    print("| rule | events | common | true gain | promoted (95 %) | rejected | coverage | half-width |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, rule, events, gain, common in (
        ("alone", alone, options.events // 10, 0.0, COMMON),
        ("alone", alone, options.events, 0.0, COMMON),
        ("usual", usual, options.events, 0.0, COMMON),
        ("usual", usual, options.events, 0.025, COMMON),
        ("usual", usual, options.events, 0.025, 0.0),
        ("usual", usual, options.events, -0.05, COMMON),
    ):
        shares = score_rates(rule, events, gain, options.trials, common)
        print(
            f"| {name} | {events} | {common} | {gain:+.3f} {_shares(shares, options.trials)}"
            f"| {shares['half-width']:.4f} |",
            flush=True,
        )


def _shares(shares: dict[str, float], trials: int) -> str:
    low, high = wilson(shares["promoted"] * trials, trials, 0.95)
    return (
        f"| {100 * shares['promoted']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
        f"| {100 * shares['rejected']:.1f} % | {100 * shares['coverage']:.1f} % "
    )


if __name__ == "__main__":
    main()
