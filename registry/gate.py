"""The gate: does a candidate become champion? Statistics only; nothing is read, written or promoted here.

A candidate is compared with every reference (the champion and the baselines of the rule) on identical
events by a paired bootstrap: one draw of events for all, every width refitted in each replica. Of the
primary quantities one must be better; their intervals are simultaneous (max-T, R. Westfall and S. Young,
*Resampling-Based Multiple Testing*, 1993). All other claims must hold together, so that each can be tested
at the full level (an intersection-union test, R. Berger, Technometrics 24 (1982) 295).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.sampled import Sampled
from registry.verdict import INCONCLUSIVE, Claim, Spread, Verdict, claim, decide
from tracking.bootstrap import FractionOf, Statistic, WidthOf, replicate
from tracking.residuals import Residuals
from tracking.resolution import TAIL
from tracking.rule import Rule

__all__ = ["Contestant", "judge", "undecided"]


@dataclass(frozen=True)
class Contestant:
    """One model in front of the gate.

    Parameters
    ----------
    name : str
        How reasons call it, e.g. ``version 7`` or ``baseline-coral``.
    residuals : Residuals
        On all events of the frozen sample.
    metrics : mapping of str to float
        The task's own numbers, without the estimator's name.
    ns_per_event, megabytes : float
        Time and size.
    sha256 : str
        Hash of the model's files.
    """

    name: str
    residuals: Residuals
    metrics: Mapping[str, float] = field(default_factory=dict)
    ns_per_event: float = 0.0
    megabytes: float = 0.0
    sha256: str = ""


def undecided(reason: str, **facts: Any) -> Verdict:
    """The verdict where something keeps the gate from judging; `facts` as in `judge`."""
    blank: dict[str, Any] = {
        "task": "", "candidate": "", "champion": "", "sample_sha256": "", "rule_sha256": "", "events": 0,
    }  # fmt: skip
    return Verdict(INCONCLUSIVE, (reason,), (), **blank | facts)


def judge(
    rule: Rule,
    candidate: Contestant,
    champion: Contestant | None,
    baselines: Mapping[str, Contestant],
    *,
    task: str,
    sample_sha256: str,
    seed: int,
    looks: int = 1,
    trials: int = 0,
    spreads: Sequence[Spread] = (),
) -> Verdict:
    """Hold a candidate against the rule; what goes wrong raises nothing and promotes nobody.

    Parameters
    ----------
    rule : Rule
        The task's.
    candidate, champion : Contestant
        Without a champion only the baselines are references.
    baselines : mapping of str to Contestant
        By name; all of the rule's rivals must be there.
    task, sample_sha256 : str
        What was judged on which frozen sample.
    seed : int
        Of the bootstrap.
    looks : int
        Looks at this sample, this one included.
    trials : int
        Trials of a search that the candidate is the best of, on other events; 0 if it was not searched for.
    spreads : sequence of Spread
        Reported beside the decision.
    """
    references = [baselines[name] for name in rule.rivals if name in baselines]
    if champion is not None:
        references.insert(0, champion)
    facts: dict[str, Any] = {
        "task": task,
        "candidate": candidate.name,
        "champion": champion.name if champion else "",
        "sample_sha256": sample_sha256,
        "rule_sha256": rule.sha256,
        "events": candidate.residuals.shape[0],
        "looks": looks,
        "trials": trials,
        "spreads": tuple(spreads),
        "seed": seed,
        "hashes": {one.name: one.sha256 for one in (candidate, *references)},
    }
    if trouble := _trouble(rule, candidate, references, baselines):
        return undecided(trouble, **facts)
    try:
        claims = [*_relative(rule, candidate, references, seed), *_absolute(rule, candidate)]
        decision, reasons, needed = decide(claims)
    except Exception as error:
        # A gate that fails must stay shut, whatever the failure is.
        return undecided(f"the gate itself failed: {type(error).__name__}: {error}", **facts)
    return replace(Verdict(decision, reasons, tuple(claims), **facts), events_needed=needed)


def _trouble(
    rule: Rule, candidate: Contestant, references: Sequence[Contestant], baselines: Mapping[str, Contestant]
) -> str:
    missing = [name for name in rule.rivals if name not in baselines]
    if missing:
        return f"no baseline {', '.join(missing)} to compare with: register it first"
    if not references and not (rule.bias or rule.checks):
        return "there is neither a champion nor a baseline to compare with, nor a limit to keep"
    unknown = [name for name in (*rule.primary, *rule.bias) if name not in candidate.residuals.values]
    if unknown:
        return f"the rule names the quantity {unknown[0]!r}, which the task does not judge"
    for other in references:
        if other.residuals.shape != candidate.residuals.shape:
            return (
                f"{other.name} was judged on other events: shape {other.residuals.shape}, "
                f"not {candidate.residuals.shape}"
            )
    return ""


def _relative(
    rule: Rule, candidate: Contestant, references: Sequence[Contestant], seed: int
) -> Iterator[Claim]:
    """Claims that compare, and the biases: all from one set of replicas."""
    ours = candidate.residuals
    statistics: dict[tuple, Statistic] = {
        ("bias", name): WidthOf(ours.values[name]) for name in ours.values if name in rule.bias
    }
    for index, reference in enumerate(references):
        theirs = reference.residuals
        both = ours.answered & theirs.answered
        limits = {name: _three_sigma(values) for name, values in theirs.values.items()}
        for name in ours.values:
            for who, judged in enumerate((ours, theirs)):
                values = np.where(both, judged.values[name], np.nan)
                statistics[index, who, name] = WidthOf(values)
                statistics[index, who, name, "tail"] = FractionOf(np.abs(values) > limits[name], both)
        for who, judged in enumerate((ours, theirs)):
            statistics[index, who, "efficiency"] = FractionOf(judged.answered, judged.present)
            failed = np.zeros_like(judged.answered) if judged.failed is None else judged.failed
            statistics[index, who, "failures"] = FractionOf(failed & judged.answered, judged.present)
    events = ours.shape[0]
    whole = {key: of(np.ones((1, events), dtype=np.uint8)) for key, of in statistics.items()}
    drawn = replicate(statistics, events, rule.replicas, np.random.default_rng(seed))
    sampled = Sampled(whole, drawn, events, rule.level)
    for index, reference in enumerate(references):
        yield from _against(rule, sampled, index, reference.name, list(ours.values))
    for name, limit in rule.bias.items():
        numbers = sampled.around(whole["bias", name][0][0], drawn["bias", name][0], sampled.z)
        yield claim("bias", f"centre of {name}", "", numbers, (-limit, limit), events=events, z=sampled.z)


def _against(rule: Rule, sampled: Sampled, index: int, name: str, quantities: list[str]) -> Iterator[Claim]:
    events, z = sampled.events, sampled.z
    ratios = {quantity: sampled.ratio(index, quantity, 1) for quantity in quantities}
    common = sampled.simultaneous([ratios[quantity] for quantity in rule.primary])
    for quantity in rule.primary:
        numbers = sampled.around(*ratios[quantity], common, logarithmic=True)
        yield claim("better", f"core width of {quantity}", name, numbers, (-math.inf, 1 - rule.improvement),
                    events=events, z=common, logarithmic=True)  # fmt: skip
    for kind, row, label in (("width", 1, "core width"), ("q68", 2, "68 % width")):
        for quantity in quantities:
            value = ratios[quantity] if row == 1 else sampled.ratio(index, quantity, row)
            numbers = sampled.around(*value, z, logarithmic=True)
            yield claim(kind, f"{label} of {quantity}", name, numbers, (-math.inf, 1 + rule.margin),
                        events=events, z=z, logarithmic=True)  # fmt: skip
    for quantity in quantities:
        numbers = sampled.difference((index, 0, quantity, "tail"), (index, 1, quantity, "tail"))
        yield claim("tail", f"share of {quantity} beyond three sigma", name, numbers,
                    (-math.inf, rule.tails), events=events, z=z)  # fmt: skip
    numbers = sampled.difference((index, 0, "failures"), (index, 1, "failures"))
    yield claim(
        "failures", "share of failures", name, numbers, (-math.inf, rule.failures), events=events, z=z
    )
    numbers = sampled.difference((index, 0, "efficiency"), (index, 1, "efficiency"))
    yield claim("efficiency", "efficiency", name, numbers, (-rule.efficiency, math.inf), events=events, z=z)


def _absolute(rule: Rule, candidate: Contestant) -> Iterator[Claim]:
    """Claims about the candidate alone. What is not limited is not claimed."""
    for kind, what, value, most in (
        ("speed", "ns an event", candidate.ns_per_event, rule.ns_per_event),
        ("size", "size in MB", candidate.megabytes, rule.megabytes),
    ):
        if math.isfinite(most):
            yield claim(kind, what, "", (value, value, value), (-math.inf, most))
    for check in rule.checks:
        value = candidate.metrics.get(check.metric, math.nan)
        half = 2 * candidate.metrics.get(f"{check.metric}_err", 0.0)
        events = candidate.residuals.shape[0] if half > 0 else 0
        yield claim("check", check.meaning or check.metric, "", (value, value - half, value + half),
                    (check.least, check.most), events=events, z=2.0)  # fmt: skip


def _three_sigma(values: NDArray[np.floating]) -> float:
    sigma = WidthOf(values)(np.ones((1, len(values)), dtype=np.uint8))[1, 0]
    return TAIL * float(sigma)
