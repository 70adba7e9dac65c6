"""Error rates of the gate, by simulation: false promotions, power, coverage of its intervals.

``python benchmarks/gate.py`` prints a table; the numbers of events, replicas and trials are options. Trials
are photon pairs of three quantities with partly common errors and 2 % of failures, judged by the rule of
the default margins; ``alone`` makes the margins so wide that nothing but "is better" decides, which is the
hardest case for the false promotions.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from registry.gate import Contestant, judge
from registry.verdict import Verdict
from tracking.counting import wilson
from tracking.residuals import Residuals
from tracking.rule import Rule

#: Share of the error that two estimators have in common.
COMMON = 0.8
QUANTITIES = ("x", "y", "energy")


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
        rule, Contestant("candidate", candidate), Contestant("champion", champion), {},
        task="made up", sample_sha256="", seed=seed,
    )  # fmt: skip


def rates(
    rule: Rule, events: int, improvement: float, trials: int, common: float = COMMON
) -> dict[str, float]:
    """Share of trials that promote and that reject, and coverage of the intervals of ratios."""
    found = [trial(rule, events, improvement, seed, common) for seed in range(trials)]
    widths = [[c for c in verdict.claims if c.kind == "width"] for verdict in found]
    truth = 1.0 - improvement
    return {
        "promoted": float(np.mean([verdict.promoted for verdict in found])),
        "rejected": float(np.mean([verdict.decision == "REJECT" for verdict in found])),
        "coverage": float(np.mean([c.low <= truth <= c.high for claims in widths for c in claims])),
        "half-width": float(np.mean([(c.high - c.low) / 2 for claims in widths for c in claims])),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=500)
    parser.add_argument("--events", type=int, default=20_000)
    parser.add_argument("--replicas", type=int, default=400)
    options = parser.parse_args()
    usual = Rule(primary=QUANTITIES, replicas=options.replicas)
    alone = Rule(
        primary=QUANTITIES, margin=0.9, tails=0.9, failures=0.9, efficiency=0.9, replicas=options.replicas
    )
    print("| rule | events | common | true change | promoted (95 %) | rejected | coverage | half-width |")
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    begin = time.process_time()
    for name, rule, events, improvement, common in (
        ("alone", alone, options.events // 10, 0.0, COMMON),
        ("alone", alone, options.events, 0.0, COMMON),
        ("usual", usual, options.events, 0.0, COMMON),
        ("usual", usual, options.events, 0.02, COMMON),
        ("usual", usual, options.events, 0.02, 0.0),
        ("usual", usual, options.events, -0.05, COMMON),
    ):
        found = rates(rule, events, improvement, options.trials, common)
        low, high = wilson(found["promoted"] * options.trials, options.trials, 0.95)
        print(
            f"| {name} | {events} | {common} | {0.0 - 100 * improvement:+.0f} % "
            f"| {100 * found['promoted']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
            f"| {100 * found['rejected']:.1f} % "
            f"| {100 * found['coverage']:.1f} % | {100 * found['half-width']:.2f} % |",
            flush=True,
        )
    spent = time.process_time() - begin
    print(f"\n{options.trials} trials a line, {options.replicas} replicas, {spent:.0f} s of one core")


if __name__ == "__main__":
    main()
