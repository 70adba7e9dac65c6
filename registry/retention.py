"""Retention plan: select old runs of a task that nothing in the registry depends on.

A search and its trials, or any other nested runs, stay or go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registry.journal.state import Entry, state

__all__ = ["KEEP", "Aged", "Named", "Plan", "plan", "stands_on"]

#: A tag that protects a run.
KEEP = "keep"


@dataclass(frozen=True)
class Aged:
    """A run, as far as retention needs it.

    Parameters
    ----------
    run_id, name, status, parent : str
        As in mlflow; the parent is empty if there is none.
    ended : float
        End of the run, or else its start, in seconds since 1970.
    metrics, tags : mapping of str
    """

    run_id: str
    name: str
    status: str
    parent: str
    ended: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Named:
    """A registered version, as far as retention needs it.

    Parameters
    ----------
    model : str
        The registered model.
    number : int
    run_id : str
    tags : mapping of str to str
    aliases : tuple of str
    """

    model: str
    number: int
    run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Runs to delete and runs to keep.

    Parameters
    ----------
    goes : tuple of Aged
        Runs to delete.
    stays : mapping of str to str
        Reason for each run that is kept, by its id.
    """

    goes: tuple[Aged, ...]
    stays: Mapping[str, str]


def stands_on(task: str, entries: Sequence[Entry], versions: Iterable[Named]) -> dict[str, str]:
    """Return the runs that the registry depends on, with the reasons.

    Parameters
    ----------
    entries : sequence of Entry
        The journal of the task.
    versions : iterable of Named
        Versions of all registered models.
    """
    reasons: dict[str, str] = {}
    protected = state(entries).protected
    evaluated = {
        entry.version for entry in entries if entry.event in ("look", "promote", "rollback", "withdraw")
    }
    evaluated |= {entry.previous for entry in entries}
    for entry in entries:
        # Earlier samples too, as verdicts depend on them.
        if entry.event == "freeze" and (run := entry.more.get("run_id")):
            reasons[run] = f"frozen sample: number {entry.more.get('version')}"
    for version in versions:
        label = f"version {version.number}"
        if version.model != task:
            reasons[version.run_id] = f"registered elsewhere: {label} of {version.model}"
        elif version.number in protected:
            reasons[version.run_id] = f"champion or baseline, now or once: {label}"
        elif version.number in evaluated or "verdict" in version.tags:
            reasons[version.run_id] = f"judged: {label}"
        elif "baseline" in version.tags:
            reasons[version.run_id] = f"registered as baseline: {label}"
        elif version.aliases:
            reasons[version.run_id] = f"has an alias: {label} is {version.aliases[0]}"
    return reasons


def plan(
    runs: Sequence[Aged],
    needed: Mapping[str, str],
    now: float,
    days: float,
    best: int = 0,
    by: Sequence[str] = (),
) -> Plan:
    """Plan which runs to delete and which to keep.

    Parameters
    ----------
    runs : sequence of Aged
        All runs of the task.
    needed : mapping of str to str
        From `stands_on`.
    now : float
        Seconds since 1970.
    days : float
        Runs that ended less than this many days ago stay.
    best : int
        Number of best runs that stay, per metric.
    by : sequence of str
        Metrics that rank runs, smaller being better; the best runs by each of them stay.
    """
    stays = dict(_reasons(runs, needed, now - days * 86400, best, by))
    parents = {run.run_id: run.parent for run in runs}
    roots = {run.run_id: _root(run.run_id, parents) for run in runs}
    survivors = {roots[run_id]: run_id for run_id in stays if run_id in roots}
    for run in runs:
        if run.run_id not in stays and roots[run.run_id] in survivors:
            stays[run.run_id] = f"nested with one that stays: {survivors[roots[run.run_id]]}"
    return Plan(tuple(run for run in runs if run.run_id not in stays), stays)


def _reasons(
    runs: Sequence[Aged], needed: Mapping[str, str], limit: float, best: int, by: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Yield the reasons to keep single runs; the last reason of a run counts."""
    for run in runs:
        if run.ended > limit:
            yield run.run_id, "not that old"
    for metric in by if best else ():
        # A failed run may have incomplete evidence.
        finished = [
            run
            for run in runs
            if run.status == "FINISHED" and math.isfinite(run.metrics.get(metric, math.nan))
        ]
        for rank, run in enumerate(sorted(finished, key=lambda run: run.metrics[metric])[:best], start=1):
            yield run.run_id, f"one of the best: number {rank} by {metric}"
    for run in runs:
        if run.status in ("RUNNING", "SCHEDULED"):
            yield run.run_id, "has not ended"
        if KEEP in run.tags:
            yield run.run_id, f"has the tag {KEEP!r}"
        if run.run_id in needed:
            yield run.run_id, needed[run.run_id]


def _root(run_id: str, parents: Mapping[str, str]) -> str:
    """Return the outermost run around a run; where runs name each other as parents, one of these."""
    ancestors = [run_id]
    while parent := parents.get(ancestors[-1], ""):
        if parent in ancestors:
            return min(ancestors[ancestors.index(parent) :])
        ancestors.append(parent)
    return ancestors[-1]
