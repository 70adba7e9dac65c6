"""The page that compares, its files and its figures: all of what is shown is in the address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.responses import HTMLResponse

from registry.server.pages import compare as shown
from registry.server.pages import overview, sources
from registry.server.pages.access import Reader, Reads, samples_of
from registry.server.pages.asked import sample_choices, task_named
from registry.server.pages.combined import PAIRED, QUADRATURE, combine, paired
from registry.server.pages.entrants import Entrant, entrants
from registry.server.pages.look import Refused, download, moment, page
from registry.server.pages.pictures import KINDS, book, drawn, names, picture
from registry.server.pages.routing import pages
from registry.server.stores import index, registry
from registry.state import State
from tracking import tables
from tracking.cells import Cell, Column, Table
from tracking.evidence import Evidence
from tracking.exports import to_csv, to_latex
from tracking.index.records import TEST
from tracking.links import address, run_page
from tracking.recall import Found, look
from tracking.residuals import Residuals
from tracking.runs import CannotRecord

__all__ = ["compare", "figure", "figures", "router", "table"]

router = pages()
#: Runs that are offered, the newest.
OFFERED = 30


@dataclass(frozen=True)
class _Compared:
    """Who is compared, as one evidence, and where its ratios come from."""

    entrants: tuple[Entrant, ...]
    evidence: Evidence
    ratios_from: Mapping[str, str]
    pairs: bool

    @property
    def address(self) -> dict[str, Any]:
        """The query of an address that asks for exactly this, at any time."""
        sample = self.entrants[0].head.sample
        return {
            "item": [one.contestant.reference for one in self.entrants],
            "sample": "" if sample == TEST else sample, "pairs": "yes" if self.pairs else "",
        }  # fmt: skip

    def residuals(self) -> dict[str, Residuals]:
        """Residuals by label, of those who kept them and have the first one's events."""
        found = {}
        for one in self.entrants:
            if one.head.sample_sha256 == self.entrants[0].head.sample_sha256:
                try:
                    table = sources.residuals(one.head)
                except sources.Missing:
                    continue
                if table.sha256 == one.head.sample_sha256 and one.contestant.estimator in table.residuals:
                    found[one.contestant.label] = table.residuals[one.contestant.estimator]
        return found


def _sample(request: Request) -> str:
    sample = request.query_params.get("sample") or TEST
    if len(sample) > 64 or not sample.isprintable():
        raise Refused(400, f"there is no sample {sample[:40]!r}: choose one of the page")
    return sample


def _state(reads: Reader, task: str) -> State:
    return registry().state(task) if reads.journal(task) else State()


def _compared(request: Request, reads: Reader, task: str) -> _Compared | None:
    selection = reads.selection(task, _sample(request))
    found = entrants(index(), selection, request.query_params.getlist("item"), _state(reads, task))
    if not found:
        return None
    kinds = {one.head.kind for one in found}
    if kinds != {"resolution"}:
        raise Refused(
            400, f"evidence of kind {' and '.join(sorted(kinds))} cannot be shown side by side here"
        )
    evidence, ratios_from = combine([one.contestant for one in found])
    if not evidence.quantities:
        raise Refused(400, f"{', '.join(evidence.estimators)} have no quantity in common: compare others")
    made = _Compared(found, evidence, ratios_from, request.query_params.get("pairs") == "yes")
    return _by_pairs(made) if made.pairs else made


def _by_pairs(made: _Compared) -> _Compared:
    """With ratios of a paired bootstrap, which is made once and then remembered."""
    key = (
        "paired",
        *((one.contestant.label, one.contestant.estimator, one.head.sha256) for one in made.entrants),
    )
    known = made.residuals()
    evidence = sources.remembered(key, lambda: paired(made.evidence, known))
    subject = made.evidence.subject in known
    ratios_from = {
        label: PAIRED if subject and label in known else how for label, how in made.ratios_from.items()
    }
    return _Compared(made.entrants, evidence, ratios_from, True)


def _runs(found: tuple[Entrant, ...]) -> dict[str, Found]:
    runs = {}
    for run_id in {one.head.run for one in found}:
        try:
            runs[run_id] = look(run_id)
        except CannotRecord:
            continue
    return runs


@router.get("/compare/{task}")
def compare(request: Request, reads: Reads, task: str) -> HTMLResponse:
    """Choose runs, versions and baselines, and see them side by side."""
    task_named(task)
    samples = samples_of(reads, task)
    made = _compared(request, reads, task)
    chosen = [one.contestant.reference for one in made.entrants] if made else []
    offered, choices = _offered(request, reads, task, chosen)
    values: dict[str, Any] = {
        "samples": sample_choices([one.sample for one in samples]), "sample": _sample(request),
        "chosen": chosen, "offered": offered, "choices": choices,
    }  # fmt: skip
    if made:
        values |= _values(task, made)
    title = " / ".join(made.evidence.estimators) if made else f"Compare runs and versions of {task}"
    return page("compare", title=title, task=task, tab="compare", **values)


