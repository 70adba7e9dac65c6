"""The comparison page, its files and its figures; the address holds the whole state of the page."""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from registry.server.pages import index_queries
from registry.server.pages.access import Reader, Reads, samples_of
from registry.server.pages.compare import tables as shown
from registry.server.pages.compare.comparison import (
    Compared,
    Resolutions,
    compared,
    runs,
    sample_asked,
    state_of,
)
from registry.server.pages.compare.figures import KINDS, book, drawn, names, picture
from registry.server.pages.compare.side_by_side import QUADRATURE
from registry.server.pages.page_route import pages
from registry.server.pages.query import sample_choices, task_named
from registry.server.pages.rendering import Refused, download, moment, page
from registry.server.stores import index
from tracking.report import resolution_tables
from tracking.report.exports import to_csv, to_latex
from tracking.report.links import address, run_page
from tracking.report.table import Cell, Column, Table

__all__ = ["compare", "figure", "figures", "router", "table"]

router = pages()
#: Number of newest runs on offer.
OFFERED = 30


@router.get("/compare/{task}")
def compare(request: Request, reads: Reads, task: str) -> HTMLResponse:
    """Select runs, versions and baselines, and show them side by side."""
    samples = samples_of(reads, task_named(task))
    comparison = compared(request, reads, task)
    selected = [entrant.reference for entrant in comparison.entrants] if comparison else []
    offers, choices = _offer(request, reads, task, selected)
    values: dict[str, Any] = {
        "samples": sample_choices([sample.sample for sample in samples]),
        "sample": sample_asked(request),
        "chosen": selected,
        "offered": offers,
        "choices": choices,
    }
    title = f"Compare runs and versions of {task}"
    template = "compare"
    if comparison:
        title = " / ".join(entrant.label for entrant in comparison.entrants)
        values |= _page_values(task, comparison)
        template = "compare_resolutions" if isinstance(comparison, Resolutions) else "compare_others"
    return page(template, title=title, task=task, tab="compare", **values)


def _page_values(task: str, comparison: Compared) -> dict[str, Any]:
    """Return the values of the page: those common to all kinds of evidence, and those of its kind."""
    existing, query = runs(comparison.entrants), comparison.address
    values: dict[str, Any] = {
        "alarms": shown.alarms(comparison.entrants),
        "warnings": list(shown.warnings(comparison.entrants, existing)),
        "csv": address("compare", task, "table.csv", **query),
        "tex": address("compare", task, "table.tex", **query),
        "permanent": address("compare", task, **query),
        "subject": comparison.entrants[0].label,
        "differences": shown.differences(comparison.entrants, existing),
        "pairing": "",
        "pdf": "",
    }
    if isinstance(comparison, Resolutions):
        values["warnings"] += comparison.troubles()
        return values | _resolutions(task, comparison)
    return values | {
        "who": shown.who(task, comparison.entrants, {}),
        "numbers": shown.numbers(comparison.entrants),
        "contents": shown.contents(comparison.entrants),
    }


def _resolutions(task: str, comparison: Resolutions) -> dict[str, Any]:
    evidence, query, residuals = comparison.evidence, comparison.address, comparison.residuals()
    unpaired = any(
        method == QUADRATURE and label in residuals for label, method in comparison.ratios_from.items()
    )
    can_pair = evidence.subject in residuals and unpaired and not comparison.pairs
    drawings = [
        (name, words, {kind: address("compare", task, "figure", f"{name}.{kind}", **query) for kind in KINDS})
        for name, words in names(evidence, evidence.subject in residuals).items()
    ]
    return {
        "pdf": address("compare", task, "figures.pdf", **query),
        "pairing": address("compare", task, **{**query, "pairs": "yes"}) if can_pair else "",
        "who": shown.who(task, comparison.entrants, comparison.ratios_from),
        "resolution": resolution_tables.resolution(evidence),
        "answers": resolution_tables.answers(evidence),
        "ratios": resolution_tables.ratios(evidence),
        "pulled": shown.pull_table(evidence),
        "figures": drawings,
        "binned": shown.binned(evidence),
        "unkept": [label for label in evidence.estimators if label not in residuals],
    }


