"""Claims of a rule for resolutions: widths, biases, tails, failures, efficiency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from registry.gate.intervals import Sampled
from registry.gate.verdict import Claim, claim
from tracking.rule import Rule
from tracking.statistics.bootstrap import FractionOf, Statistic, WidthOf, replicate
from tracking.statistics.residuals import Residuals
from tracking.statistics.resolution import TAIL

__all__ = ["claims", "trouble"]


def trouble(rule: Rule, ours: Residuals) -> str:
    """Explain why the rule cannot evaluate these residuals; empty if it can."""
    unknown = [name for name in (*rule.primary, *rule.bias) if name not in ours.values]
    return f"the rule names the quantity {unknown[0]!r}, which the task does not judge" if unknown else ""


def claims(rule: Rule, ours: Residuals, references: Mapping[str, Residuals], seed: int) -> Iterator[Claim]:
    """Yield the comparisons with every reference and the biases, all from one set of replicas."""
    statistics: dict[tuple, Statistic] = {
        ("bias", name): WidthOf(ours.values[name]) for name in ours.values if name in rule.bias
    }
    for index, theirs in enumerate(references.values()):
        common = ours.answered & theirs.answered
        limits = {name: _three_sigma(values) for name, values in theirs.values.items()}
        for name in ours.values:
            for model, residuals in enumerate((ours, theirs)):
                values = np.where(common, residuals.values[name], np.nan)
                statistics[index, model, name] = WidthOf(values)
                statistics[index, model, name, "tail"] = FractionOf(np.abs(values) > limits[name], common)
        for model, residuals in enumerate((ours, theirs)):
            statistics[index, model, "efficiency"] = FractionOf(residuals.answered, residuals.present)
            failed = np.zeros_like(residuals.answered) if residuals.failed is None else residuals.failed
            statistics[index, model, "failures"] = FractionOf(failed & residuals.answered, residuals.present)
    events = ours.shape[0]
    whole = {key: of(np.ones((1, events), dtype=np.uint8)) for key, of in statistics.items()}
    drawn = replicate(statistics, events, rule.replicas, np.random.default_rng(seed))
    sampled = Sampled(whole, drawn, events, rule.level)
    for index, name in enumerate(references):
        yield from _against(rule, sampled, index, name, list(ours.values))
    for name, limit in rule.bias.items():
        numbers = sampled.around(whole["bias", name][0][0], drawn["bias", name][0], sampled.z)
        yield claim("bias", f"centre of {name}", "", numbers, (-limit, limit), events=events, z=sampled.z)


def _against(rule: Rule, sampled: Sampled, index: int, name: str, quantities: list[str]) -> Iterator[Claim]:
    events, z = sampled.events, sampled.z
    ratios = {quantity: sampled.ratio(index, quantity, 1) for quantity in quantities}
    common = sampled.simultaneous([ratios[quantity] for quantity in rule.primary])
    for quantity in rule.primary:
        numbers = sampled.around(*ratios[quantity], common, logarithmic=True)
        yield claim(
            "better",
            f"core width of {quantity}",
            name,
            numbers,
            (-math.inf, 1 - rule.improvement),
            events=events,
            z=common,
            logarithmic=True,
        )
    for kind, row, label in (("width", 1, "core width"), ("q68", 2, "68 % width")):
        for quantity in quantities:
            value = ratios[quantity] if row == 1 else sampled.ratio(index, quantity, row)
            numbers = sampled.around(*value, z, logarithmic=True)
            yield claim(
                kind,
                f"{label} of {quantity}",
                name,
                numbers,
                (-math.inf, 1 + rule.margin),
                events=events,
                z=z,
                logarithmic=True,
            )
    for quantity in quantities:
        numbers = sampled.difference((index, 0, quantity, "tail"), (index, 1, quantity, "tail"))
        yield claim(
            "tail",
            f"share of {quantity} beyond three sigma",
            name,
            numbers,
            (-math.inf, rule.tails),
            events=events,
            z=z,
        )
    numbers = sampled.difference((index, 0, "failures"), (index, 1, "failures"))
    yield claim(
        "failures", "share of failures", name, numbers, (-math.inf, rule.failures), events=events, z=z
    )
    numbers = sampled.difference((index, 0, "efficiency"), (index, 1, "efficiency"))
    yield claim("efficiency", "efficiency", name, numbers, (-rule.efficiency, math.inf), events=events, z=z)


def _three_sigma(values: NDArray[np.floating]) -> float:
    sigma = WidthOf(values)(np.ones((1, len(values)), dtype=np.uint8))[1, 0]
    return TAIL * float(sigma)