def _values(task: str, made: _Compared) -> dict[str, Any]:
    evidence, runs, query = made.evidence, _runs(made.entrants), made.address
    known = made.residuals()
    unpaired = [label for label, how in made.ratios_from.items() if how == QUADRATURE and label in known]
    can_pair = evidence.subject in known and unpaired and not made.pairs
    figures = [
        (name, words, {kind: address("compare", task, "figure", f"{name}.{kind}", **query) for kind in KINDS})
        for name, words in names(evidence, evidence.subject in known).items()
    ]
    return {
        "alarms": shown.alarms(made.entrants), "warnings": list(shown.warnings(made.entrants, runs)),
        "exports": {
            "csv": address("compare", task, "table.csv", **query),
            "tex": address("compare", task, "table.tex", **query),
            "pdf": address("compare", task, "figures.pdf", **query),
        },
        "permanent": address("compare", task, **query), "subject": evidence.subject,
        "pairing": address("compare", task, **{**query, "pairs": "yes"}) if can_pair else "",
        "who": shown.who(task, made.entrants, made.ratios_from), "resolution": tables.resolution(evidence),
        "answers": tables.answers(evidence), "ratios": tables.ratios(evidence),
        "pulled": shown.pull_table(evidence), "figures": figures, "binned": shown.binned(evidence),
        "unkept": [label for label in evidence.estimators if label not in known],
        "differences": shown.differences(made.entrants, runs),
    }  # fmt: skip


def _offered(
    request: Request, reads: Reader, task: str, chosen: list[str]
) -> tuple[list[tuple[str, bool, tuple[Cell, ...]]], Table]:
    """What can be chosen: champion and baselines, the newest runs, and what is chosen already."""
    selection, state = reads.selection(task, _sample(request)), _state(reads, task)
    rows: dict[str, tuple[Cell, ...]] = {}
    roles = {"champion": state.champion} | {f"baseline-{name}": n for name, n in state.baselines.items()}
    for role, number in roles.items():
        if number is not None:
            link = address("model", task, number)
            rows[f"v{number}"] = (Cell(f"v{number}", href=link), Cell(role, mark="badge"), Cell(""), Cell(""))
    for head in overview.newest(index(), selection, OFFERED):
        rows[head.run] = (
            Cell(head.name or head.run[:8], href=run_page(head.experiment, head.run)), Cell(head.subject),
            Cell(moment(head.time)), Cell(head.sample_sha256[:12]),
        )  # fmt: skip
    for reference in chosen:
        rows.setdefault(reference, (Cell(reference), Cell(""), Cell(""), Cell("")))
    columns = (Column("run or version"), Column("is"), Column("made", "UTC"), Column("data"))
    table = Table("Champion, baselines, and the newest runs", columns, tuple(rows.values()))
    return [(reference, reference in chosen, row) for reference, row in rows.items()], table


def _must(request: Request, reads: Reader, task: str) -> _Compared:
    made = _compared(request, reads, task_named(task))
    if made is None:
        raise Refused(400, "nothing is chosen: give item=v1&item=v2")
    return made


@router.get("/compare/{task}/table.{kind}")
def table(request: Request, reads: Reads, task: str, kind: str) -> Response:
    """All tables as CSV or LaTeX."""
    if kind not in ("csv", "tex"):
        raise Refused(404, f"there is no table.{kind[:20]}; there are table.csv and table.tex")
    made = _must(request, reads, task)
    evidence = made.evidence
    found = [
        shown.who(task, made.entrants, made.ratios_from), tables.resolution(evidence),
        tables.answers(evidence), tables.ratios(evidence), shown.pull_table(evidence),
        *shown.binned(evidence), shown.differences(made.entrants, _runs(made.entrants)),
    ]  # fmt: skip
    found = [one for one in found if one.rows]
    if kind == "csv":
        return download(to_csv(found), "text/csv; charset=utf-8", f"compare-{task}.csv")
    told = [f"alarm: {line}" for line in shown.alarms(made.entrants)]
    text = to_latex(found, " ".join([address("compare", task, **made.address), *told]))
    return download(text, "application/x-tex; charset=utf-8", f"compare-{task}.tex")


@router.get("/compare/{task}/figures.pdf")
def figures(request: Request, reads: Reads, task: str) -> Response:
    """All figures, a page each."""
    made = _must(request, reads, task)
    known = made.residuals()
    makes = [
        partial(picture, name, made.evidence, known)
        for name in names(made.evidence, made.evidence.subject in known)
    ]
    if not makes:
        raise Refused(404, "they have no binned variable in common, so there is nothing to draw")
    return download(book(makes), KINDS["pdf"], f"compare-{task}.pdf")


@router.get("/compare/{task}/figure/{name}.{kind}")
def figure(request: Request, reads: Reads, task: str, name: str, kind: str) -> Response:
    """One figure."""
    made = _must(request, reads, task)
    known = made.residuals()
    if kind not in KINDS or name not in names(made.evidence, made.evidence.subject in known):
        raise Refused(404, f"there is no figure {name[:60]!r} as {kind[:10]!r} of these")
    keep = f"{name}-{task}.{kind}" if kind != "svg" else ""
    return download(drawn(partial(picture, name, made.evidence, known), kind), KINDS[kind], keep)
