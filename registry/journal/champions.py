"""Journal and aliases as one: what changes a champion is written to the journal, and the aliases follow.

The entry in the journal is the moment at which a champion changes. Whatever stops the program before it
leaves the old champion, whatever stops it after it the new one; the aliases, which only mirror the journal,
are then set by the next command or by `settle`. Behind a Shashlik server it is the server that writes and
lets them follow: it refuses to set them for anybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry.gate.verdict import Verdict
from registry.journal.aliases import CHAMPION, DirectMirror, RemoteMirror, aliases, named
from registry.journal.direct import Conflict, Journal, verify
from registry.journal.remote import RemoteJournal
from registry.journal.state import Entry, State
from registry.models import versions
from tracking.database import locate, opened
from tracking.runs.rest_client import call, remote

__all__ = ["Registry", "direct", "opened_registry"]


@contextmanager
def opened_registry() -> Iterator[Registry]:
    """The registry of the tracking store in use.

    Raises
    ------
    Unreachable
        If there is none.
    """
    if remote():
        yield Registry(RemoteJournal(call), RemoteMirror(call))
    else:
        with opened(locate(versions.store())) as engine:
            yield direct(Journal(engine))


def direct(journal: Journal) -> Registry:
    """The registry of a journal in a database, whose aliases are set from here."""
    return Registry(journal, DirectMirror(journal.state))


@dataclass(frozen=True)
class Registry:
    """Champions, baselines and frozen samples of all tasks.

    Parameters
    ----------
    journal : Journal or RemoteJournal
    mirror : DirectMirror or RemoteMirror
        Lets the aliases follow it.
    """

    journal: Journal | RemoteJournal
    mirror: DirectMirror | RemoteMirror

    def state(self, task: str) -> State:
        """Champion, baselines, frozen sample and looks of a task."""
        return self.journal.state(task)

    def promote(
        self, verdict: Verdict, version: int, expected: int | None, check: Callable[[Path], None]
    ) -> Entry:
        """Make a version champion on the strength of a verdict.

        Parameters
        ----------
        verdict : Verdict
            Must be PROMOTE.
        version : int
            The candidate it is about.
        expected : int or None
            The champion it was compared with.
        check : callable
            Given the files that the alias leads to afterwards; raises if they do not predict as the candidate
            did. The promotion is then taken back.

        Raises
        ------
        Conflict
            If the verdict is another, the champion is not the expected one, or the check fails.
        """
        if not verdict.promoted:
            raise Conflict(f"the verdict on version {version} is {verdict.decision}: nothing was promoted")
        details = {
            "reasons": list(verdict.reasons),
            "sample": verdict.sample_sha256,
            "rule": verdict.rule_sha256,
        }
        entry = self.journal.promote(
            verdict.task, version, expected=expected, verdict=verdict.sha256, details=details
        )
        self.mirror.follow(entry)
        try:
            check(versions.fetch(verdict.task, f"@{CHAMPION}"))
        except Exception as error:
            taken_back = self.journal.withdraw(verdict.task, version, {"why": str(error)})
            self.mirror.follow(taken_back)
            raise Conflict(f"version {version} was withdrawn at once: {error}") from error
        return entry

    def rollback(self, task: str, to: int | None, why: str) -> Entry:
        """Make an earlier champion champion again, by default the one before.

        Raises
        ------
        Conflict
            If there is none, or somebody else changed the champion at the same time.
        """
        now = self.state(task)
        entry = self.journal.rollback(task, expected=now.champion, to=to, details={"why": why})
        self.mirror.follow(entry)
        return entry

    def baseline(self, task: str, name: str, version: int) -> Entry:
        """Make a version the baseline of a name."""
        entry = self.journal.note(task, "baseline", version, {"name": name})
        self.mirror.follow(entry)
        return entry

    def note(
        self, task: str, event: str, version: int | None, details: Mapping[str, Any], verdict: str = ""
    ) -> Entry:
        """Append what changes no champion, see `registry.journal.direct.Journal.note`."""
        entry = self.journal.note(task, event, version, details, verdict)
        self.mirror.remember(entry)
        return entry

    def overrule(self, write: Callable[[Journal | RemoteJournal], Entry]) -> Entry:
        """Append what an administrator decides, see `registry.journal.direct.Journal.override` and
        ``release``.
        """
        try:
            entry = write(self.journal)
        except ValueError as error:
            raise Conflict(str(error)) from error
        self.mirror.follow(entry)
        return entry

    def settle(self, task: str) -> list[str]:
        """Let all aliases follow the journal; returns what was changed, in words."""
        return self.mirror.settle(task)

    def problems(self, task: str) -> list[str]:
        """Where the journal is broken, or aliases do not follow it."""
        found = verify(self.journal.entries(task), versions.anchor(task))
        for name, wanted in aliases(self.state(task)).items():
            there = versions.alias(task, name)
            if there != wanted:
                found.append(f"alias {name} of {task} is {named(there)}, the journal says {named(wanted)}")
        return found
