"""Error rates of the gate, by simulation: false promotions, power, coverage of its intervals.

``python benchmarks/gate.py`` prints a table; the numbers of events, replicas and trials are options. Trials
are photon pairs of three quantities with partly common errors and 2 % of failures, judged by the rule of
the default margins; ``alone`` makes the margins so wide that nothing but "is better" decides, which is the
hardest case for the false promotions. ``--kind classification`` does the same for classifiers with three
hypotheses, half of the events being background, whose areas are known in closed form.
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
    """Residuals of the champion and of a candidate with these widths, shape (events, 2)."""
    shape = (events, 2)
    shared = {name: rng.normal(size=shape) for name in QUANTITIES}
    lost = rng.uniform(size=(events, 1)) < 0.02
    found = []
    for width in widths:
        own = np.sqrt(1 - common**2)
        values = {name: width * (common * shared[name] + own * rng.normal(size=shape)) for name in QUANTITIES}
        values["x"] = np.where(lost, values["x"] + 20.0, values["x"])
        found.append(Residuals(values, failed=np.repeat(lost, 2, axis=1)))
    return found


def trial(rule: Rule, events: int, improvement: float, seed: int, common: float = COMMON) -> Verdict:
    """Verdict on a candidate whose widths are by `improvement` smaller than the champion's."""
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
    """Share of trials that promote and that reject, and coverage of the intervals of ratios."""
    found = [trial(rule, events, improvement, seed, common) for seed in range(trials)]
    return _rates(found, "width", 1.0 - improvement)


def _rates(found: Sequence[Verdict], kind: str, truth: float) -> dict[str, float]:
    """Shares of verdicts, and of the intervals of claims of a kind that hold the truth."""
    claims = [claim for verdict in found for claim in verdict.claims if claim.kind == kind]
    return {
        "promoted": float(np.mean([verdict.promoted for verdict in found])),
        "rejected": float(np.mean([verdict.decision == "REJECT" for verdict in found])),
        "coverage": float(np.mean([c.low <= truth <= c.high for c in claims])),
        "half-width": float(np.mean([(c.high - c.low) / 2 for c in claims])),
    }


def classified(
    events: int, areas: tuple[float, float], rng: np.random.Generator, common: float
) -> list[Scores]:
    """Scores of the champion and of a candidate with these areas: Gaussians at a distance."""
    number = len(HYPOTHESES)
    own = np.where(np.arange(events) % 2 == 0, -1, np.arange(events) // 2 % number)
    mine = own[:, None] == np.arange(number)
    asked = mine | (own < 0)[:, None]
    shared, weights = rng.normal(size=mine.shape), rng.uniform(0.5, 1.5, events)
    physical = np.where(own < 0, 5000.0, 150.0) / events
    found = []
    for area in areas:
        distance = np.sqrt(2) * ndtri(area)
        x = common * shared + np.sqrt(1 - common**2) * rng.normal(size=mine.shape) + distance * mine
        response = 1 / (1 + np.exp(-distance * (x - distance / 2)))
        at = np.arange(number, dtype=float)
        found.append(
            Scores(response, asked, own >= 0, weights, physical, HYPOTHESES, at, np.zeros(number, bool))
        )
    return found


def score_rates(
    rule: ScoreRule, events: int, gain: float, trials: int, common: float = COMMON
) -> dict[str, float]:
    """The same of a candidate whose areas are by `gain` larger than the champion's."""
    found = []
    for seed in range(trials):
        champion, candidate = classified(events, (AREA, AREA + gain), np.random.default_rng(seed), common)
        found.append(
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
    return _rates(found, "auc", gain)


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
        found = rates(rule, events, improvement, options.trials, common)
        print(
            f"| {name} | {events} | {common} | {0.0 - 100 * improvement:+.0f} % "
            f"{_shares(found, options.trials)}| {100 * found['half-width']:.2f} % |",
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
        found = score_rates(rule, events, gain, options.trials, common)
        print(
            f"| {name} | {events} | {common} | {gain:+.3f} {_shares(found, options.trials)}"
            f"| {found['half-width']:.4f} |",
            flush=True,
        )


def _shares(found: dict[str, float], trials: int) -> str:
    low, high = wilson(found["promoted"] * trials, trials, 0.95)
    return (
        f"| {100 * found['promoted']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
        f"| {100 * found['rejected']:.1f} % | {100 * found['coverage']:.1f} % "
    )


if __name__ == "__main__":
    main()
