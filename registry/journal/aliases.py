"""Aliases as the mirror of the journal: champion, previous champion, baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from registry.journal.direct import Conflict
from registry.journal.state import Entry, State
from registry.models import versions

__all__ = ["BASELINE", "CHAMPION", "PREVIOUS", "DirectMirror", "RemoteMirror", "aliases", "gated", "named"]

CHAMPION, PREVIOUS, BASELINE = "champion", "previous", "baseline-"


def gated(alias: str) -> bool:
    """Whether an alias is the registry's to set."""
    return alias in (CHAMPION, PREVIOUS) or alias.startswith(BASELINE)


def aliases(state: State) -> dict[str, int | None]:
    """What every alias should name."""
    names: dict[str, int | None] = {CHAMPION: state.champion, PREVIOUS: state.previous}
    return names | {f"{BASELINE}{name}": version for name, version in state.baselines.items()}


def named(version: int | None) -> str:
    """A version, or none, in a sentence."""
    return "none" if version is None else f"version {version}"


@dataclass(frozen=True)
class DirectMirror:
    """Sets aliases itself.

    Parameters
    ----------
    state : callable
        What the journal of a task comes to.
    """

    state: Callable[[str], State]

    def remember(self, entry: Entry) -> None:
        """Let the registered model remember an entry, see `registry.journal.direct.verify`."""
        versions.set_anchor(entry.task, entry.anchor)

    def follow(self, entry: Entry) -> None:
        """Let model and aliases follow an entry that was just written."""
        self.remember(entry)
        self.settle(entry.task)

    def settle(self, task: str) -> list[str]:
        """Let all aliases follow the journal; returns what was changed, in words.

        Raises
        ------
        Conflict
            If a version that an alias should name was deleted.
        """
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
                changed.append(f"alias {name} of {task}: {named(found)} -> {named(wanted)}")
            # Who set an alias after somebody else's entry sees that entry now, and sets it again.
            if self.state(task) == before:
                return changed


@dataclass(frozen=True)
class RemoteMirror:
    """Aliases behind a server, which has let them follow an entry by the time that it answers.

    Parameters
    ----------
    call : callable
        `tracking.runs.rest_client.call`.
    """

    call: Callable[..., Any]

    def remember(self, entry: Entry) -> None:
        """The server has done it."""

    def follow(self, entry: Entry) -> None:
        """The server has done it."""

    def settle(self, task: str) -> list[str]:
        """See `DirectMirror.settle`."""
        return list(self.call("POST", f"/journal/{quote(task, safe='')}/settle"))
