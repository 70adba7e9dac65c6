"""What is told of a resolution: widths, answers, ratios, then all of it bin by bin."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracking.blocks import Block, Content, Table
from tracking.evidence import Evidence
from tracking.numbers import MISSING, interval, percent, plain, with_error
from tracking.residuals import Binning, Quantity

__all__ = ["content"]


def content(evidence: Evidence) -> Content:
    """All that is told of it."""
    headline = [Block((_resolution(evidence),)), Block((_answers(evidence),))]
    ratios = _ratios(evidence)
    if ratios[1]:
        note = (
            "Ratios below 1 favour the first for widths and failures. Intervals: "
            f"{100 * evidence.comparisons[0].level:.0f} %, paired bootstrap by events."
        )
        headline.append(Block((ratios,), f"{evidence.subject} relative to the others", note))
    details = [
        Block(
            (
                *(_binned(evidence, quantity, binning) for quantity in evidence.quantities),
                _binned_failures(evidence, binning),
            ),
            f"In bins of {binning.name}",
        )
        for binning in evidence.binnings
    ]
    unfitted: list[Sequence[str]] = [
        (row.estimator, row.quantity, row.result.reason)
        for row in evidence.rows
        if row.result.reason and not row.binning
    ]
    if unfitted:
        details.append(Block(((("estimator", "quantity", "why"), unfitted),), "Not fitted"))
    objects = evidence.facts.objects
    return Content(
        _sentence(evidence),
        tuple(headline),
        tuple(details),
        "" if objects == 1 else f" with {objects} objects each",
        "σ and μ: Gaussian fit of the core within ±2σ; q68: half of the central 68.3 %; "
        "failures and efficiency: shares of all objects.",
    )


def _sentence(evidence: Evidence) -> str:
    """The subject's widths, failures, and how it compares with the best other."""
    subject = evidence.subject
    parts = []
    for quantity in evidence.quantities:
        found = evidence.row(subject, quantity.name)
        unit = f" {quantity.unit}" if quantity.unit else ""
        text = f"σ({quantity.name}) = {with_error(found.sigma, found.sigma_err)}{unit}"
        rival = evidence.best_other(quantity.name)
        if rival:
            ratio = evidence.compared(rival, quantity.name, "sigma")[0]
            text += f", {interval(ratio.ratio, ratio.ratio_low, ratio.ratio_high)} of {rival}"
        parts.append(text)
    count = evidence.count(subject)
    parts.append(f"failures {percent(count.failures.value, count.failures.low, count.failures.high)}")
    parts.append(f"efficiency {percent(count.efficiency.value, count.efficiency.low, count.efficiency.high)}")
    return f"{subject}: " + "; ".join(parts)


def _named(quantity: Quantity) -> str:
    return f"{quantity.name} ({quantity.unit})" if quantity.unit else quantity.name


def _resolution(evidence: Evidence) -> Table:
    rows: list[Sequence[str]] = []
    for quantity in evidence.quantities:
        for name in evidence.estimators:
            r = evidence.row(name, quantity.name)
            rows.append(
                (
                    _named(quantity),
                    name,
                    with_error(r.mu, r.mu_err),
                    with_error(r.sigma, r.sigma_err),
                    with_error(r.q68, r.q68_err),
                    plain(r.rms, 3),
                    f"{plain(r.chi2, 3)} / {r.ndf}" if r.ndf > 0 else MISSING,
                    percent(r.tail, r.tail - r.tail_err, r.tail + r.tail_err),
                )
            )
    return ("quantity", "estimator", "μ", "σ", "q68", "rms", "χ²/ndf", "beyond 3σ"), rows


def _answers(evidence: Evidence) -> Table:
    rows: list[Sequence[str]] = []
    for name in evidence.estimators:
        count = evidence.count(name)
        shares = (percent(f.value, f.low, f.high) for f in (count.efficiency, count.failures))
        time = evidence.ns_per_event.get(name, float("nan")) / 1000
        rows.append((name, *shares, f"{plain(time, 3)} µs" if time == time else MISSING))
    return ("estimator", "efficiency", "failures", "time per event"), rows


def _ratios(evidence: Evidence) -> Table:
    columns = [(q.name, statistic) for q in evidence.quantities for statistic in ("sigma", "q68")]
    columns.append(("", "failures"))
    signs = {"sigma": "σ", "q68": "q68", "failures": "failures"}
    rows: list[Sequence[str]] = []
    for name in evidence.estimators:
        if name != evidence.subject:
            found = [evidence.compared(name, *column)[0] for column in columns]
            rows.append(
                (
                    f"{evidence.subject} / {name}",
                    *(interval(c.ratio, c.ratio_low, c.ratio_high) for c in found),
                )
            )
    return ("ratio", *(f"{signs[statistic]} {quantity}".strip() for quantity, statistic in columns)), rows


def _binned(evidence: Evidence, quantity: Quantity, binning: Binning) -> Table:
    columns = [evidence.bins(name, quantity.name, binning.name) for name in evidence.estimators]
    rows = [
        (_edges(binning, bin_), *(with_error(row.result.sigma, row.result.sigma_err) for row in across))
        for bin_, *across in zip(_pairs(binning), *columns, strict=True)
    ]
    return (f"σ of {_named(quantity)}", *evidence.estimators), list(rows)


def _binned_failures(evidence: Evidence, binning: Binning) -> Table:
    columns = [evidence.bin_counts(name, binning.name) for name in evidence.estimators]
    rows = [
        (_edges(binning, bin_), *(percent(c.failures.value, c.failures.low, c.failures.high) for c in across))
        for bin_, *across in zip(_pairs(binning), *columns, strict=True)
    ]
    return ("failures", *evidence.estimators), list(rows)


def _pairs(binning: Binning) -> Iterator[tuple[float, float]]:
    return zip(binning.edges[:-1], binning.edges[1:], strict=True)


def _edges(binning: Binning, edges: tuple[float, float]) -> str:
    low, high = (f"{edge:.4g}".replace("-", "−") for edge in edges)
    return f"{low} – {high} {binning.unit}".strip()
