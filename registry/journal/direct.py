"""The journal: append-only, hash-chained record of the champions of a task.

Every entry carries the hash of the previous one, so that a changed, inserted or removed entry breaks the
chain from there on. Entries of a task are numbered, and each number is used once: of two processes that
append at the same time, one finds the number used and reads the journal again. The state of a task
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

#: Events that change no champion and need no check.
NOTES = ("baseline", "freeze", "look", "import")

FIRST = "0" * 64
#: Attempts at appending an entry while other processes append too.
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
    """The champion is not the expected one: another process changed it first.

    The text of the exception is shown to users.
    """


@dataclass(frozen=True)
class Journal:
    """The journal in a database.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `tracking.database.opened`.
    actor : str
        Author of new entries; by default the user of this process.
    """

    engine: sa.Engine
    actor: str = ""

    def entries(self, task: str | None = None) -> tuple[Entry, ...]:
        """Return the entries of a task, or of all tasks, in order."""
        with reading(self.engine) as connection:
            return _read(connection, task)

    def tasks(self) -> tuple[str, ...]:
        """Return the tasks that have entries."""
        with reading(self.engine) as connection:
            return tuple(connection.scalars(sa.select(_TABLE.c.task).distinct().order_by(_TABLE.c.task)))

    def state(self, task: str) -> State:
        """Compute the state of a task from its entries."""
        return state(self.entries(task))

    def promote(
        self, task: str, version: int, *, expected: int | None, verdict: str, details: Mapping[str, Any]
    ) -> Entry:
        """Promote `version` to champion if the champion is still the expected one.

        Parameters
        ----------
        expected : int or None
            The champion that the verdict was about; None for none.
        verdict : str
            SHA-256 of the verdict that allows the promotion.

        Raises
        ------
        Conflict
            If there is another champion, or the champion is that version itself.
        """

        def change(now: State) -> dict[str, Any]:
            if now.champion != expected:
                raise Conflict(
                    f"the champion of {task} is {_named(now.champion)}, not {_named(expected)} as when the "
                    f"verdict on version {version} was made: nothing was promoted; judge it again"
                )
            if version == expected:
                raise Conflict(f"version {version} is the champion of {task} already")
            return {"event": "promote", "version": version, "previous": expected, "verdict": verdict}

        return self._append(task, change, details)

    def rollback(
        self, task: str, *, expected: int | None, to: int | None = None, details: Mapping[str, Any]
    ) -> Entry:
        """Restore the previous champion, or an earlier one.

        Raises
        ------
        Conflict
            If the present champion is not the expected one, or there is none to go back to.
        """

        def change(now: State) -> dict[str, Any]:
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

        return self._append(task, change, details)

    def withdraw(self, task: str, version: int, details: Mapping[str, Any]) -> Entry:
        """Withdraw the promotion of an unusable version, even of the first champion.

        Raises
        ------
        Conflict
            If it is no longer the champion.
        """

        def change(now: State) -> dict[str, Any]:
            if now.champion != version:
                raise Conflict(f"the champion of {task} is {_named(now.champion)}, not {_named(version)}")
            return {"event": "withdraw", "version": now.previous, "previous": version, "verdict": ""}

        return self._append(task, change, details)

    def note(
        self, task: str, event: str, version: int | None, details: Mapping[str, Any], verdict: str = ""
    ) -> Entry:
        """Append an entry that changes no champion, one of `NOTES`."""
        if event not in NOTES:
            raise ValueError(f"{event!r} is not an event to note; there are: {', '.join(NOTES)}")
        values = {"event": event, "version": version, "previous": None, "verdict": verdict}
        return self._append(task, lambda now: values, details)

    def override(self, task: str, alias: str, version: int | None, why: str) -> Entry:
        """Set champion or a baseline without a verdict, by decision of an administrator.

        Parameters
        ----------
        alias : str
            ``champion`` or ``baseline-<name>``.
        version : int or None
            None for no champion.
        why : str
            The reason, which is kept for ever.

        Raises
        ------
        ValueError
            If the alias is neither, a baseline gets no version, or there is no reason.
        """
        if alias != "champion" and (version is None or alias.removeprefix("baseline-") in (alias, "")):
            raise ValueError(f"{alias!r} is neither champion nor a baseline-<name> with a version")
        return self._administer(task, "override", version, why, {"alias": alias})

    def release(self, task: str, version: int, why: str) -> Entry:
        """Allow deletion of a former champion or baseline, by decision of an administrator.

        Raises
        ------
        ValueError
            If there is no reason.
        Conflict
            If it is champion or baseline now, or could become so by a rollback.
        """
        return self._administer(task, "release", version, why, {})

    def _administer(
        self, task: str, event: str, version: int | None, why: str, details: Mapping[str, Any]
    ) -> Entry:
        if not why.strip():
            raise ValueError("an override is kept in the journal for ever and needs its reason there")

        def change(now: State) -> dict[str, Any]:
            if event == "release" and version in {now.champion, now.previous, *now.baselines.values()}:
                raise Conflict(f"version {version} is champion, previous champion or baseline of {task}")
            return {"event": event, "version": version, "previous": now.champion, "verdict": ""}

        return self._append(task, change, {**details, "why": why})

    def _append(
        self, task: str, change: Callable[[State], dict[str, Any]], details: Mapping[str, Any]
    ) -> Entry:
        for _ in range(ATTEMPTS):
            try:
                with self.engine.begin() as connection:
                    entries = _read(connection, task)
                    before = state(entries)
                    values = {"actor": self.actor or actor(), **change(before)}
                    entry = _next(task, entries, values, details)
                    connection.execute(sa.insert(_TABLE).values(**asdict(entry)))
            except IntegrityError:
                # The number was used in the meantime, and the change may no longer be allowed.
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
        # Clocks of machines differ, but an entry is never older than the previous one.
        "time": max(now, entries[-1].time) if entries else now,
        **values,
        "details": json.dumps(dict(details), sort_keys=True),
        "before": entries[-1].hash if entries else FIRST,
    }
    return Entry(**content, hash=digest(content))


def digest(content: Mapping[str, Any]) -> str:
    """Compute the SHA-256 of an entry's fields, excluding its own hash."""
    fields = {name: value for name, value in content.items() if name != "hash"}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def verify(entries: Sequence[Entry], anchor: str = "") -> list[str]:
    """Check the entries of one task; return the errors in words.

    Parameters
    ----------
    entries : sequence of Entry
        All entries of a task.
    anchor : str
        ``"<number> <hash>"`` of a former entry, stored elsewhere. Without it, the removal of the last
        entries, or of all, would go unnoticed.
    """
    errors, before = [], FIRST
    for number, entry in enumerate(entries, start=1):
        label = f"entry {entry.number} of {entry.task}"
        if entry.number != number:
            errors.append(f"{label} stands where number {number} should: entries were removed or inserted")
        if entry.before != before:
            errors.append(f"{label} does not follow from the one before it: one of the two was exchanged")
        if entry.hash != digest(asdict(entry)):
            errors.append(f"{label} ({entry.event}, {entry.time}) was changed after it was written")
        before = entry.hash
    if anchor:
        last, _, expected = anchor.partition(" ")
        hashes = {entry.number: entry.hash for entry in entries}
        if hashes.get(int(last)) != expected:
            errors.append(f"the registry remembers an entry {last} that the journal does not have")
    return errors


def actor() -> str:
    """Return the user and the host of this process."""
    user = os.environ.get("MLFLOW_TRACKING_USERNAME") or getpass.getuser()
    return f"{user}@{socket.gethostname()}"[:255]


def _named(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
