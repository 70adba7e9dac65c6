"""Report content of a resolution: widths, answers and ratios, then the same bin by bin."""

from __future__ import annotations

from collections.abc import Iterator

from tracking.evidence.resolution import Evidence
from tracking.report.document import Block, Content
from tracking.report.numbers import MISSING, interval, percent, plain, with_error
from tracking.report.table import ERROR, LIMITS, Cell, Column, Table, between, measured, number, share, table
from tracking.statistics.residuals import Binning, Quantity

__all__ = ["answers", "binned", "binned_failures", "content", "ratios", "resolution"]


def content(evidence: Evidence) -> Content:
    """Build the complete report content."""
    headline = [Block((resolution(evidence),)), Block((answers(evidence),))]
    comparison = ratios(evidence)
    if comparison.rows:
        note = (
            "Ratios below 1 favour the first for widths and failures. Intervals: "
            f"{100 * evidence.comparisons[0].level:.0f} %, paired bootstrap by events."
        )
        headline.append(Block((comparison,), f"{evidence.subject} relative to the others", note))
    details = [
        Block(
            (
                *(binned(evidence, quantity, binning) for quantity in evidence.quantities),
                binned_failures(evidence, binning),
            ),
            f"In bins of {binning.name}",
        )
        for binning in evidence.binnings
    ]
    unfitted = [
        (row.estimator, row.quantity, row.result.reason)
        for row in evidence.rows
        if row.result.reason and not row.binning
    ]
    if unfitted:
        details.append(
            Block((table("Not fitted", ("estimator", "quantity", "why"), unfitted),), "Not fitted")
        )
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
    """Summarise widths and failures of the subject, compared with the best other estimator."""
    subject = evidence.subject
    parts = []
    for quantity in evidence.quantities:
        width = evidence.row(subject, quantity.name)
        unit = f" {quantity.unit}" if quantity.unit else ""
        text = f"σ({quantity.name}) = {with_error(width.sigma, width.sigma_err)}{unit}"
        rival = evidence.best_other(quantity.name)
        if rival:
            ratio = evidence.compared(rival, quantity.name, "sigma")[0]
            text += f", {interval(ratio.ratio, ratio.ratio_low, ratio.ratio_high)} of {rival}"
        parts.append(text)
    count = evidence.count(subject)
    parts.append(f"failures {percent(count.failures.value, count.failures.low, count.failures.high)}")
    parts.append(f"efficiency {percent(count.efficiency.value, count.efficiency.low, count.efficiency.high)}")
    return f"{subject}: " + "; ".join(parts)


def _with_unit(quantity: Quantity) -> str:
    return f"{quantity.name} ({quantity.unit})" if quantity.unit else quantity.name


def resolution(evidence: Evidence) -> Table:
    """Tabulate centre, widths, goodness of fit and tails of all estimators in all quantities."""
    rows = []
    for quantity in evidence.quantities:
        for name in evidence.estimators:
            r = evidence.row(name, quantity.name)
            fit = f"{plain(r.chi2, 3)} / {r.ndf}" if r.ndf > 0 else MISSING
            rows.append(
                (
                    Cell(_with_unit(quantity)),
                    Cell(name),
                    measured(r.mu, r.mu_err),
                    measured(r.sigma, r.sigma_err),
                    measured(r.q68, r.q68_err),
                    number(r.rms),
                    Cell(fit, (r.chi2, float(r.ndf))),
                    share(r.tail, r.tail - r.tail_err, r.tail + r.tail_err),
                )
            )
    columns = (
        Column("quantity"),
        Column("estimator"),
        Column("μ", parts=ERROR),
        Column("σ", parts=ERROR),
        Column("q68", parts=ERROR),
        Column("rms", parts=("",)),
        Column("χ²/ndf", parts=("=chi2", "=ndf")),
        Column("beyond 3σ", parts=LIMITS),
    )
    return Table("Resolution", columns, tuple(rows))


def answers(evidence: Evidence) -> Table:
    """Tabulate efficiency, failures and time of all estimators."""
    rows = []
    for name in evidence.estimators:
        count = evidence.count(name)
        shares = (share(f.value, f.low, f.high) for f in (count.efficiency, count.failures))
        time = evidence.ns_per_event.get(name, float("nan")) / 1000
        text = f"{plain(time, 3)} µs" if time == time else MISSING
        rows.append((Cell(name), *shares, Cell(text, (1000 * time,))))
    columns = (
        Column("estimator"),
        Column("efficiency", parts=LIMITS),
        Column("failures", parts=LIMITS),
        Column("time per event", parts=("_ns",)),
    )
    return Table("Answers", columns, tuple(rows))


def ratios(evidence: Evidence) -> Table:
    """Tabulate ratios of the subject to every other estimator; empty without another."""
    statistics = [(q.name, statistic) for q in evidence.quantities for statistic in ("sigma", "q68")]
    statistics.append(("", "failures"))
    signs = {"sigma": "σ", "q68": "q68", "failures": "failures"}
    rows = []
    for name in evidence.estimators:
        if name != evidence.subject:
            cells = []
            for quantity, statistic in statistics:
                comparisons = evidence.compared(name, quantity, statistic)
                cells.append(
                    between(comparisons[0].ratio, comparisons[0].ratio_low, comparisons[0].ratio_high)
                    if comparisons
                    else Cell(MISSING)
                )
            rows.append((Cell(f"{evidence.subject} / {name}"), *cells))
    columns = (
        Column("ratio"),
        *(
            Column(f"{signs[statistic]} {quantity}".strip(), parts=LIMITS)
            for quantity, statistic in statistics
        ),
    )
    return Table("Ratios", columns, tuple(rows))


def binned(evidence: Evidence, quantity: Quantity, binning: Binning) -> Table:
    """Tabulate the core width of all estimators in a quantity, bin by bin."""
    across = [evidence.bins(name, quantity.name, binning.name) for name in evidence.estimators]
    rows = [
        (_edges(binning, bin_), *(measured(row.result.sigma, row.result.sigma_err) for row in widths))
        for bin_, *widths in zip(_pairs(binning), *across, strict=True)
    ]
    columns = (
        Column(f"σ of {_with_unit(quantity)}"),
        *(Column(name, parts=ERROR) for name in evidence.estimators),
    )
    return Table(f"σ of {quantity.name} in bins of {binning.name}", columns, tuple(rows))


def binned_failures(evidence: Evidence, binning: Binning) -> Table:
    """Tabulate the failures of all estimators, bin by bin."""
    across = [evidence.bin_counts(name, binning.name) for name in evidence.estimators]
    rows = [
        (
            _edges(binning, bin_),
            *(share(c.failures.value, c.failures.low, c.failures.high) for c in counts),
        )
        for bin_, *counts in zip(_pairs(binning), *across, strict=True)
    ]
    columns = (Column("failures"), *(Column(name, parts=LIMITS) for name in evidence.estimators))
    return Table(f"Failures in bins of {binning.name}", columns, tuple(rows))


def _pairs(binning: Binning) -> Iterator[tuple[float, float]]:
    return zip(binning.edges[:-1], binning.edges[1:], strict=True)


def _edges(binning: Binning, edges: tuple[float, float]) -> Cell:
    low, high = (f"{edge:.4g}".replace("-", "−") for edge in edges)
    return Cell(f"{low} – {high} {binning.unit}".strip())
