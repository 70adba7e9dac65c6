"""The page that compares, its files and its figures: all of what is shown is in the address."""

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
#: Runs that are offered, the newest.
OFFERED = 30


@router.get("/compare/{task}")
def compare(request: Request, reads: Reads, task: str) -> HTMLResponse:
    """Choose runs, versions and baselines, and see them side by side."""
    samples = samples_of(reads, task_named(task))
    made = compared(request, reads, task)
    chosen = [one.reference for one in made.entrants] if made else []
    offered, choices = _offered(request, reads, task, chosen)
    values: dict[str, Any] = {
        "samples": sample_choices([one.sample for one in samples]),
        "sample": sample_asked(request),
        "chosen": chosen,
        "offered": offered,
        "choices": choices,
    }
    title = f"Compare runs and versions of {task}"
    template = "compare"
    if made:
        title = " / ".join(one.label for one in made.entrants)
        values |= _everything(task, made)
        template = "compare_resolutions" if isinstance(made, Resolutions) else "compare_others"
    return page(template, title=title, task=task, tab="compare", **values)


def _everything(task: str, made: Compared) -> dict[str, Any]:
    """What is told of evidence of every kind, and what of its own."""
    known, query = runs(made.entrants), made.address
    values: dict[str, Any] = {
        "alarms": shown.alarms(made.entrants),
        "warnings": list(shown.warnings(made.entrants, known)),
        "csv": address("compare", task, "table.csv", **query),
        "tex": address("compare", task, "table.tex", **query),
        "permanent": address("compare", task, **query),
        "subject": made.entrants[0].label,
        "differences": shown.differences(made.entrants, known),
        "pairing": "",
        "pdf": "",
    }
    if isinstance(made, Resolutions):
        values["warnings"] += made.troubles()
        return values | _resolutions(task, made)
    return values | {
        "who": shown.who(task, made.entrants, {}),
        "numbers": shown.numbers(made.entrants),
        "contents": shown.contents(made.entrants),
    }


def _resolutions(task: str, made: Resolutions) -> dict[str, Any]:
    evidence, query, known = made.evidence, made.address, made.residuals()
    unpaired = any(how == QUADRATURE and label in known for label, how in made.ratios_from.items())
    can_pair = evidence.subject in known and unpaired and not made.pairs
    drawings = [
        (name, words, {kind: address("compare", task, "figure", f"{name}.{kind}", **query) for kind in KINDS})
        for name, words in names(evidence, evidence.subject in known).items()
    ]
    return {
        "pdf": address("compare", task, "figures.pdf", **query),
        "pairing": address("compare", task, **{**query, "pairs": "yes"}) if can_pair else "",
        "who": shown.who(task, made.entrants, made.ratios_from),
        "resolution": resolution_tables.resolution(evidence),
        "answers": resolution_tables.answers(evidence),
        "ratios": resolution_tables.ratios(evidence),
        "pulled": shown.pull_table(evidence),
        "figures": drawings,
        "binned": shown.binned(evidence),
        "unkept": [label for label in evidence.estimators if label not in known],
    }


def _offered(
    request: Request, reads: Reader, task: str, chosen: list[str]
) -> tuple[list[tuple[str, bool, tuple[Cell, ...]]], Table]:
    """What can be chosen: champion and baselines, the newest runs, and what is chosen already."""
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
    for reference in chosen:
        rows.setdefault(reference, (Cell(reference), Cell(""), Cell(""), Cell("")))
    columns = (Column("run or version"), Column("is"), Column("made", "UTC"), Column("data"))
    table = Table("Champion, baselines, and the newest runs", columns, tuple(rows.values()))
    return [(reference, reference in chosen, row) for reference, row in rows.items()], table


def _must(request: Request, reads: Reader, task: str) -> Compared:
    made = compared(request, reads, task_named(task))
    if made is None:
        raise Refused(400, "nothing is chosen: give item=v1&item=v2")
    return made


@router.get("/compare/{task}/table.{kind}")
def table(request: Request, reads: Reads, task: str, kind: str) -> Response:
    """All tables as CSV or LaTeX."""
    if kind not in ("csv", "tex"):
        raise Refused(404, f"there is no table.{kind[:20]}; there are table.csv and table.tex")
    made = _must(request, reads, task)
    if isinstance(made, Resolutions):
        evidence = made.evidence
        own = [
            shown.who(task, made.entrants, made.ratios_from),
            resolution_tables.resolution(evidence),
            resolution_tables.answers(evidence),
            resolution_tables.ratios(evidence),
            shown.pull_table(evidence),
            *shown.binned(evidence),
        ]
    else:
        own = [shown.who(task, made.entrants, {}), shown.numbers(made.entrants)]
    found = [one for one in (*own, shown.differences(made.entrants, runs(made.entrants))) if one.rows]
    if kind == "csv":
        return download(to_csv(found), "text/csv; charset=utf-8", f"compare-{task}.csv")
    told = [f"alarm: {line}" for line in shown.alarms(made.entrants)]
    text = to_latex(found, " ".join([address("compare", task, **made.address), *told]))
    return download(text, "application/x-tex; charset=utf-8", f"compare-{task}.tex")


def _drawable(request: Request, reads: Reader, task: str) -> tuple[Resolutions, dict[str, Any], list[str]]:
    """Resolutions with their residuals, and names of what can be drawn."""
    made = _must(request, reads, task)
    if not isinstance(made, Resolutions):
        raise Refused(404, "figures side by side are drawn of resolutions; see those of the runs")
    known = made.residuals()
    return made, known, list(names(made.evidence, made.evidence.subject in known))


@router.get("/compare/{task}/figures.pdf")
def figures(request: Request, reads: Reads, task: str) -> Response:
    """All figures, a page each."""
    made, known, found = _drawable(request, reads, task)
    if not found:
        raise Refused(404, "they have no binned variable in common, so there is nothing to draw")
    makes = [partial(picture, name, made.evidence, known) for name in found]
    return download(book(makes), KINDS["pdf"], f"compare-{task}.pdf")


@router.get("/compare/{task}/figure/{name}.{kind}")
def figure(request: Request, reads: Reads, task: str, name: str, kind: str) -> Response:
    """One figure."""
    made, known, found = _drawable(request, reads, task)
    if kind not in KINDS or name not in found:
        raise Refused(404, f"there is no figure {name[:60]!r} as {kind[:10]!r} of these")
    keep = f"{name}-{task}.{kind}" if kind != "svg" else ""
    return download(drawn(partial(picture, name, made.evidence, known), kind), KINDS[kind], keep)
