"""Combine estimators of several runs into one `Evidence`, which tables and figures can show.

Comparisons are ratios of two widths. If both estimators were evaluated together, their paired
interval is on record. If both stored their residuals of the same events, it can be computed (`paired`).
Otherwise the two errors are added in quadrature, which is conservative on identical events because it
neglects the correlation.
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
#: Replicas of the bootstrap for a page.
REPLICAS, BIN_REPLICAS = 400, 60


@dataclass(frozen=True)
class Contestant:
    """One participating estimator.

    Parameters
    ----------
    label : str
        Its unique name in tables and figures.
    reference : str
        Its name in an address.
    estimator : str
        Its name in the evidence.
    evidence : Evidence
        The source of its numbers.
    run_id : str
        The run of that evidence.
    everywhere : bool
        Whether all evidence on the same sample uses that name, as it does for versions on frozen samples.
    """

    label: str
    reference: str
    estimator: str
    evidence: Evidence
    run_id: str
    everywhere: bool = False


@dataclass(frozen=True)
class Pull:
    """Difference of two numbers in units of their combined error, in one bin; overall without a binning."""

    label: str
    quantity: str
    binning: str
    low: float
    high: float
    mu: float
    sigma: float


def combine(contestants: Sequence[Contestant]) -> tuple[Evidence, dict[str, str]]:
    """Combine all contestants into one evidence with the first as its subject.

    Quantities and binnings are those that all have in common; facts are those of the first.

    Returns
    -------
    tuple of Evidence and dict of str to str
        The evidence, and the origin of its ratios by label: `RECORDED` or `QUADRATURE`.
    """
    first, *others = contestants
    quantities, binnings = _common(contestants)
    bins = {
        (binning.name, low, high)
        for binning in binnings
        for low, high in zip(binning.edges[:-1], binning.edges[1:], strict=True)
    }
    names = {quantity.name for quantity in quantities}
    rows: list[Row] = []
    counts: list[Count] = []
    times: dict[str, float] = {}
    for contestant in contestants:
        rows += [
            replace(row, estimator=contestant.label)
            for row in contestant.evidence.rows
            if row.estimator == contestant.estimator
            and row.quantity in names
            and (not row.binning or (row.binning, row.low, row.high) in bins)
        ]
        counts += [
            replace(count, estimator=contestant.label)
            for count in contestant.evidence.counts
            if count.estimator == contestant.estimator
            and (not count.binning or (count.binning, count.low, count.high) in bins)
        ]
        if contestant.estimator in contestant.evidence.ns_per_event:
            times[contestant.label] = contestant.evidence.ns_per_event[contestant.estimator]
    whole = Evidence(
        first.evidence.facts, first.label, quantities, binnings, tuple(rows), tuple(counts), (), times
    )
    compared: list[Comparison] = []
    sources: dict[str, str] = {}
    for other in others:
        recorded = list(_recorded_ratios(first, other, names, bins))
        sources[other.label] = RECORDED if recorded else QUADRATURE
        compared += recorded or _quadrature_ratios(whole, first.label, other.label)
    return replace(whole, comparisons=tuple(compared)), sources


def _common(contestants: Sequence[Contestant]) -> tuple[tuple[Quantity, ...], tuple[Binning, ...]]:
    first, *others = (contestant.evidence for contestant in contestants)
    units = [{(quantity.name, quantity.unit) for quantity in other.quantities} for other in others]
    quantities = tuple(q for q in first.quantities if all((q.name, q.unit) in names for names in units))
    edges = [{(binning.name, binning.edges) for binning in other.binnings} for other in others]
    binnings = tuple(b for b in first.binnings if all((b.name, b.edges) in common for common in edges))
    return quantities, binnings


def _recorded_ratios(
    first: Contestant, other: Contestant, names: set[str], bins: set[tuple[str, float, float]]
) -> Iterator[Comparison]:
    """Yield ratios of two that were evaluated together, inverted if the other was the subject."""
    together = next(
        (evidence for evidence in (first.evidence, other.evidence) if _has_ratio(evidence, first, other)),
        None,
    )
    for comparison in together.comparisons if together else ():
        if (comparison.quantity and comparison.quantity not in names) or (
            comparison.binning and (comparison.binning, comparison.low, comparison.high) not in bins
        ):
            continue
        if (comparison.subject, comparison.reference) == (first.estimator, other.estimator):
            yield replace(comparison, subject=first.label, reference=other.label)
        elif (comparison.subject, comparison.reference) == (other.estimator, first.estimator):
            inverse = [
                1 / x if x else math.inf
                for x in (comparison.ratio, comparison.ratio_high, comparison.ratio_low)
            ]
            yield replace(
                comparison,
                subject=first.label,
                reference=other.label,
                ratio=inverse[0],
                ratio_low=inverse[1],
                ratio_high=inverse[2],
            )


def _has_ratio(evidence: Evidence, first: Contestant, other: Contestant) -> bool:
    """Return whether an evidence has a ratio of these two."""
    for contestant in (first, other):
        everywhere = contestant.everywhere and contestant.evidence.facts.sha256 == evidence.facts.sha256
        if not everywhere and contestant.evidence is not evidence:
            return False
    names = {first.estimator, other.estimator}
    return evidence.subject in names and names <= set(evidence.estimators)


def _quadrature_ratios(evidence: Evidence, first: str, other: str) -> Iterator[Comparison]:
    """Yield ratios of widths with the two errors added in quadrature."""
    z = float(ndtri((1 + LEVEL) / 2))
    theirs = {(r.quantity, r.binning, r.low): r for r in evidence.rows if r.estimator == other}
    for row in evidence.rows:
        if row.estimator != first or (row.quantity, row.binning, row.low) not in theirs:
            continue
        reference = theirs[row.quantity, row.binning, row.low].result
        for statistic in ("sigma", "q68"):
            (ours, our_error), (width, error) = (
                (getattr(r, statistic), getattr(r, f"{statistic}_err")) for r in (row.result, reference)
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
    """Replace ratios with those of a paired bootstrap on residuals of identical events, by label.

    Estimators without residuals keep their ratios. This takes seconds.
    """
    available = {label: residuals[label] for label in evidence.estimators if label in residuals}
    if evidence.subject not in available or len(available) < 2:
        return evidence
    rebuilt = build(
        available,
        evidence.quantities,
        evidence.binnings,
        facts=evidence.facts,
        seed=1,
        subject=evidence.subject,
        replicas=replicas,
        bin_replicas=bins,
    )
    others = tuple(c for c in evidence.comparisons if c.reference not in available)
    return replace(evidence, comparisons=rebuilt.comparisons + others)


def pulls(evidence: Evidence) -> tuple[Pull, ...]:
    """Compute pulls of all others to the subject, with the errors of both added in quadrature."""
    subject = {
        (row.quantity, row.binning, row.low): row.result
        for row in evidence.rows
        if row.estimator == evidence.subject
    }
    differences = []
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
        differences.append(Pull(row.estimator, row.quantity, row.binning, row.low, row.high, mu, sigma))
    return tuple(differences)


def _pull(difference: float, *errors: float) -> float:
    error = math.hypot(*errors)
    return difference / error if error > 0 else math.nan
