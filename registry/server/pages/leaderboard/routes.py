"""The leaderboard of a task, as a page and as files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from registry.journal.state import State
from registry.server.pages import artifacts, index_queries
from registry.server.pages.access import Reader, Reads, samples_of
from registry.server.pages.leaderboard.table import Board, Scope, board
from registry.server.pages.page_route import pages
from registry.server.pages.query import PAGE, Asked, asked, sample_choices, task_named
from registry.server.pages.rendering import Refused, download, page
from registry.server.stores import index, registry
from tracking.index.records import TEST, Head, Selection
from tracking.report.exports import to_csv, to_latex
from tracking.report.links import address
from tracking.report.table import Column

__all__ = ["leaderboard", "router", "table"]

router = pages()


@dataclass(frozen=True)
class _View:
    """A board with its query, and the choices of the page."""

    board: Board | None
    ask: Asked
    scope: Scope
    samples: tuple[index_queries.Sampled, ...]


def _view(request: Request, reads: Reader, task: str) -> _View:
    ask, allowed = asked(request.query_params.multi_items()), reads.experiments(task)
    samples = samples_of(reads, task)
    heads = index_queries.newest(index(), Selection(task=task, sample=ask.sample, experiments=allowed))
    if not heads:
        return _View(None, ask, Scope({}), samples)
    scope = _scope(heads[0])
    if not scope.quantities and not ask.order:
        # Larger areas and significances are better.
        ask = replace(ask, order="desc")
    if ask.quantity and ask.quantity not in scope.quantities:
        quantities = ", ".join(scope.quantities) or "none"
        raise Refused(400, f"{task} has no quantity {ask.quantity!r}; there are: {quantities}")
    selection = ask.selection(task, allowed)
    champions = registry().state(task) if reads.journal(task) else State()
    ranking = board(index(), selection, ask, scope, champions)
    return _View(ranking, ask, scope, samples)


def _scope(head: Head) -> Scope:
    """Determine the scope of evidence; without its artifact the index has neither order nor units."""
    statistics = index().statistics([head.id])
    try:
        return Scope.of(artifacts.evidence(head), statistics)
    except artifacts.Missing:
        names = {line.quantity for line in index().lines([head.id], binning="")}
        return Scope(dict.fromkeys(sorted(names), ""), Scope.names(statistics) if not names else ())


@router.get("/leaderboard/{task}")
def leaderboard(request: Request, reads: Reads, task: str) -> HTMLResponse:
    """Show estimators and versions on one sample, the best first."""
    view = _view(request, reads, task_named(task))
    ask, ranking = view.ask, view.board

    def here(**changed: object) -> str:
        return address("leaderboard", task, **ask.query(**changed))

    def link(column: Column) -> str:
        ascending = column.sort == sort and ask.order != "desc"
        return here(sort=column.sort, order="desc" if ascending else "asc", page=1)

    first = next(iter(view.scope.quantities), "")
    sort = ask.sort or (f"{ask.quantity or first}/sigma" if first else "".join(view.scope.statistics[:1]))
    warnings = []
    if ranking and ranking.contents > 1:
        warnings.append(
            f"These rows were judged on {ranking.contents} different samples (column data): numbers of "
            "different samples scatter by their errors, and are not comparable where the events are of "
            "another kind. A frozen sample is the same for all."
        )
    rows = len(ranking.table.rows) if ranking else 0
    values: dict[str, Any] = {
        "samples": sample_choices([sample.sample for sample in view.samples]),
        "quantities": list(view.scope.quantities),
        "ask": ask,
        "sort": sort,
        "link": link,
        "warnings": warnings,
        "board": ranking,
        "before": here(page=ask.page - 1) if ask.page > 1 else "",
        "after": here(page=ask.page + 1) if ranking and ranking.more else "",
        "range": f"{ask.offset + 1} to {ask.offset + rows}" if rows else "",
        "csv": address("leaderboard", task, "table.csv", **ask.query()),
        "tex": address("leaderboard", task, "table.tex", **ask.query()),
        "empty": _empty(task, ask),
    }
    return page("leaderboard", title=f"Leaderboard of {task}", task=task, tab="leaderboard", **values)


def _empty(task: str, ask: Asked) -> str:
    if ask.user or ask.tag or ask.since or ask.until or ask.page > 1:
        return "Nothing is left: reset the filters, or go back a page."
    if ask.sample != TEST:
        return f"Nothing was judged on it yet: 'shashlik promote {task}' judges the newest candidate there."
    return f"No run of {task} has evidence yet: 'mlflow run . -e {task}' makes one."


@router.get("/leaderboard/{task}/table.{kind}")
def table(request: Request, reads: Reads, task: str, kind: str) -> Response:
    """Export the rows of the page as CSV or LaTeX."""
    if kind not in ("csv", "tex"):
        raise Refused(404, f"there is no table.{kind[:20]}; there are table.csv and table.tex")
    ranking = _view(request, reads, task_named(task)).board
    if ranking is None:
        raise Refused(404, "there is nothing to export")
    if kind == "csv":
        return download(to_csv([ranking.table]), "text/csv; charset=utf-8", f"leaderboard-{task}.csv")
    text = to_latex([ranking.table], f"leaderboard of {task}, rows of one page of at most {PAGE}")
    return download(text, "application/x-tex; charset=utf-8", f"leaderboard-{task}.tex")
