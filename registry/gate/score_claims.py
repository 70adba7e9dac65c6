"""Claims of a rule for classifications: areas, significances, dependence, efficiency."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from registry.gate.intervals import Sampled
from registry.gate.verdict import Claim, claim
from tracking.rule import ScoreRule
from tracking.statistics.bootstrap import FractionOf, Statistic, interval, replicate
from tracking.statistics.dependence import DependenceOf, flatness, peaks, spread
from tracking.statistics.roc import AucOf
from tracking.statistics.scores import Scores
from tracking.statistics.significance import CutsOf

__all__ = ["claims", "trouble"]

#: A value with its replicas.
Series = tuple[float, NDArray[np.floating]]


def trouble(rule: ScoreRule, ours: Scores) -> str:
    """Explain why the rule cannot evaluate these scores; empty if it can."""
    unknown = [name for name in rule.hypotheses if name not in ours.hypotheses]
    if unknown:
        return f"the rule names the hypothesis {unknown[0]!r}; there are: {', '.join(ours.hypotheses)}"
    return ""


def claims(rule: ScoreRule, ours: Scores, references: Mapping[str, Scores], seed: int) -> Iterator[Claim]:
    """Yield the comparisons with every reference and the dependence on the hypothesis.

    All come from one set of replicas.
    """
    for name, theirs in references.items():
        if theirs.hypotheses != ours.hypotheses or not np.array_equal(theirs.asked, ours.asked):
            raise ValueError(f"{name} was asked about other events or hypotheses")
    dependent = any(math.isfinite(limit) for limit in (rule.flatness, rule.spread, rule.peak))
    significant = rule.ams < 1 or "ams" in rule.primary
    statistics: dict[tuple, Statistic] = {}
    for model, scores in enumerate((ours, *references.values())):
        statistics[model, "auc"] = AucOf(scores)
        statistics[model, "efficiency"] = FractionOf(scores.answered, scores.asked)
        if significant:
            statistics[model, "cuts"] = CutsOf(scores)
    if dependent:
        statistics[0, "response"] = DependenceOf(ours)
    events = ours.shape[0]
    whole = {key: of(np.ones((1, events), dtype=np.uint8)) for key, of in statistics.items()}
    drawn = replicate(statistics, events, rule.replicas, np.random.default_rng(seed))
    sampled = Sampled(whole, drawn, events, rule.level)
    for model, name in enumerate(references, 1):
        yield from _against(rule, sampled, whole, drawn, ours.hypotheses, model, name)
    if dependent:
        responses = np.concatenate([whole[0, "response"], drawn[0, "response"]], axis=-1)
        yield from _dependence(rule, sampled, ours.hypotheses, responses)


def _against(
    rule: ScoreRule,
    sampled: Sampled,
    whole: Mapping,
    drawn: Mapping,
    hypotheses: tuple[str, ...],
    index: int,
    name: str,
) -> Iterator[Claim]:
    events, z = sampled.events, sampled.z
    selected = [
        place
        for place, hypothesis in enumerate(hypotheses)
        if hypothesis in rule.hypotheses or not rule.hypotheses
    ]
    areas, replicas = (values[0, "auc"] - values[index, "auc"] for values in (whole, drawn))
    primary: dict[str, Series] = {}
    series: dict[str, Series] = {"auc": (float(areas[selected, 0].mean()), replicas[selected].mean(axis=0))}
    if (0, "cuts") in whole:
        with np.errstate(divide="ignore", invalid="ignore"):
            sample, resampled = (
                np.log(cuts[0, "cuts"][0] / cuts[index, "cuts"][0]) for cuts in (whole, drawn)
            )
            series["ams"] = float(sample[selected, 0].mean()), resampled[selected].mean(axis=0)
    primary = {key: series[key] for key in rule.primary}
    common = sampled.simultaneous(list(primary.values()))
    for key, values in primary.items():
        logarithmic = key == "ams"
        what, least = (
            ("ratio of AMS", 1 + rule.improvement) if logarithmic else ("gain in mean AUC", rule.improvement)
        )
        numbers = sampled.around(*values, common, logarithmic=logarithmic)
        yield claim(
            "better", what, name, numbers, (least, math.inf), events=events, z=common, logarithmic=logarithmic
        )
    for place, hypothesis in enumerate(hypotheses):
        numbers = sampled.around(float(areas[place, 0]), replicas[place], z)
        what = f"gain in AUC of {hypothesis}" if hypothesis else "gain in AUC"
        yield claim("auc", what, name, numbers, (-rule.margin, math.inf), events=events, z=z)
    if rule.ams < 1:
        numbers = sampled.around(*series["ams"], z, logarithmic=True)
        yield claim(
            "ams",
            "ratio of AMS",
            name,
            numbers,
            (1 - rule.ams, math.inf),
            events=events,
            z=z,
            logarithmic=True,
        )
    numbers = sampled.difference((0, "efficiency"), (index, "efficiency"))
    yield claim("efficiency", "efficiency", name, numbers, (-rule.efficiency, math.inf), events=events, z=z)


def _dependence(
    rule: ScoreRule, sampled: Sampled, hypotheses: tuple[str, ...], responses: NDArray[np.floating]
) -> Iterator[Claim]:
    """Yield the claims about the candidate alone; `responses` holds the sample first, then its replicas."""
    events, z = sampled.events, sampled.z
    if math.isfinite(rule.flatness):
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.log(flatness(responses[0]))
        numbers = sampled.around(float(ratio[0]), ratio[1:], z, logarithmic=True)
        yield claim(
            "flatness",
            "largest over smallest background response",
            "",
            numbers,
            (-math.inf, rule.flatness),
            events=events,
            z=z,
            logarithmic=True,
        )
    if math.isfinite(rule.spread):
        differences = spread(responses[0])
        numbers = sampled.around(float(differences[0]), differences[1:], z)
        yield claim(
            "flatness",
            "largest less smallest background response",
            "",
            numbers,
            (-math.inf, rule.spread),
            events=events,
            z=z,
        )
    if math.isfinite(rule.peak):
        level = math.erf(z / math.sqrt(2))
        for hypothesis, steps in zip(hypotheses, np.abs(peaks(responses[1:])), strict=True):
            peak = interval(float(steps[0]), steps[1:], level)
            numbers = (peak.value, peak.low, peak.high)
            # Steps are whole numbers, so the limit lies halfway between two of them.
            yield claim(
                "peak",
                f"steps from {hypothesis} at which its signal response peaks",
                "",
                numbers,
                (-math.inf, rule.peak + 0.5),
            )
