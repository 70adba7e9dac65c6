"""List candidates, champion and history of a task."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from registry.journal.aliases import aliases
from registry.journal.champions import Registry
from registry.journal.direct import verify
from registry.journal.state import Entry, moment, state
from registry.models import lineage, versions
from shashlik.commands.promote import candidates as all_candidates
from shashlik.exceptions import BadInput
from shashlik.task.definition import Task
from tracking.report.numbers import with_error

__all__ = ["candidates", "champion", "history", "table", "verified"]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text in columns."""
    sizes = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = (head, ["-" * size for size in sizes], *rows)
    return "\n".join(
        "  ".join(cell.ljust(n) for cell, n in zip(line, sizes, strict=True)).rstrip() for line in lines
    )


def candidates(registry: Registry, task: Task, everything: bool = False) -> str:
    """List the versions of a task with results on their own test events, verdicts and roles.

    Parameters
    ----------
    everything : bool
        Whether to include baselines.
    """
    listed = versions.listed(task.name) if everything else all_candidates(task.name)
    if not listed:
        return f"{task.name} has no candidate yet: make one with 'mlflow run . -e {task.name}'"
    names: dict[int | None, list[str]] = {}
    for name, number in aliases(registry.state(task.name)).items():
        names.setdefault(number, []).append(name)
    rows, columns = [], task.judgement.columns
    for version in listed:
        metrics = lineage.run_metrics(version.run_id)
        results = []
        for column in columns:
            keys = (f"{version.estimator}/{column.metric}{suffix}" for suffix in ("", "_err"))
            results.append(with_error(*(metrics.get(key, float("nan")) for key in keys)))
        created = f"{datetime.fromtimestamp(version.created, UTC):%Y-%m-%d %H:%M}"
        role = ", ".join(names.get(version.number, []))
        rows.append(
            (
                str(version.number),
                version.estimator,
                created,
                version.run_id,
                *results,
                version.tags.get("verdict", ""),
                role,
            )
        )
    head = ["version", "estimator", "made (UTC)", "run"]
    head += [column.head for column in columns]
    return table((*head, "verdict", "is"), rows)


def champion(registry: Registry, task: Task, at: str | None = None) -> str:
    """Describe the champion, now or at a moment, with date and author of its promotion."""
    entries = registry.journal.entries(task.name)
    when = _moment(at)
    number = state(entries, when).champion
    if number is None:
        return f"{task.name} has no champion" + (f" at {when.isoformat()}" if when else "")
    changes = [
        entry
        for entry in entries
        if entry.version == number
        and entry.event in ("promote", "rollback", "withdraw")
        and (when is None or datetime.fromisoformat(entry.time) <= when)
    ]
    since = changes[-1]
    version = versions.find(task.name, str(number))
    verdict = f", verdict {since.verdict[:12]}" if since.verdict else ""
    return (
        f"{task.name}: version {number} ({version.estimator}, run {version.run_id}), "
        f"champion since {since.time} by {since.actor} ({since.event}{verdict})"
    )


def history(registry: Registry, task: Task, at: str | None = None) -> str:
    """List the entries of the journal, up to a moment if one is given."""
    entries = registry.journal.entries(task.name)
    when = _moment(at)
    if when is not None:
        entries = tuple(entry for entry in entries if datetime.fromisoformat(entry.time) <= when)
    rows = [
        (
            str(entry.number),
            entry.time[:19],
            entry.actor,
            entry.event,
            "" if entry.version is None else str(entry.version),
            "" if entry.previous is None else str(entry.previous),
            entry.verdict[:12],
            "; ".join(_words(entry)),
        )
        for entry in entries
    ]
    if not rows:
        return f"nothing has happened to {task.name}" + (f" before {when.isoformat()}" if when else "")
    text = table(("number", "time (UTC)", "who", "what", "version", "before", "verdict", "more"), rows)
    return f"{champion(registry, task, at)}\n\n{text}" if when else text


def verified(registry: Registry, task: Task) -> list[str]:
    """List the problems with the journal of a task."""
    return verify(registry.journal.entries(task.name), versions.anchor(task.name))


def _moment(text: str | None) -> datetime | None:
    try:
        return moment(text) if text else None
    except ValueError:
        raise BadInput(
            f"at={text!r} is no date; give one like 2026-01-31 or 2026-01-31T12:00+01:00"
        ) from None


def _words(entry: Entry) -> Iterator[str]:
    more = entry.more
    match entry.event:
        case "look":
            yield more["decision"]
        case "freeze":
            yield f"sample {more['version']}, {more['events']} events of {more['source']}"
        case "baseline":
            yield more["name"]
        case "import":
            yield f"version {more['version']} of {more['store']}, bundle {more['manifest'][:12]}"
        case "rollback" | "withdraw":
            yield more.get("why", "")
