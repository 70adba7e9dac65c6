"""What every journal must do, in a database or behind a server; versions 1 to 9 of the task are there."""

from __future__ import annotations

from typing import Any

import pytest

from registry.journal.direct import Conflict, verify
from registry.journal.state import Entry, State

__all__ = ["VERDICT", "JournalSuite", "promote"]

VERDICT = "ab" * 32


def promote(journal: Any, task: str, version: int, expected: int | None) -> Entry:
    """As the command does: the verdict is noted before."""
    journal.note(task, "look", version, {"decision": "PROMOTE"}, VERDICT)
    return journal.promote(task, version, expected=expected, verdict=VERDICT, details={"why": "better"})


class JournalSuite:
    """Fixtures of a subclass: `journal` and `task`, the name of a task without entries."""

    def test_champions_follow_each_other(self, journal: Any, task: str) -> None:
        assert journal.state(task) == State()
        journal.note(task, "baseline", 1, {"name": "fit"})
        journal.note(task, "freeze", None, {"version": 1, "sha256": "cd" * 32})
        promote(journal, task, 2, None)
        promote(journal, task, 5, 2)
        now = journal.state(task)
        assert (now.champion, now.previous, now.baselines, now.looks) == (5, 2, {"fit": 1}, 2)
        assert now.protected == {1, 2, 5}
        journal.rollback(task, expected=5, details={"why": "wrong"})
        now = journal.state(task)
        assert (now.champion, now.previous) == (2, None)
        assert now.protected == {1, 2, 5}, "what was champion once stays"
        assert verify(journal.entries(task)) == []
        assert task in journal.tasks()
        assert set(journal.entries(task)) <= set(journal.entries())

    def test_a_new_sample_begins_its_own_count(self, journal: Any, task: str) -> None:
        for version in (1, 2):
            journal.note(task, "freeze", None, {"version": version})
            journal.note(task, "look", 7, {})
        now = journal.state(task)
        assert (now.frozen["version"], now.looks) == (2, 1)

    def test_only_the_expected_champion_is_replaced(self, journal: Any, task: str) -> None:
        promote(journal, task, 1, None)
        with pytest.raises(Conflict, match="is version 1, not none"):
            promote(journal, task, 2, None)
        with pytest.raises(Conflict, match="is the champion of"):
            promote(journal, task, 1, 1)
        with pytest.raises(Conflict, match="no champion before version 1"):
            journal.rollback(task, expected=1, details={})
        promote(journal, task, 2, 1)
        with pytest.raises(Conflict, match="version 9 was not champion"):
            journal.rollback(task, expected=2, to=9, details={})
        with pytest.raises(Conflict, match="is version 2, not version 1"):
            journal.rollback(task, expected=1, details={})
        assert journal.state(task).champions == (1, 2)

    def test_rollback_goes_as_far_as_asked(self, journal: Any, task: str) -> None:
        for version, expected in ((1, None), (2, 1), (3, 2)):
            promote(journal, task, version, expected)
        journal.rollback(task, expected=3, to=1, details={})
        assert journal.state(task).champions == (1,)

    def test_a_promotion_is_withdrawn(self, journal: Any, task: str) -> None:
        promote(journal, task, 1, None)
        journal.withdraw(task, 1, {"why": "unusable"})
        assert journal.state(task).champion is None
        with pytest.raises(Conflict, match="is none, not version 1"):
            journal.withdraw(task, 1, {})

    def test_an_override_needs_a_reason_and_is_kept(self, journal: Any, task: str) -> None:
        promote(journal, task, 1, None)
        entry = journal.override(task, "champion", 3, "the gate is wrong, see the minutes")
        assert journal.state(task).champions == (1, 3)
        assert (entry.event, entry.previous) == ("override", 1)
        assert entry.more["why"] == "the gate is wrong, see the minutes"
        journal.override(task, "baseline-fit", 4, "another fit")
        assert journal.state(task).baselines == {"fit": 4}
        journal.override(task, "champion", None, "none of them")
        now = journal.state(task)
        assert now.champion is None
        assert now.protected == {1, 3, 4}
        assert verify(journal.entries(task)) == []

    def test_a_released_version_may_be_lost(self, journal: Any, task: str) -> None:
        for version, expected in ((1, None), (2, 1), (3, 2)):
            promote(journal, task, version, expected)
        for version in (2, 3):
            with pytest.raises(Conflict, match="is champion, previous champion or baseline"):
                journal.release(task, version, "old")
        journal.release(task, 1, "old")
        now = journal.state(task)
        assert now.protected == {2, 3}
        assert now.champions == (2, 3)