def _offer(
    request: Request, reads: Reader, task: str, selected: list[str]
) -> tuple[list[tuple[str, bool, tuple[Cell, ...]]], Table]:
    """List the choices: champion and baselines, the newest runs, and the present selection."""
    selection, state = reads.selection(task, sample_asked(request)), state_of(reads, task)
    rows: dict[str, tuple[Cell, ...]] = {}
    roles = {"champion": state.champion} | {f"baseline-{name}": n for name, n in state.baselines.items()}
    for role, number in roles.items():
        if number is not None:
            link = address("model", task, number)
            rows[f"v{number}"] = (Cell(f"v{number}", href=link), Cell(role, mark="badge"), Cell(""), Cell(""))
    for head in index_queries.newest(index(), selection, OFFERED):
        rows[head.run] = (
            Cell(head.name or head.run[:8], href=run_page(head.experiment, head.run)),
            Cell(head.subject),
            Cell(moment(head.time)),
            Cell(head.sample_sha256[:12]),
        )
    for reference in selected:
        rows.setdefault(reference, (Cell(reference), Cell(""), Cell(""), Cell("")))
    columns = (Column("run or version"), Column("is"), Column("made", "UTC"), Column("data"))
    table = Table("Champion, baselines, and the newest runs", columns, tuple(rows.values()))
    return [(reference, reference in selected, row) for reference, row in rows.items()], table


def _require_comparison(request: Request, reads: Reader, task: str) -> Compared:
    comparison = compared(request, reads, task_named(task))
    if comparison is None:
        raise Refused(400, "nothing is chosen: give item=v1&item=v2")
    return comparison


@router.get("/compare/{task}/table.{kind}")
def table(request: Request, reads: Reads, task: str, kind: str) -> Response:
    """Export all tables as CSV or LaTeX."""
    if kind not in ("csv", "tex"):
        raise Refused(404, f"there is no table.{kind[:20]}; there are table.csv and table.tex")
    comparison = _require_comparison(request, reads, task)
    if isinstance(comparison, Resolutions):
        evidence = comparison.evidence
        contents = [
            shown.who(task, comparison.entrants, comparison.ratios_from),
            resolution_tables.resolution(evidence),
            resolution_tables.answers(evidence),
            resolution_tables.ratios(evidence),
            shown.pull_table(evidence),
            *shown.binned(evidence),
        ]
    else:
        contents = [shown.who(task, comparison.entrants, {}), shown.numbers(comparison.entrants)]
    exported = [
        content
        for content in (*contents, shown.differences(comparison.entrants, runs(comparison.entrants)))
        if content.rows
    ]
    if kind == "csv":
        return download(to_csv(exported), "text/csv; charset=utf-8", f"compare-{task}.csv")
    alarms = [f"alarm: {line}" for line in shown.alarms(comparison.entrants)]
    text = to_latex(exported, " ".join([address("compare", task, **comparison.address), *alarms]))
    return download(text, "application/x-tex; charset=utf-8", f"compare-{task}.tex")


def _drawable(request: Request, reads: Reader, task: str) -> tuple[Resolutions, dict[str, Any], list[str]]:
    """Return the resolutions with their residuals, and the names of the figures that can be drawn."""
    comparison = _require_comparison(request, reads, task)
    if not isinstance(comparison, Resolutions):
        raise Refused(404, "figures side by side are drawn of resolutions; see those of the runs")
    residuals = comparison.residuals()
    return comparison, residuals, list(names(comparison.evidence, comparison.evidence.subject in residuals))


@router.get("/compare/{task}/figures.pdf")
def figures(request: Request, reads: Reads, task: str) -> Response:
    """Export all figures as PDF, one page each."""
    comparison, residuals, available = _drawable(request, reads, task)
    if not available:
        raise Refused(404, "they have no binned variable in common, so there is nothing to draw")
    makes = [partial(picture, name, comparison.evidence, residuals) for name in available]
    return download(book(makes), KINDS["pdf"], f"compare-{task}.pdf")


@router.get("/compare/{task}/figure/{name}.{kind}")
def figure(request: Request, reads: Reads, task: str, name: str, kind: str) -> Response:
    """Render one figure."""
    comparison, residuals, available = _drawable(request, reads, task)
    if kind not in KINDS or name not in available:
        raise Refused(404, f"there is no figure {name[:60]!r} as {kind[:10]!r} of these")
    filename = f"{name}-{task}.{kind}" if kind != "svg" else ""
    return download(
        drawn(partial(picture, name, comparison.evidence, residuals), kind), KINDS[kind], filename
    )
