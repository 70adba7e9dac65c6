"""Client of the journal behind a server.

Every method is a request, executed there by `registry.journal.direct.Journal`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from registry.journal.direct import Conflict, actor
from registry.journal.state import Entry, State, state
from registry.models import versions
from tracking.evidence.serialization import decode
from tracking.runs.rest_client import Conflicting

__all__ = ["RemoteJournal"]


@dataclass(frozen=True)
class RemoteJournal:
    """The journal of a Shashlik server; a repeated request is written only once.

    Parameters
    ----------
    call : callable
        `tracking.runs.rest_client.call`.
    """

    call: Callable[..., Any]

    def entries(self, task: str | None = None) -> tuple[Entry, ...]:
        """See `Journal.entries`."""
        if task is None:
            return tuple(entry for name in self.tasks() for entry in self.entries(name))
        return tuple(decode(Entry, plain) for plain in self.call("GET", _path(task)))

    def tasks(self) -> tuple[str, ...]:
        """See `Journal.tasks`; only the tasks that the user may read."""
        return tuple(self.call("GET", "/journal"))

    def state(self, task: str) -> State:
        """See `Journal.state`."""
        return state(self.entries(task))

    def promote(
        self, task: str, version: int, *, expected: int | None, verdict: str, details: Mapping[str, Any]
    ) -> Entry:
        """See `Journal.promote`; the server also requires an earlier look with this verdict."""
        fields = {"version": version, "expected": expected, "verdict": verdict}
        return self._write(task, "promote", fields, details)

    def rollback(
        self, task: str, *, expected: int | None, to: int | None = None, details: Mapping[str, Any]
    ) -> Entry:
        """See `Journal.rollback`."""
        return self._write(task, "rollback", {"expected": expected, "to": to}, details)

    def withdraw(self, task: str, version: int, details: Mapping[str, Any]) -> Entry:
        """See `Journal.withdraw`."""
        return self._write(task, "withdraw", {"version": version}, details)

    def note(
        self, task: str, event: str, version: int | None, details: Mapping[str, Any], verdict: str = ""
    ) -> Entry:
        """See `Journal.note`."""
        # The creator of a registered model may manage it: that must be the user, not the server.
        versions.ensure(task)
        fields = {"event": event, "version": version, "verdict": verdict}
        return self._write(task, "note", fields, details)

    def override(self, task: str, alias: str, version: int | None, why: str) -> Entry:
        """See `Journal.override`."""
        return self._write(task, "override", {"alias": alias, "version": version, "why": why}, {})

    def release(self, task: str, version: int, why: str) -> Entry:
        """See `Journal.release`."""
        return self._write(task, "release", {"version": version, "why": why}, {})

    def _write(self, task: str, action: str, fields: Mapping[str, Any], details: Mapping[str, Any]) -> Entry:
        body = {**fields, "details": dict(details), "actor": actor(), "request": uuid4().hex}
        try:
            return decode(Entry, self.call("POST", f"{_path(task)}/{action}", body=body))
        except Conflicting as error:
            raise Conflict(str(error)) from error


def _path(task: str) -> str:
    return f"/journal/{quote(task, safe='')}"
