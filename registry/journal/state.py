"""Entries of the journal and the state they lead to: champion, baselines, frozen sample."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from typing import Any

__all__ = ["Entry", "State", "moment", "state"]


@dataclass(frozen=True)
class Entry:
    """One entry of the journal.

    Parameters
    ----------
    task : str
        The task.
    number : int
        Position in the chain of the task, from 1.
    time : str
        ISO 8601, UTC.
    actor : str
        User and machine.
    event : {"promote", "rollback", "withdraw", "baseline", "freeze", "look", "import", "override", "release"}
        The kind of event.
    version : int or None
        Version of the registered model that the entry is about.
    previous : int or None
        The previous champion.
    verdict : str
        SHA-256 of the verdict; empty if there is none.
    details : str
        JSON of the rest.
    before, hash : str
        Hash of the previous entry, and of this one.
    """

    task: str
    number: int
    time: str
    actor: str
    event: str
    version: int | None
    previous: int | None
    verdict: str
    details: str
    before: str
    hash: str

    @property
    def more(self) -> dict[str, Any]:
        """The details as values."""
        return json.loads(self.details)

    @property
    def anchor(self) -> str:
        """Short proof of the entry to store elsewhere, see `registry.journal.direct.verify`."""
        return f"{self.number} {self.hash}"


@dataclass(frozen=True)
class State:
    """State of a task after its entries.

    Parameters
    ----------
    champions : tuple of int
        Versions that a rollback can reach, the present champion last; empty before the first promotion.
    baselines : mapping of str to int
        Versions by name.
    frozen : mapping
        Details of the present frozen sample; empty without one.
    looks : int
        Looks at that sample.
    protected : frozenset of int
        Versions that must not be deleted: all present and former champions and baselines that were not
        released.
    """

    champions: tuple[int, ...] = ()
    baselines: Mapping[str, int] = field(default_factory=dict)
    frozen: Mapping[str, Any] = field(default_factory=dict)
    looks: int = 0
    protected: frozenset[int] = frozenset()

    @property
    def champion(self) -> int | None:
        """The present champion."""
        return self.champions[-1] if self.champions else None

    @property
    def previous(self) -> int | None:
        """The champion that a rollback restores."""
        return self.champions[-2] if len(self.champions) > 1 else None


def state(entries: Iterable[Entry], at: datetime | None = None) -> State:
    """Compute the state of one task after all its entries, or after those up to a moment."""
    now = State()
    for entry in entries:
        if at is not None and datetime.fromisoformat(entry.time) > at:
            break
        now = _apply(now, entry)
    return now


def _apply(now: State, entry: Entry) -> State:
    champions, baselines, frozen, looks = now.champions, now.baselines, now.frozen, now.looks
    match entry.event:
        case "promote":
            assert entry.version is not None
            champions = (*champions, entry.version)
        case "rollback":
            assert entry.version is not None
            places = [i for i, version in enumerate(champions[:-1]) if version == entry.version]
            # Without one the journal was tampered with, which `verify` reports.
            champions = champions[: places[-1] + 1] if places else (entry.version,)
        case "withdraw":
            champions = champions[:-1]
        case "baseline":
            assert entry.version is not None
            baselines = {**baselines, entry.more["name"]: entry.version}
        case "override" if entry.more["alias"] == "champion":
            champions = (*champions, entry.version) if entry.version is not None else ()
        case "override":
            assert entry.version is not None
            baselines = {**baselines, entry.more["alias"].removeprefix("baseline-"): entry.version}
        case "freeze":
            frozen, looks = entry.more, 0
        case "look":
            looks += 1
        case "release":
            champions = tuple(version for version in champions if version != entry.version)
    released = {entry.version} if entry.event == "release" else set()
    protected = (now.protected | {*champions, *baselines.values()}) - released
    return State(champions, baselines, frozen, looks, protected)


def moment(text: str) -> datetime:
    """Parse a moment from ISO 8601; a date alone means the end of that day.

    Without a time zone the moment is in UTC.

    Raises
    ------
    ValueError
        If the text is not a date.

    Examples
    --------
    >>> moment("2026-01-31T12:00").isoformat()
    '2026-01-31T12:00:00+00:00'
    >>> moment("2026-01-31").isoformat(timespec="seconds")
    '2026-01-31T23:59:59+00:00'
    """
    date = datetime.fromisoformat(text)
    if len(text) <= len("2026-01-01"):
        date = datetime.combine(date.date(), time.max)
    return date if date.tzinfo else date.replace(tzinfo=UTC)
