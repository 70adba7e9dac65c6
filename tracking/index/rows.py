"""Conversion of evidence to rows of the index."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from tracking.evidence.resolution import AnyEvidence, Evidence
from tracking.index.records import Estimator, Head, Line, Origin, Ratio, Statistic

__all__ = ["Part", "head", "parts"]

Part = Estimator | Line | Ratio | Statistic
#: Suffixes of metrics that are the error or a limit of another metric.
_SUFFIXES = {"_err": "err", "_low": "low", "_high": "high"}


def head(origin: Origin, evidence: AnyEvidence, number: int = 0) -> Head:
    """Build the row of the evidence itself."""
    facts = evidence.facts
    return Head(
        number,
        origin.run,
        origin.experiment,
        origin.name[:255],
        origin.sample,
        origin.artifact,
        origin.time,
        origin.user[:255],
        origin.commit,
        facts.task,
        evidence.kind,
        evidence.subject,
        evidence.sha256,
        facts.sha256,
        facts.source,
        facts.events,
        facts.objects,
        facts.seed,
    )


def parts(evidence: AnyEvidence, versions: Mapping[str, int], number: int) -> Iterator[Part]:
    """Build the rows that belong to an evidence of any kind.

    A resolution has all its rows, including bins, and the overall ratios. Every kind has its estimators, and
    its metrics ``<estimator>/<quantity>/<statistic>`` without a table of their own.

    Parameters
    ----------
    evidence : AnyEvidence
    versions : mapping of str to int
        Registered versions by estimator.
    number : int
        `Head.id` of the evidence.
    """
    for position, name in enumerate(evidence.estimators):
        yield Estimator(number, name, position, versions.get(name))
    if isinstance(evidence, Evidence):
        yield from _lines(evidence, number)
        yield from _ratios(evidence, number)
        speeds = {f"{name}/ns_per_event": time for name, time in evidence.ns_per_event.items()}
        yield from _statistics(dict(evidence.extra) | speeds, evidence.estimators, number)
    else:
        yield from _statistics(evidence.metrics(), evidence.estimators, number)


def _lines(evidence: Evidence, number: int) -> Iterator[Line]:
    counts = {(c.estimator, c.binning, c.low): c for c in evidence.counts}
    bins = {
        (binning.name, low): place
        for binning in evidence.binnings
        for place, low in enumerate(binning.edges[:-1], start=1)
    }
    for row in evidence.rows:
        count, r = counts[row.estimator, row.binning, row.low], row.result
        shares = (count.efficiency, count.failures)
        yield Line(
            number,
            row.estimator,
            row.quantity,
            row.binning,
            bins.get((row.binning, row.low), 0),
            row.low,
            row.high,
            r.n,
            r.mu,
            r.mu_err,
            r.sigma,
            r.sigma_err,
            r.q68,
            r.q68_err,
            r.rms,
            r.tail,
            r.tail_err,
            *(limit for share in shares for limit in (share.value, share.low, share.high)),
        )


def _ratios(evidence: Evidence, number: int) -> Iterator[Ratio]:
    for c in evidence.comparisons:
        if not c.binning:
            yield Ratio(
                number,
                c.subject,
                c.reference,
                c.quantity,
                c.statistic,
                c.ratio,
                c.ratio_low,
                c.ratio_high,
                c.level,
            )


def _statistics(
    metrics: Mapping[str, float], estimators: tuple[str, ...], number: int
) -> Iterator[Statistic]:
    groups: dict[tuple[str, str, str], dict[str, Any]] = {}
    for name, value in metrics.items():
        base, part = next(
            (
                (name.removesuffix(suffix), part)
                for suffix, part in _SUFFIXES.items()
                if name.endswith(suffix) and name.removesuffix(suffix) in metrics
            ),
            (name, "value"),
        )
        owner, _, rest = base.partition("/")
        owner, rest = (owner, rest) if owner in estimators and rest else ("", base)
        quantity, _, statistic = rest.rpartition("/")
        groups.setdefault((owner, quantity, statistic), {})[part] = value
    for key, values in groups.items():
        numbers = (float(values.get(part, math.nan)) for part in ("value", "err", "low", "high"))
        yield Statistic(number, *key, *numbers)
