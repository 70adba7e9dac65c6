"""Estimators of several runs side by side, as one `Evidence`: what tables and figures know how to show.

Ratios of two widths are the honest part. Where the two were judged together their paired interval is on
record; where both kept their residuals of the same events it can be computed (`paired`); else the two errors
are added in quadrature, which on identical events is cautious, as it forgets what they have in common.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from scipy.special import ndtri

from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Comparison, Count, Evidence, Row
from tracking.statistics.residuals import Binning, Quantity, Residuals

__all__ = ["PAIRED", "QUADRATURE", "RECORDED", "Contestant", "Pull", "combine", "paired", "pulls"]

LEVEL = 0.95
RECORDED = "paired bootstrap, on record"
PAIRED = "paired bootstrap on kept residuals"
QUADRATURE = "errors in quadrature"
#: Replicas of the bootstrap that a page asks for.
REPLICAS, BIN_REPLICAS = 400, 60


@dataclass(frozen=True)
class Contestant:
    """One estimator that takes part.

    Parameters
    ----------
    label : str
        How tables and figures call it; no two are equal.
    reference : str
        How an address names it.
    estimator : str
        Its name in the evidence.
    evidence : Evidence
        Where its numbers are.
    run_id : str
        The run of that evidence.
    everywhere : bool
        Whether all evidence on the same sample calls it by that name, as it does with versions on frozen
        samples.
    """

    label: str
    reference: str
    estimator: str
    evidence: Evidence
    run_id: str
    everywhere: bool = False


@dataclass(frozen=True)
class Pull:
    """Difference of two numbers in units of their common error, in one bin; overall where empty."""

    label: str
    quantity: str
    binning: str
    low: float
    high: float
    mu: float
    sigma: float


def combine(contestants: Sequence[Contestant]) -> tuple[Evidence, dict[str, str]]:
    """One evidence with all contestants, the first as its subject, and where its ratios come from.

    Quantities and binnings are those that all have in common; facts are those of the first.

    Returns
    -------
    tuple of Evidence and dict of str to str
        By label: `RECORDED` or `QUADRATURE`.
    """
    first, *others = contestants
    quantities, binnings = _common(contestants)
    kept = {
        (binning.name, low, high)
        for binning in binnings
        for low, high in zip(binning.edges[:-1], binning.edges[1:], strict=True)
    }
    names = {quantity.name for quantity in quantities}
    rows: list[Row] = []
    counts: list[Count] = []
    times: dict[str, float] = {}
    for one in contestants:
        rows += [
            replace(row, estimator=one.label)
            for row in one.evidence.rows
            if row.estimator == one.estimator
            and row.quantity in names
            and (not row.binning or (row.binning, row.low, row.high) in kept)
        ]
        counts += [
            replace(count, estimator=one.label)
            for count in one.evidence.counts
            if count.estimator == one.estimator
            and (not count.binning or (count.binning, count.low, count.high) in kept)
        ]
        if one.estimator in one.evidence.ns_per_event:
            times[one.label] = one.evidence.ns_per_event[one.estimator]
    whole = Evidence(
        first.evidence.facts, first.label, quantities, binnings, tuple(rows), tuple(counts), (), times
    )
    compared: list[Comparison] = []
    sources: dict[str, str] = {}
    for other in others:
        recorded = list(_recorded(first, other, names, kept))
        sources[other.label] = RECORDED if recorded else QUADRATURE
        compared += recorded or _quadrature(whole, first.label, other.label)
    return replace(whole, comparisons=tuple(compared)), sources


def _common(contestants: Sequence[Contestant]) -> tuple[tuple[Quantity, ...], tuple[Binning, ...]]:
    first, *others = (one.evidence for one in contestants)
    known = [{(quantity.name, quantity.unit) for quantity in other.quantities} for other in others]
    quantities = tuple(q for q in first.quantities if all((q.name, q.unit) in names for names in known))
    edges = [{(binning.name, binning.edges) for binning in other.binnings} for other in others]
    binnings = tuple(b for b in first.binnings if all((b.name, b.edges) in these for these in edges))
    return quantities, binnings


def _recorded(
    first: Contestant, other: Contestant, names: set[str], kept: set[tuple[str, float, float]]
) -> Iterator[Comparison]:
    """Ratios of two that were judged together; turned over where the other was the subject."""
    together = next((one for one in (first.evidence, other.evidence) if _judged(one, first, other)), None)
    for c in together.comparisons if together else ():
        if (c.quantity and c.quantity not in names) or (c.binning and (c.binning, c.low, c.high) not in kept):
            continue
        if (c.subject, c.reference) == (first.estimator, other.estimator):
            yield replace(c, subject=first.label, reference=other.label)
        elif (c.subject, c.reference) == (other.estimator, first.estimator):
            turned = [1 / x if x else math.inf for x in (c.ratio, c.ratio_high, c.ratio_low)]
            yield replace(
                c,
                subject=first.label,
                reference=other.label,
                ratio=turned[0],
                ratio_low=turned[1],
                ratio_high=turned[2],
            )


def _judged(evidence: Evidence, first: Contestant, other: Contestant) -> bool:
    """Whether an evidence has a ratio of these two."""
    for one in (first, other):
        same = one.everywhere and one.evidence.facts.sha256 == evidence.facts.sha256
        if not same and one.evidence is not evidence:
            return False
    names = {first.estimator, other.estimator}
    return evidence.subject in names and names <= set(evidence.estimators)


def _quadrature(evidence: Evidence, first: str, other: str) -> Iterator[Comparison]:
    """Ratios of widths with the two errors added in quadrature."""
    z = float(ndtri((1 + LEVEL) / 2))
    theirs = {(r.quantity, r.binning, r.low): r for r in evidence.rows if r.estimator == other}
    for row in evidence.rows:
        if row.estimator != first or (row.quantity, row.binning, row.low) not in theirs:
            continue
        against = theirs[row.quantity, row.binning, row.low].result
        for statistic in ("sigma", "q68"):
            (ours, our_error), (width, error) = (
                (getattr(r, statistic), getattr(r, f"{statistic}_err")) for r in (row.result, against)
            )
            usable = ours > 0 and width > 0
            ratio = ours / width if usable else math.nan
            half = z * ratio * math.hypot(our_error / ours, error / width) if usable else math.nan
            yield Comparison(
                first,
                other,
                row.quantity,
                statistic,
                row.binning,
                row.low,
                row.high,
                ratio,
                ratio - half,
                ratio + half,
                LEVEL,
            )


def paired(
    evidence: Evidence, residuals: Mapping[str, Residuals], replicas: int = REPLICAS, bins: int = BIN_REPLICAS
) -> Evidence:
    """The same with the ratios of a paired bootstrap on residuals of identical events, by label.

    Estimators without residuals keep the ratios that they have. Takes seconds.
    """
    known = {label: residuals[label] for label in evidence.estimators if label in residuals}
    if evidence.subject not in known or len(known) < 2:
        return evidence
    rebuilt = build(
        known,
        evidence.quantities,
        evidence.binnings,
        facts=evidence.facts,
        seed=1,
        subject=evidence.subject,
        replicas=replicas,
        bin_replicas=bins,
    )
    others = tuple(c for c in evidence.comparisons if c.reference not in known)
    return replace(evidence, comparisons=rebuilt.comparisons + others)


def pulls(evidence: Evidence) -> tuple[Pull, ...]:
    """How far all others lie from the subject, in units of the errors of both added in quadrature."""
    subject = {
        (row.quantity, row.binning, row.low): row.result
        for row in evidence.rows
        if row.estimator == evidence.subject
    }
    found = []
    for row in evidence.rows:
        base = subject.get((row.quantity, row.binning, row.low))
        if row.estimator == evidence.subject or base is None:
            continue
        mu, sigma = (
            _pull(
                getattr(row.result, name) - getattr(base, name),
                getattr(row.result, f"{name}_err"),
                getattr(base, f"{name}_err"),
            )
            for name in ("mu", "sigma")
        )
        found.append(Pull(row.estimator, row.quantity, row.binning, row.low, row.high, mu, sigma))
    return tuple(found)


def _pull(difference: float, *errors: float) -> float:
    error = math.hypot(*errors)
    return difference / error if error > 0 else math.nan
