"""Aliases that mirror the journal: champion, previous champion, baselines."""

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
    """Return whether only the registry may set an alias."""
    return alias in (CHAMPION, PREVIOUS) or alias.startswith(BASELINE)


def aliases(state: State) -> dict[str, int | None]:
    """Return the version that every alias should name."""
    names: dict[str, int | None] = {CHAMPION: state.champion, PREVIOUS: state.previous}
    return names | {f"{BASELINE}{name}": version for name, version in state.baselines.items()}


def named(version: int | None) -> str:
    """Format a version, or none, for a sentence."""
    return "none" if version is None else f"version {version}"


@dataclass(frozen=True)
class DirectMirror:
    """Mirror that sets the aliases itself.

    Parameters
    ----------
    state : callable
        Returns the journal state of a task.
    """

    state: Callable[[str], State]

    def remember(self, entry: Entry) -> None:
        """Store the anchor of an entry on the registered model, see `registry.journal.direct.verify`."""
        versions.set_anchor(entry.task, entry.anchor)

    def follow(self, entry: Entry) -> None:
        """Update anchor and aliases after a new entry."""
        self.remember(entry)
        self.settle(entry.task)

    def settle(self, task: str) -> list[str]:
        """Set all aliases to the state of the journal; return the changes in words.

        Raises
        ------
        Conflict
            If a version that an alias should name was deleted.
        """
        changed: list[str] = []
        while True:
            before = self.state(task)
            for name, expected in aliases(before).items():
                present = versions.alias(task, name)
                if present == expected:
                    continue
                if expected is not None and not versions.exists(task, expected):
                    raise Conflict(
                        f"{name} of {task} should be version {expected}, which was deleted: roll back to "
                        "another, or import it again"
                    )
                versions.set_alias(task, name, expected)
                changed.append(f"alias {name} of {task}: {named(present)} -> {named(expected)}")
            # Another process may have written an entry in the meantime; then set the aliases again.
            if self.state(task) == before:
                return changed


@dataclass(frozen=True)
class RemoteMirror:
    """Mirror behind a server, which updates the aliases before it responds.

    Parameters
    ----------
    call : callable
        `tracking.runs.rest_client.call`.
    """

    call: Callable[..., Any]

    def remember(self, entry: Entry) -> None:
        """Do nothing: the server has stored the anchor."""

    def follow(self, entry: Entry) -> None:
        """Do nothing: the server has updated the aliases."""

    def settle(self, task: str) -> list[str]:
        """See `DirectMirror.settle`."""
        return list(self.call("POST", f"/journal/{quote(task, safe='')}/settle"))
