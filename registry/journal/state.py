"""Entries of the journal, and what they come to: the champion at any time, baselines, the frozen sample."""

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
        Whose.
    number : int
        Place in the chain of the task, from 1.
    time : str
        ISO 8601, UTC.
    actor : str
        Who, and on which machine.
    event : {"promote", "rollback", "withdraw", "baseline", "freeze", "look", "import", "override", "release"}
        What happened.
    version : int or None
        Version of the registered model that it is about.
    previous : int or None
        The champion before.
    verdict : str
        SHA-256 of the verdict; empty where there is none.
    details : str
        JSON of the rest.
    before, hash : str
        Hash of the entry before, and of this one.
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
        """What to remember of it elsewhere, see `registry.journal.direct.verify`."""
        return f"{self.number} {self.hash}"


@dataclass(frozen=True)
class State:
    """What the entries of a task come to.

    Parameters
    ----------
    champions : tuple of int
        Versions that a rollback can reach, the present champion last; empty before the first promotion.
    baselines : mapping of str to int
        Versions by name.
    frozen : mapping
        Details of the present frozen sample; empty without one.
    looks : int
        Looks at it.
    protected : frozenset of int
        Versions that must not be lost: all that ever were champion or baseline and were not released.
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
        """The champion that a rollback makes champion again."""
        return self.champions[-2] if len(self.champions) > 1 else None


def state(entries: Iterable[Entry], at: datetime | None = None) -> State:
    """The state after all entries of one task, or after those up to a moment."""
    now = State()
    for entry in entries:
        if at is not None and datetime.fromisoformat(entry.time) > at:
            break
        now = _after(now, entry)
    return now


def _after(now: State, entry: Entry) -> State:
    champions, baselines, frozen, looks = now.champions, now.baselines, now.frozen, now.looks
    match entry.event:
        case "promote":
            assert entry.version is not None
            champions = (*champions, entry.version)
        case "rollback":
            assert entry.version is not None
            places = [i for i, version in enumerate(champions[:-1]) if version == entry.version]
            # Only in a journal that was tampered with there is none; `verify` tells so.
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
    kept = (now.protected | {*champions, *baselines.values()}) - released
    return State(champions, baselines, frozen, looks, kept)


def moment(text: str) -> datetime:
    """A moment from ISO 8601; a date alone means the end of that day. Without a zone it is UTC.

    Raises
    ------
    ValueError
        If the text is not a date.
    """
    found = datetime.fromisoformat(text)
    if len(text) <= len("2026-01-01"):
        found = datetime.combine(found.date(), time.max)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
