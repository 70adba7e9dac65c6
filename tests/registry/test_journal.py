"""The journal in a real SQLite and a real PostgreSQL: chained, append-only, and fair to racing processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from journal_suite import VERDICT, JournalSuite
from nursery import Nursery

from registry.journal.aliases import aliases
from registry.journal.champions import direct
from registry.journal.direct import Journal, digest, verify
from registry.journal.state import Entry, moment, state
from registry.models import model_files, versions
from tracking.database import VARIABLE, Unreachable, locate, opened

RACER = Path(__file__).with_name("racer.py")
#: Without the check the first of them shows it; how seldom both are caught half way is for the many.
ROUNDS = (8, pytest.param(60, marks=pytest.mark.slow))


@pytest.fixture
def journal(database: str) -> Iterator[Journal]:
    with opened(database) as engine:
        yield Journal(engine)


def promote(journal: Journal, version: int, expected: int | None) -> Entry:
    return journal.promote("toy", version, expected=expected, verdict=VERDICT, details={"why": "better"})


class TestJournal(JournalSuite):
    """In both databases."""

    @pytest.fixture
    def task(self) -> str:
        return "toy"


@pytest.mark.parametrize(
    ("alias", "version", "why"),
    [
        ("champion", 1, " "),
        ("previous", 1, "why"),
        ("baseline-", 1, "why"),
        ("baseline-fit", None, "why"),
        ("mine", 1, "why"),
    ],
)
def test_what_is_no_override(journal: Journal, alias: str, version: int | None, why: str) -> None:
    with pytest.raises(ValueError, match=r"reason|neither champion nor"):
        journal.override("toy", alias, version, why)
    assert journal.entries() == ()


def test_champion_on_a_date(journal: Journal) -> None:
    entries = [promote(journal, 1, None), promote(journal, 2, 1)]
    days = ["2026-01-01T10:00:00+00:00", "2026-02-01T10:00:00+00:00"]
    dated = [replace(entry, time=day) for entry, day in zip(entries, days, strict=True)]
    wanted = {
        "2025-12-31": None,
        "2026-01-01": 1,
        "2026-01-01T09:59": None,
        "2026-02-01": 2,
        "2026-02-01T11:00+02:00": 1,
    }
    assert {text: state(dated, moment(text)).champion for text in wanted} == wanted
    assert state(journal.entries("toy"), datetime.now(UTC)).champion == 2
    with pytest.raises(ValueError, match="banana"):
        moment("banana")


@pytest.mark.parametrize(
    "statement", ["UPDATE shashlik_journal SET version = 1", "DELETE FROM shashlik_journal"]
)
def test_the_database_itself_refuses_changes(journal: Journal, statement: str) -> None:
    promote(journal, 1, None)
    with pytest.raises(sa.exc.DBAPIError, match="append-only"), journal.engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert journal.state("toy").champion == 1


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE shashlik_journal SET version = 9 WHERE number = 2", "entry 2 of toy (promote"),
        ("UPDATE shashlik_journal SET actor = 'somebody else' WHERE number = 1", "was changed"),
        ("DELETE FROM shashlik_journal WHERE number = 2", "removed or inserted"),
        ("DELETE FROM shashlik_journal WHERE number = 3", "remembers an entry 3"),
        ("DELETE FROM shashlik_journal", "remembers an entry 3"),
    ],
)
def test_tampering_shows(journal: Journal, statement: str, told: str) -> None:
    last = [promote(journal, version, version - 1 or None) for version in (1, 2, 3)][-1]
    assert verify(journal.entries("toy"), last.anchor) == []
    with journal.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for what in ("update", "delete"):
                connection.execute(sa.text(f"DROP TRIGGER shashlik_journal_{what}"))
        else:
            connection.execute(sa.text("ALTER TABLE shashlik_journal DISABLE TRIGGER ALL"))
        connection.execute(sa.text(statement))
    assert any(told in line for line in verify(journal.entries("toy"), last.anchor))


def test_an_exchanged_entry_with_a_right_hash_shows(journal: Journal) -> None:
    """Whoever recomputes the hash of what he changed still breaks the link of the next one."""
    entries = [promote(journal, version, version - 1 or None) for version in (1, 2, 3)]
    forged = replace(entries[1], version=9)
    forged = replace(forged, hash=digest(asdict(forged)))
    assert verify([entries[0], forged, entries[2]]) == [
        "entry 3 of toy does not follow from the one before it: one of the two was exchanged"
    ]


def race(database: str, folder: Path, monkeypatch: pytest.MonkeyPatch, versions: int) -> None:
    """A store with so many versions of the task ``race``, all of the same files."""
    import mlflow
    from mlflow.tracking import MlflowClient

    # First, for mlflow takes the variable away with an address that it was given before.
    mlflow.set_tracking_uri(None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    model = folder / "model"
    model.mkdir()
    (model / "MLmodel").write_text("flavors: {}\n")
    client = MlflowClient()
    client.create_registered_model("race")
    tags = {"model.sha256": model_files.sha256(model)}
    for _ in range(versions):
        client.create_model_version("race", str(model), tags=tags, await_creation_for=None)


@pytest.mark.parametrize("rounds", ROUNDS)
def test_of_two_racing_processes_one_wins(
    stocked: str, nursery: Nursery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rounds: int
) -> None:
    """In each round both try to replace the same champion, or one does and the other rolls it back.

    In the second case both may win, one after the other, and both set aliases. After every round they say
    what the journal says.
    """
    race(stocked, tmp_path, monkeypatch, 3)
    with opened(stocked) as engine:
        registry = direct(Journal(engine))
        racers = [nursery.start(RACER.read_text(), stocked) for _ in range(2)]
        try:
            assert [racer.stdout.readline() for racer in racers] == ["ready\n"] * 2, racers[0].stderr
            for number in range(rounds):
                before = registry.state("race")
                others = [version for version in (1, 2, 3) if version != before.champion][:2]
                calls = [f"promote {version} {before.champion or 0}\n" for version in others]
                if number % 2:
                    calls[number // 2 % 2] = "rollback\n"
                for call, racer in zip(calls, racers, strict=True):
                    racer.stdin.write(call)
                told = [racer.stdout.readline().strip() for racer in racers]
                now = registry.state("race")
                if "rollback\n" not in calls:
                    assert sorted(told) == ["lost", "won"]
                    assert now.champion == others[told.index("won")]
                assert "won" in told
                assert registry.problems("race") == []
                assert {name: versions.alias("race", name) for name in aliases(now)} == aliases(now)
        finally:
            for racer in racers:
                racer.close()
        assert verify(registry.journal.entries("race")) == []


def test_notes_of_racing_processes_are_all_kept(database: str, nursery: Nursery) -> None:
    """Notes expect nothing: who finds the number taken takes the next one."""
    code = (
        "import sys; from tracking.database import opened; from registry.journal.direct import Journal\n"
        "with opened(sys.argv[1]) as engine:\n"
        "    for _ in range(20): Journal(engine).note('toy', 'look', 1, {})"
    )
    writers = [nursery.start(code, database) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0], writers[0].stderr
    for writer in writers:
        writer.close()
    with opened(database) as engine:
        entries = Journal(engine).entries("toy")
    assert len(entries) == 40
    assert verify(entries) == []


def test_where_the_journal_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert locate("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
    assert locate("postgresql+psycopg://a@b/c") == "postgresql+psycopg://a@b/c"
    with pytest.raises(Unreachable, match=VARIABLE):
        locate("http://127.0.0.1:5000")
    monkeypatch.setenv(VARIABLE, "sqlite:///own.db")
    assert locate("http://127.0.0.1:5000") == "sqlite:///own.db"
