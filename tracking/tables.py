"""Evidence as tables: markdown for the run's description, aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from tracking.cells import ERROR, LIMITS, Cell, Column, Table, between, measured, number, share
from tracking.evidence import Evidence
from tracking.numbers import MISSING, interval, percent, plain, with_error
from tracking.residuals import Binning, Quantity

__all__ = [
    "answers", "binned", "binned_failures", "escaped", "headline", "markdown", "ratios", "resolution",
    "sentence", "terminal",
]  # fmt: skip

_SPECIAL = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*_[|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
_DASHES = str.maketrans({"\n": " ", "\r": " "})


def escaped(text: str) -> str:
    """Text of others that markdown and HTML show as it is, on one line."""
    return text.translate(_DASHES).translate(_SPECIAL)


def sentence(evidence: Evidence) -> str:
    """The result in one line: the subject's widths, failures, and how it compares with the best other."""
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


def terminal(evidence: Evidence) -> str:
    """Headline tables as aligned text."""
    facts = evidence.facts
    blocks = [f"{facts.task}: {facts.events} events of {facts.source}"]
    blocks += [
        _aligned(table)
        for table in (resolution(evidence), answers(evidence), ratios(evidence), _extra(evidence))
    ]
    return "\n\n".join(block for block in blocks if block)


def headline(evidence: Evidence) -> list[str]:
    """Blocks of markdown, the most important first: the result in one line, resolution, answers, ratios."""
    facts = evidence.facts
    objects = "" if facts.objects == 1 else f" with {facts.objects} objects each"
    blocks = [
        f"**{escaped(sentence(evidence))}**",
        _piped(resolution(evidence)),
        _piped(answers(evidence)),
    ]
    compared = ratios(evidence)
    if compared.rows:
        blocks += [
            f"### {escaped(evidence.subject)} relative to the others",
            _piped(compared),
            "Ratios below 1 favour the first for widths and failures. Intervals: "
            f"{100 * evidence.comparisons[0].level:.0f} %, paired bootstrap by events.",
        ]
    if evidence.extra:
        blocks.append(_piped(_extra(evidence)))
    blocks.append(
        f"Judged on {facts.events} events{objects}: {escaped(facts.source)}, sha256 {facts.sha256[:12]}, "
        f"seed {facts.seed}. σ and μ: Gaussian fit of the core within ±2σ; q68: half of the central 68.3 %; "
        "failures and efficiency: shares of all objects."
    )
    return blocks


def markdown(evidence: Evidence) -> str:
    """All tables: the headline, then bin by bin, then what could not be fitted and why."""
    blocks = headline(evidence)
    for binning in evidence.binnings:
        blocks.append(f"### In bins of {escaped(binning.name)}")
        blocks += [_piped(binned(evidence, quantity, binning)) for quantity in evidence.quantities]
        blocks.append(_piped(binned_failures(evidence, binning)))
    notes = [
        f"- {escaped(f'{row.estimator}, {row.quantity}')}: {escaped(row.result.reason)}"
        for row in evidence.rows
        if row.result.reason and not row.binning
    ]
    return "\n\n".join(blocks + (["### Not fitted", "\n".join(notes)] if notes else [])) + "\n"


def _named(quantity: Quantity) -> str:
    return f"{quantity.name} ({quantity.unit})" if quantity.unit else quantity.name


