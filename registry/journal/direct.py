"""The journal: what happened to the champions of a task, append-only and hash-chained.

Every entry carries the hash of the one before it, so that a changed, inserted or removed entry breaks the
chain from there on. Entries of a task are numbered, and a number can be taken once: of two processes that
append at the same time one finds it taken and has to look again. The state of a task
(`registry.journal.state`) is a fold over its entries and is stored nowhere else.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from registry.journal.state import Entry, State, state
from registry.journal.webhook import announce
from tracking.database import reading

__all__ = ["NOTES", "Conflict", "Journal", "actor", "digest", "verify"]

#: Events that change no champion and need nothing but to be written down.
NOTES = ("baseline", "freeze", "look", "import")

FIRST = "0" * 64
#: Attempts at appending a note while others append too.
ATTEMPTS = 100

_TABLE = sa.Table(
    "shashlik_journal",
    sa.MetaData(),
    sa.Column("task", sa.String, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    *(sa.Column(name, sa.String) for name in ("time", "actor", "event")),
    *(sa.Column(name, sa.Integer) for name in ("version", "previous")),
    *(sa.Column(name, sa.String) for name in ("verdict", "details", "before", "hash")),
)


class Conflict(RuntimeError):
    """The champion is not the expected one: somebody else was faster. Its text is what a user reads."""


@dataclass(frozen=True)
class Journal:
    """The journal in a database.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `tracking.database.opened`.
    actor : str
        Who writes; by default the user of this process.
    """

    engine: sa.Engine
    actor: str = ""

    def entries(self, task: str | None = None) -> tuple[Entry, ...]:
        """Entries of a task, or of all tasks, in order."""
        with reading(self.engine) as connection:
            return _read(connection, task)

    def tasks(self) -> tuple[str, ...]:
        """Tasks that have entries."""
        with reading(self.engine) as connection:
            return tuple(connection.scalars(sa.select(_TABLE.c.task).distinct().order_by(_TABLE.c.task)))

    def state(self, task: str) -> State:
        """What the entries of a task come to."""
        return state(self.entries(task))

    def promote(
        self, task: str, version: int, *, expected: int | None, verdict: str, details: Mapping[str, Any]
    ) -> Entry:
        """Make `version` champion, if the champion is still the expected one.

        Parameters
        ----------
        expected : int or None
            The champion that the verdict was about; None for none.
        verdict : str
            SHA-256 of the verdict that allows it.

        Raises
        ------
        Conflict
            If another champion is there, or it is that version itself.
        """

        def wanted(now: State) -> dict[str, Any]:
            if now.champion != expected:
                raise Conflict(
                    f"the champion of {task} is {_named(now.champion)}, not {_named(expected)} as when the "
                    f"verdict on version {version} was made: nothing was promoted; judge it again"
                )
            if version == expected:
                raise Conflict(f"version {version} is the champion of {task} already")
            return {"event": "promote", "version": version, "previous": expected, "verdict": verdict}

        return self._append(task, wanted, details)

    def rollback(
        self, task: str, *, expected: int | None, to: int | None = None, details: Mapping[str, Any]
    ) -> Entry:
        """Make the champion before the present one champion again, or an earlier one.

        Raises
        ------
        Conflict
            If the present champion is not the expected one, or there is none to go back to.
        """

        def wanted(now: State) -> dict[str, Any]:
            if now.champion != expected:
                raise Conflict(f"the champion of {task} is {_named(now.champion)}, not {_named(expected)}")
            if len(now.champions) < 2:
                raise Conflict(f"{task} has had no champion before {_named(now.champion)}: nothing changed")
            if to is not None and to not in now.champions[:-1]:
                raise Conflict(
                    f"version {to} was not champion of {task} before version {now.champion}; "
                    f"there were: {', '.join(map(str, now.champions[:-1]))}"
                )
            version = now.champions[-2] if to is None else to
            return {"event": "rollback", "version": version, "previous": now.champion, "verdict": ""}

        return self._append(task, wanted, details)

    def withdraw(self, task: str, version: int, details: Mapping[str, Any]) -> Entry:
        """Take back the promotion of a version that turned out unusable, also where it was the first.

        Raises
        ------
        Conflict
            If it is not the champion any more.
        """

        def wanted(now: State) -> dict[str, Any]:
            if now.champion != version:
                raise Conflict(f"the champion of {task} is {_named(now.champion)}, not {_named(version)}")
            return {"event": "withdraw", "version": now.previous, "previous": version, "verdict": ""}

        return self._append(task, wanted, details)

    def note(
        self, task: str, event: str, version: int | None, details: Mapping[str, Any], verdict: str = ""
    ) -> Entry:
        """Append an entry that changes no champion, one of `NOTES`."""
        if event not in NOTES:
            raise ValueError(f"{event!r} is not an event to note; there are: {', '.join(NOTES)}")
        values = {"event": event, "version": version, "previous": None, "verdict": verdict}
        return self._append(task, lambda now: values, details)

    def override(self, task: str, alias: str, version: int | None, why: str) -> Entry:
        """Let champion or a baseline be another version without a verdict: an administrator's word.

        Parameters
        ----------
        alias : str
            ``champion`` or ``baseline-<name>``.
        version : int or None
            None for no champion.
        why : str
            The reason; it is kept for ever.

        Raises
        ------
        ValueError
            If the alias is another, a baseline gets no version, or there is no reason.
        """
        if alias != "champion" and (version is None or alias.removeprefix("baseline-") in (alias, "")):
            raise ValueError(f"{alias!r} is neither champion nor a baseline-<name> with a version")
        return self._overruled(task, "override", version, why, {"alias": alias})

    def release(self, task: str, version: int, why: str) -> Entry:
        """Let a version that was champion or baseline be deleted: an administrator's word.

        Raises
        ------
        ValueError
            If there is no reason.
        Conflict
            If it is champion or baseline now, or could become so by a rollback.
        """
        return self._overruled(task, "release", version, why, {})

    def _overruled(
        self, task: str, event: str, version: int | None, why: str, details: Mapping[str, Any]
    ) -> Entry:
        if not why.strip():
            raise ValueError("an override is kept in the journal for ever and needs its reason there")

        def wanted(now: State) -> dict[str, Any]:
            if event == "release" and version in {now.champion, now.previous, *now.baselines.values()}:
                raise Conflict(f"version {version} is champion, previous champion or baseline of {task}")
            return {"event": event, "version": version, "previous": now.champion, "verdict": ""}

        return self._append(task, wanted, {**details, "why": why})

    def _append(
        self, task: str, wanted: Callable[[State], dict[str, Any]], details: Mapping[str, Any]
    ) -> Entry:
        for _ in range(ATTEMPTS):
            try:
                with self.engine.begin() as connection:
                    entries = _read(connection, task)
                    before = state(entries)
                    values = {"actor": self.actor or actor(), **wanted(before)}
                    entry = _next(task, entries, values, details)
                    connection.execute(sa.insert(_TABLE).values(**asdict(entry)))
            except IntegrityError:
                # The number was taken in the meantime; what is wanted may no longer be allowed.
                continue
            announce(entry, before.champion)
            return entry
        raise Conflict(f"the journal of {task} is written to all the time: try again")


def _read(connection: sa.Connection, task: str | None) -> tuple[Entry, ...]:
    query = sa.select(_TABLE).order_by(_TABLE.c.task, _TABLE.c.number)
    if task is not None:
        query = query.where(_TABLE.c.task == task)
    return tuple(Entry(**row._mapping) for row in connection.execute(query))


def _next(
    task: str, entries: Sequence[Entry], values: Mapping[str, Any], details: Mapping[str, Any]
) -> Entry:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    content = {
        "task": task,
        "number": len(entries) + 1,
        # Clocks of several machines differ: an entry is never older than the one before it.
        "time": max(now, entries[-1].time) if entries else now,
        **values,
        "details": json.dumps(dict(details), sort_keys=True),
        "before": entries[-1].hash if entries else FIRST,
    }
    return Entry(**content, hash=digest(content))


def digest(content: Mapping[str, Any]) -> str:
    """SHA-256 of an entry's fields, its own hash left out."""
    fields = {name: value for name, value in content.items() if name != "hash"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def verify(entries: Sequence[Entry], anchor: str = "") -> list[str]:
    """What is wrong with the entries of one task, in words; empty if nothing is.

    Parameters
    ----------
    entries : sequence of Entry
        All of a task.
    anchor : str
        ``"<number> <hash>"`` of an entry that was once there, kept elsewhere: without it nobody could see
        that the last entries, or all of them, are gone.
    """
    found, before = [], FIRST
    for number, entry in enumerate(entries, start=1):
        where = f"entry {entry.number} of {entry.task}"
        if entry.number != number:
            found.append(f"{where} stands where number {number} should: entries were removed or inserted")
        if entry.before != before:
            found.append(f"{where} does not follow from the one before it: one of the two was exchanged")
        if entry.hash != digest(asdict(entry)):
            found.append(f"{where} ({entry.event}, {entry.time}) was changed after it was written")
        before = entry.hash
    if anchor:
        last, _, wanted = anchor.partition(" ")
        kept = {entry.number: entry.hash for entry in entries}
        if kept.get(int(last)) != wanted:
            found.append(f"the registry remembers an entry {last} that the journal does not have")
    return found


def actor() -> str:
    """The user of this process, and the machine."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    return f"{user}@{socket.gethostname()}"[:255]


def _named(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
