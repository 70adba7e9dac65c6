"""Which runs of a task may go: those that are old and that nothing in the registry stands on.

A search and its trials, or any other runs that are nested, are kept or go together.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from registry.journal.state import Entry, state

__all__ = ["KEEP", "Aged", "Named", "Plan", "plan", "stands_on"]

#: A tag by which anybody can keep a run.
KEEP = "keep"


@dataclass(frozen=True)
class Aged:
    """A run as retention sees it.

    Parameters
    ----------
    run_id, name, status, parent : str
        As mlflow has them; without a parent empty.
    ended : float
        Seconds since 1970, of its end or, without one, of its start.
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
    """A registered version as retention sees it.

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
    """What goes and what stays.

    Parameters
    ----------
    goes : tuple of Aged
    stays : mapping of str to str
        The reason by the id of a run.
    """

    goes: tuple[Aged, ...]
    stays: Mapping[str, str]


def stands_on(task: str, entries: Sequence[Entry], versions: Iterable[Named]) -> dict[str, str]:
    """Runs that the registry needs, with the reason.

    Parameters
    ----------
    entries : sequence of Entry
        The journal of the task.
    versions : iterable of Named
        Of all registered models.
    """
    found: dict[str, str] = {}
    protected = state(entries).protected
    judged = {
        entry.version for entry in entries if entry.event in ("look", "promote", "rollback", "withdraw")
    }
    judged |= {entry.previous for entry in entries}
    for entry in entries:
        # Earlier samples too: verdicts were given on them.
        if entry.event == "freeze" and (run := entry.more.get("run_id")):
            found[run] = f"frozen sample: number {entry.more.get('version')}"
    for version in versions:
        what = f"version {version.number}"
        if version.model != task:
            found[version.run_id] = f"registered elsewhere: {what} of {version.model}"
        elif version.number in protected:
            found[version.run_id] = f"champion or baseline, now or once: {what}"
        elif version.number in judged or "verdict" in version.tags:
            found[version.run_id] = f"judged: {what}"
        elif "baseline" in version.tags:
            found[version.run_id] = f"registered as baseline: {what}"
        elif version.aliases:
            found[version.run_id] = f"has an alias: {what} is {version.aliases[0]}"
    return found


def plan(
    runs: Sequence[Aged],
    needed: Mapping[str, str],
    now: float,
    days: float,
    best: int = 0,
    by: Sequence[str] = (),
) -> Plan:
    """What goes and what stays.

    Parameters
    ----------
    runs : sequence of Aged
        All of the task.
    needed : mapping of str to str
        From `stands_on`.
    now : float
        Seconds since 1970.
    days : float
        Runs that ended later than so many days ago stay.
    best : int
        How many of the best stay.
    by : sequence of str
        Metrics that make a run good by being small; the best by each of them stay.
    """
    stays = dict(_reasons(runs, needed, now - days * 86400, best, by))
    parents = {run.run_id: run.parent for run in runs}
    roots = {run.run_id: _root(run.run_id, parents) for run in runs}
    kept = {roots[run_id]: run_id for run_id in stays if run_id in roots}
    for run in runs:
        if run.run_id not in stays and roots[run.run_id] in kept:
            stays[run.run_id] = f"nested with one that stays: {kept[roots[run.run_id]]}"
    return Plan(tuple(run for run in runs if run.run_id not in stays), stays)


def _reasons(
    runs: Sequence[Aged], needed: Mapping[str, str], limit: float, best: int, by: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Why runs stay for their own sake; the last reason given for a run is the one that counts."""
    for run in runs:
        if run.ended > limit:
            yield run.run_id, "not that old"
    for metric in by if best else ():
        # Evidence of a run that failed may be half of it.
        having = [
            run
            for run in runs
            if run.status == "FINISHED" and math.isfinite(run.metrics.get(metric, math.nan))
        ]
        for rank, run in enumerate(sorted(having, key=lambda run: run.metrics[metric])[:best], start=1):
            yield run.run_id, f"one of the best: number {rank} by {metric}"
    for run in runs:
        if run.status in ("RUNNING", "SCHEDULED"):
            yield run.run_id, "has not ended"
        if KEEP in run.tags:
            yield run.run_id, f"has the tag {KEEP!r}"
        if run.run_id in needed:
            yield run.run_id, needed[run.run_id]


def _root(run_id: str, parents: Mapping[str, str]) -> str:
    """The outermost run around a run; where runs name each other as parents, one of these."""
    way = [run_id]
    while parent := parents.get(way[-1], ""):
        if parent in way:
            return min(way[way.index(parent) :])
        way.append(parent)
    return way[-1]
