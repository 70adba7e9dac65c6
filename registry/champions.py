"""Journal and aliases as one: what changes a champion is written to the journal, and the aliases follow.

The entry in the journal is the moment at which a champion changes. Whatever stops the program before it
leaves the old champion, whatever stops it after it the new one; the aliases, which only mirror the journal,
are then set by the next command or by `settle`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from registry import versions
from registry.journal import Conflict, Journal, verify
from registry.state import Entry, State
from registry.verdict import Verdict
from tracking.database import locate, opened

__all__ = ["BASELINE", "CHAMPION", "PREVIOUS", "Registry", "aliases", "opened_registry"]

CHAMPION, PREVIOUS, BASELINE = "champion", "previous", "baseline-"


@contextmanager
def opened_registry() -> Iterator[Registry]:
    """The registry of the tracking store in use."""
    with opened(locate(versions.store())) as engine:
        yield Registry(Journal(engine))


@dataclass(frozen=True)
class Registry:
    """Champions, baselines and frozen samples of all tasks."""

    journal: Journal

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
        self._follow(entry)
        try:
            check(versions.fetch(verdict.task, f"@{CHAMPION}"))
        except Exception as error:
            taken_back = self.journal.withdraw(verdict.task, version, {"why": str(error)})
            self._follow(taken_back)
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
        self._follow(entry)
        return entry

    def baseline(self, task: str, name: str, version: int) -> Entry:
        """Make a version the baseline of a name."""
        entry = self.journal.note(task, "baseline", version, {"name": name})
        self._follow(entry)
        return entry

    def note(
        self, task: str, event: str, version: int | None, details: Mapping[str, Any], verdict: str = ""
    ) -> Entry:
        """Append what changes no champion, see `registry.journal.Journal.note`."""
        entry = self.journal.note(task, event, version, details, verdict)
        versions.set_anchor(task, entry.anchor)
        return entry

    def settle(self, task: str) -> list[str]:
        """Let all aliases follow the journal; returns what was changed, in words."""
        changed: list[str] = []
        while True:
            before = self.state(task)
            for name, wanted in aliases(before).items():
                found = versions.alias(task, name)
                if found == wanted:
                    continue
                if wanted is not None and not versions.exists(task, wanted):
                    raise Conflict(
                        f"{name} of {task} should be version {wanted}, which was deleted: roll back to "
                        "another, or import it again"
                    )
                versions.set_alias(task, name, wanted)
                changed.append(f"alias {name} of {task}: {_named(found)} -> {_named(wanted)}")
            # Who set an alias after somebody else's entry sees that entry now, and sets it again.
            if self.state(task) == before:
                return changed

    def problems(self, task: str) -> list[str]:
        """Where the journal is broken, or aliases do not follow it."""
        found = verify(self.journal.entries(task), versions.anchor(task))
        for name, wanted in aliases(self.state(task)).items():
            there = versions.alias(task, name)
            if there != wanted:
                found.append(f"alias {name} of {task} is {_named(there)}, the journal says {_named(wanted)}")
        return found

    def _follow(self, entry: Entry) -> None:
        versions.set_anchor(entry.task, entry.anchor)
        self.settle(entry.task)


def aliases(state: State) -> dict[str, int | None]:
    """What every alias should name."""
    names: dict[str, int | None] = {CHAMPION: state.champion, PREVIOUS: state.previous}
    return names | {f"{BASELINE}{name}": version for name, version in state.baselines.items()}


def _named(version: int | None) -> str:
    return "none" if version is None else f"version {version}"
