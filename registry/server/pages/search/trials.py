"""Trials of a search, from ``search/trials.csv`` of its run, or from the runs so far."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

from tracking.report.links import run_page
from tracking.report.numbers import MISSING, plain
from tracking.report.table import ERROR, Cell, Column, Table, measured, number
from tracking.runs.reader import Found
from tracking.statistics import pareto

__all__ = ["TrialRow", "from_csv", "from_runs", "front", "short", "table", "varied"]

_FIXED = (
    "trial",
    "objective",
    "objective_err",
    "ns_per_event",
    "parameters",
    "seconds",
    "status",
    "failure",
    "run_id",
)
MOST_TRIALS = 20_000


@dataclass(frozen=True)
class TrialRow:
    """One trial; unknown numbers are NaN.

    Parameters
    ----------
    values : dict of str to str
        The varied settings, as written in the source.
    """

    name: str
    values: dict[str, str]
    objective: float
    error: float
    ns_per_event: float
    parameters: float
    seconds: float
    status: str
    failure: str
    run_id: str

    @property
    def done(self) -> bool:
        """True if the trial has an objective."""
        return self.status == "FINISHED" and math.isfinite(self.objective)


def _float(text: str | None) -> float:
    try:
        return float(text) if text else math.nan
    except ValueError:
        return math.nan


def from_csv(text: str) -> tuple[TrialRow, ...]:
    """Parse the trials of ``search/trials.csv``.

    Raises
    ------
    ValueError
        If the text is no such table.
    """
    reader = csv.DictReader(io.StringIO(text))
    if missing := set(_FIXED) - set(reader.fieldnames or ()):
        raise ValueError(f"the table of trials has no {', '.join(sorted(missing))}")
    rows = []
    for line in reader:
        objective, error, speed, size, seconds = (_float(line[name]) for name in _FIXED[1:6])
        values = {name: line[name] or "" for name in reader.fieldnames or () if name not in _FIXED}
        rows.append(
            TrialRow(
                line["trial"] or "",
                values,
                objective,
                error,
                speed,
                size,
                seconds,
                line["status"] or "",
                line["failure"] or "",
                line["run_id"] or "",
            )
        )
    return tuple(rows[:MOST_TRIALS])


def from_runs(found: Sequence[Found]) -> tuple[TrialRow, ...]:
    """Read the trials of an unfinished search from its nested runs."""
    trials = [run for run in found if run.tags.get("trial.kind") == "search"]
    names = [
        name
        for name in (trials[0].settings if trials else ())
        if len({run.settings.get(name, "") for run in trials}) > 1
    ]
    return tuple(
        TrialRow(
            run.tags.get("trial", ""),
            {name: run.settings.get(name, "") for name in names},
            run.metrics.get("objective", math.nan),
            run.metrics.get("objective_err", math.nan),
            run.metrics.get("network/ns_per_event", math.nan),
            run.metrics.get("parameters", math.nan),
            run.seconds,
            run.status,
            run.failure,
            run.run_id,
        )
        for run in trials
    )


def varied(trials: Sequence[TrialRow]) -> list[str]:
    """List the names of the varied settings."""
    return list(trials[0].values) if trials else []


def front(trials: Sequence[TrialRow], cost: str) -> list[TrialRow]:
    """Return the trials of the Pareto front in objective and `cost`, the cheapest first."""
    done = (trial for trial in trials if trial.done)
    return pareto.front(done, lambda trial: getattr(trial, cost), lambda trial: trial.objective)


def table(trials: Sequence[TrialRow], experiment: str, most: int) -> Table:
    """Tabulate the best trials, then those that failed."""
    order = sorted(trials, key=lambda trial: (not trial.done, trial.objective if trial.done else 0.0))
    best = {trial.name for trial in front(trials, "ns_per_event")}
    names = varied(trials)
    rows = []
    for trial in order[:most]:
        name = _float(trial.name)
        rows.append(
            (
                Cell(trial.name, (name,), run_page(experiment, trial.run_id) if trial.run_id else ""),
                measured(trial.objective, trial.error) if trial.done else Cell(MISSING, (math.nan, math.nan)),
                *(
                    Cell(short(trial.values.get(name, "")), (_float(trial.values.get(name)),))
                    for name in names
                ),
                number(trial.ns_per_event / 1000),
                _whole(trial.parameters),
                _whole(trial.seconds),
                Cell("Pareto" if trial.name in best else "", mark="badge")
                if trial.done
                else Cell(trial.failure or trial.status, mark="wrap"),
            )
        )
    columns = (
        Column("trial", parts=("",)),
        Column("objective", parts=ERROR),
        *(Column(name, parts=("",)) for name in names),
        Column("time", "µs/event", ("",)),
        Column("weights", parts=("",)),
        Column("took", "s", ("",)),
        Column("note"),
    )
    return Table("Trials, the best first", columns, tuple(rows))


def _whole(value: float) -> Cell:
    return Cell(f"{value:.0f}" if math.isfinite(value) else MISSING, (value,))


def short(text: str) -> str:
    """Shorten long fractions to four digits, and keep other values as written."""
    value = _float(text)
    return plain(value) if "." in text and math.isfinite(value) else text
