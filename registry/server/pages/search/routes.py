"""Pages of the searches of a task, and of the trials of one search."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from functools import partial

from fastapi import Response
from fastapi.responses import HTMLResponse

from registry.server.pages import artifacts
from registry.server.pages.access import Reader, Reads, samples_of
from registry.server.pages.compare.figures import KINDS, drawn
from registry.server.pages.page_route import pages
from registry.server.pages.query import task_named
from registry.server.pages.rendering import Refused, download, page
from registry.server.pages.search import searches
from registry.server.pages.search.figures import FIGURES, described, figure, linked
from registry.server.pages.search.trials import TrialRow, from_csv, from_runs, table, varied
from tracking.report.exports import to_csv
from tracking.report.links import address, run_page
from tracking.runs.reader import Found, look, nested

__all__ = ["all_searches", "picture", "router", "search", "trials_csv"]

router = pages()
#: Trials in the table of a page; the file has all.
SHOWN = 200


@dataclass(frozen=True)
class _Search:
    """A search with its trials."""

    run: Found
    experiment: str
    trials: tuple[TrialRow, ...]
    importance: dict[str, tuple[float, float]]
    complete: bool

    @property
    def total(self) -> int:
        """Number of trials, including those to come while the search runs."""
        planned = self.run.settings.get("search.trials", "") if self.run.status == "RUNNING" else ""
        return max(len(self.trials), int(planned) if planned.isdecimal() else 0)

    def link(self, trial: TrialRow) -> str:
        """Return the address of a trial's run."""
        return run_page(self.experiment, trial.run_id)


def _search(reads: Reader, task: str, run_id: str) -> _Search:
    task_named(task)
    if not (len(run_id) == 32 and set(run_id) <= set("0123456789abcdef")):
        raise Refused(404, f"{run_id[:40]!r} is no id of a run: 32 hexadecimal digits")
    run = look(run_id)
    experiment = searches.experiment_of(run_id)
    reads.need_experiment(experiment)
    if run.tags.get("task") != task:
        raise Refused(404, f"there is no search {run_id} of {task}")
    try:
        trials = artifacts.read(run_id, "search/trials.csv", lambda content: from_csv(content.decode()))
    except artifacts.Missing:
        return _Search(run, experiment, from_runs(nested(run_id)), {}, False)
    return _Search(run, experiment, trials, _importance(run_id), True)


def _importance(run_id: str) -> dict[str, tuple[float, float]]:
    """Read the importance of settings recorded by the search; empty if it recorded none."""

    def weights(content: bytes) -> dict[str, tuple[float, float]]:
        lines = csv.DictReader(io.StringIO(content.decode()))
        return {line["setting"]: (float(line["importance"]), float(line["scatter"])) for line in lines}

    try:
        return artifacts.read(run_id, "search/importance.csv", weights)
    except artifacts.Missing:
        return {}


@router.get("/searches/{task}")
def all_searches(reads: Reads, task: str) -> HTMLResponse:
    """List all searches of a task."""
    samples_of(reads, task_named(task))
    overview = searches.searches(task, reads.experiments(task))
    return page("searches", title=f"Searches of {task}", task=task, tab="searches", table=overview)


@router.get("/search/{task}/{run_id}")
def search(reads: Reads, task: str, run_id: str) -> HTMLResponse:
    """Show the trials of a search."""
    record = _search(reads, task, run_id)
    done = [trial for trial in record.trials if trial.done]
    pictures = [
        (name, words, {kind: address("search", task, run_id, "figure", f"{name}.{kind}") for kind in KINDS})
        for name, words in FIGURES.items()
        if done and (name != "importance" or record.importance) and (name != "coordinates" or varied(done))
    ]
    return page(
        "search",
        title=f"Search {run_id[:8]} of {task}",
        task=task,
        tab="searches",
        run_id=run_id,
        run=record.run,
        complete=record.complete,
        experiment=record.experiment,
        done=len(done),
        failed=sum(trial.status == "FAILED" for trial in record.trials),
        total=record.total,
        best=min(done, key=lambda trial: trial.objective, default=None),
        described=described,
        link=record.link,
        table=table(record.trials, record.experiment, SHOWN),
        figures=pictures,
        csv=address("search", task, run_id, "trials.csv"),
    )


@router.get("/search/{task}/{run_id}/trials.csv")
def trials_csv(reads: Reads, task: str, run_id: str) -> Response:
    """Export all trials."""
    record = _search(reads, task, run_id)
    text = to_csv([table(record.trials, record.experiment, len(record.trials))])
    return download(text, "text/csv; charset=utf-8", f"search-{run_id[:8]}.csv")


@router.get("/search/{task}/{run_id}/figure/{name}.{kind}")
def picture(reads: Reads, task: str, run_id: str, name: str, kind: str) -> Response:
    """Draw one figure of a search."""
    record = _search(reads, task, run_id)
    done = [trial for trial in record.trials if trial.done]
    if kind not in KINDS or name not in FIGURES or not done:
        raise Refused(404, f"there is no figure {name[:60]!r} as {kind[:10]!r} of this search")
    content = drawn(partial(figure, name, record.trials, record.importance, record.link), kind)
    if kind == "svg":
        content = linked(content, {record.link(trial): described(trial) for trial in done})
    return download(content, KINDS[kind], f"search-{name}.{kind}" if kind != "svg" else "")