def resolution(evidence: Evidence) -> Table:
    """Centre, widths, goodness of fit and tails of all estimators in all quantities."""
    rows = []
    for quantity in evidence.quantities:
        for name in evidence.estimators:
            r = evidence.row(name, quantity.name)
            fit = f"{plain(r.chi2, 3)} / {r.ndf}" if r.ndf > 0 else MISSING
            rows.append(
                (
                    Cell(_named(quantity)),
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
        Column("quantity"), Column("estimator"), Column("μ", parts=ERROR), Column("σ", parts=ERROR),
        Column("q68", parts=ERROR), Column("rms", parts=("",)), Column("χ²/ndf", parts=("=chi2", "=ndf")),
        Column("beyond 3σ", parts=LIMITS),
    )  # fmt: skip
    return Table("Resolution", columns, tuple(rows))


def _extra(evidence: Evidence) -> Table:
    """The task's own numbers; ``<name>_err`` and a pair of limits stand beside the value they belong to."""
    values = evidence.extra
    rows = []
    for name, value in values.items():
        owner, _, part = name.rpartition("_")
        if part in ("err", "low", "high") and owner in values:
            continue
        if f"{name}_err" in values:
            cell = measured(value, values[f"{name}_err"])
        elif f"{name}_low" in values and f"{name}_high" in values:
            cell = between(value, values[f"{name}_low"], values[f"{name}_high"])
        else:
            cell = number(value, 5)
        rows.append((Cell(name), Cell(cell.text, cell.values[:1])))
    return Table("Numbers of the task's own", (Column("number"), Column("value", parts=("",))), tuple(rows))


def answers(evidence: Evidence) -> Table:
    """Efficiency, failures and time of all estimators."""
    rows = []
    for name in evidence.estimators:
        count = evidence.count(name)
        shares = (share(f.value, f.low, f.high) for f in (count.efficiency, count.failures))
        time = evidence.ns_per_event.get(name, float("nan")) / 1000
        text = f"{plain(time, 3)} µs" if time == time else MISSING
        rows.append((Cell(name), *shares, Cell(text, (1000 * time,))))
    columns = (
        Column("estimator"), Column("efficiency", parts=LIMITS), Column("failures", parts=LIMITS),
        Column("time per event", parts=("_ns",)),
    )  # fmt: skip
    return Table("Answers", columns, tuple(rows))


def ratios(evidence: Evidence) -> Table:
    """The subject over every other estimator; empty where there is no other."""
    wanted = [(q.name, statistic) for q in evidence.quantities for statistic in ("sigma", "q68")]
    wanted.append(("", "failures"))
    signs = {"sigma": "σ", "q68": "q68", "failures": "failures"}
    rows = []
    for name in evidence.estimators:
        if name != evidence.subject:
            cells = []
            for quantity, statistic in wanted:
                found = evidence.compared(name, quantity, statistic)
                cells.append(
                    between(found[0].ratio, found[0].ratio_low, found[0].ratio_high)
                    if found
                    else Cell(MISSING)
                )
            rows.append((Cell(f"{evidence.subject} / {name}"), *cells))
    columns = (
        Column("ratio"),
        *(Column(f"{signs[statistic]} {quantity}".strip(), parts=LIMITS) for quantity, statistic in wanted),
    )
    return Table("Ratios", columns, tuple(rows))


def binned(evidence: Evidence, quantity: Quantity, binning: Binning) -> Table:
    """Core width of all estimators in a quantity, bin by bin."""
    across = [evidence.bins(name, quantity.name, binning.name) for name in evidence.estimators]
    rows = [
        (_edges(binning, bin_), *(measured(row.result.sigma, row.result.sigma_err) for row in found))
        for bin_, *found in zip(_pairs(binning), *across, strict=True)
    ]
    columns = (
        Column(f"σ of {_named(quantity)}"),
        *(Column(name, parts=ERROR) for name in evidence.estimators),
    )
    return Table(f"σ of {quantity.name} in bins of {binning.name}", columns, tuple(rows))


def binned_failures(evidence: Evidence, binning: Binning) -> Table:
    """Failures of all estimators, bin by bin."""
    across = [evidence.bin_counts(name, binning.name) for name in evidence.estimators]
    rows = [
        (
            _edges(binning, bin_),
            *(share(c.failures.value, c.failures.low, c.failures.high) for c in found),
        )
        for bin_, *found in zip(_pairs(binning), *across, strict=True)
    ]
    columns = (Column("failures"), *(Column(name, parts=LIMITS) for name in evidence.estimators))
    return Table(f"Failures in bins of {binning.name}", columns, tuple(rows))


def _pairs(binning: Binning) -> Iterator[tuple[float, float]]:
    return zip(binning.edges[:-1], binning.edges[1:], strict=True)


def _edges(binning: Binning, edges: tuple[float, float]) -> Cell:
    low, high = (f"{edge:.4g}".replace("-", "−") for edge in edges)
    return Cell(f"{low} – {high} {binning.unit}".strip())


def _words(table: Table) -> tuple[list[str], list[list[str]]]:
    return [column.head for column in table.columns], [[cell.text for cell in row] for row in table.rows]


def _piped(table: Table) -> str:
    """Markdown; the en space behind every cell keeps columns apart on pages that give tables no padding."""
    head, rows = _words(table)
    numeric = [bool(rows) and any(mark.isdigit() for mark in rows[0][i]) for i in range(len(head))]
    rule = "|".join("---:" if right else "---" for right in numeric)
    lines = [" | ".join(f"{escaped(cell)}\u2002" for cell in line) for line in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def _aligned(table: Table) -> str:
    head, rows = _words(table)
    if not rows:
        return ""
    sizes = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * size for size in sizes], *rows]
    return "\n".join(
        "  ".join(cell.ljust(size) for cell, size in zip(line, sizes, strict=True)).rstrip() for line in lines
    )
