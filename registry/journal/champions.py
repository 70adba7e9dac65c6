"""Registry of champions: journal and aliases together.

Every change of a champion is an entry of the journal; the aliases follow. The champion changes at the
moment of the entry. A program that stops before it leaves the old champion, one that stops after it the new
one. The aliases only mirror the journal, and the next command or `settle` sets them. Behind a Shashlik
server it is the server that writes entries and updates aliases; it refuses to set them for anyone else.
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
    """Open the registry of the tracking store in use.

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
    """Create the registry of a journal in a database, with aliases set by this process."""
    return Registry(journal, DirectMirror(journal.state))


@dataclass(frozen=True)
class Registry:
    """Champions, baselines and frozen samples of all tasks.

    Parameters
    ----------
    journal : Journal or RemoteJournal
    mirror : DirectMirror or RemoteMirror
        Updates the aliases from the journal.
    """

    journal: Journal | RemoteJournal
    mirror: DirectMirror | RemoteMirror

    def state(self, task: str) -> State:
        """Return champion, baselines, frozen sample and looks of a task."""
        return self.journal.state(task)

    def promote(
        self, verdict: Verdict, version: int, expected: int | None, check: Callable[[Path], None]
    ) -> Entry:
        """Promote a version to champion on the basis of a verdict.

        Parameters
        ----------
        verdict : Verdict
            Must be PROMOTE.
        version : int
            The candidate of the verdict.
        expected : int or None
            The champion that the candidate was compared with.
        check : callable
            Called with the files that the alias leads to afterwards; raises if they do not predict as the
            candidate did. The promotion is then withdrawn.

        Raises
        ------
        Conflict
            If the verdict is not PROMOTE, the champion is not the expected one, or the check fails.
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
            withdrawal = self.journal.withdraw(verdict.task, version, {"why": str(error)})
            self.mirror.follow(withdrawal)
            raise Conflict(f"version {version} was withdrawn at once: {error}") from error
        return entry

    def rollback(self, task: str, to: int | None, why: str) -> Entry:
        """Restore an earlier champion, by default the previous one.

        Raises
        ------
        Conflict
            If there is none, or another process changed the champion at the same time.
        """
        now = self.state(task)
        entry = self.journal.rollback(task, expected=now.champion, to=to, details={"why": why})
        self.mirror.follow(entry)
        return entry

    def baseline(self, task: str, name: str, version: int) -> Entry:
        """Register a version as the baseline of a name."""
        entry = self.journal.note(task, "baseline", version, {"name": name})
        self.mirror.follow(entry)
        return entry

    def note(
        self, task: str, event: str, version: int | None, details: Mapping[str, Any], verdict: str = ""
    ) -> Entry:
        """Append an entry that changes no champion, see `registry.journal.direct.Journal.note`."""
        entry = self.journal.note(task, event, version, details, verdict)
        self.mirror.remember(entry)
        return entry

    def overrule(self, write: Callable[[Journal | RemoteJournal], Entry]) -> Entry:
        """Append an administrator's entry, see `registry.journal.direct.Journal.override` and
        ``release``.
        """
        try:
            entry = write(self.journal)
        except ValueError as error:
            raise Conflict(str(error)) from error
        self.mirror.follow(entry)
        return entry

    def settle(self, task: str) -> list[str]:
        """Set all aliases to the state of the journal; return the changes in words."""
        return self.mirror.settle(task)

    def problems(self, task: str) -> list[str]:
        """List the errors of the journal, and the aliases that do not follow it."""
        problems = verify(self.journal.entries(task), versions.anchor(task))
        for name, expected in aliases(self.state(task)).items():
            present = versions.alias(task, name)
            if present != expected:
                problems.append(
                    f"alias {name} of {task} is {named(present)}, the journal says {named(expected)}"
                )
        return problems
