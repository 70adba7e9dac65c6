"""Databases moved and brought up to date: the same rows elsewhere, the same store at another revision."""

from __future__ import annotations

import math
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path

import mlflow
import pytest
import sqlalchemy as sa
from consoles import Shell, console
from mlflow.tracking import MlflowClient
from postgresql import fresh

from tracking.database import opened, transacting
from tracking.storage.databases import new, snapshot
from tracking.storage.mlflow_schemas import TRACKING
from tracking.storage.places import found
from tracking.storage.rows import Count, columns, fill, read, reflected

#: A revision of an earlier mlflow.
THEN = "bf29a5ff90ea"


@pytest.fixture
def shell(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return console(tmp_path, monkeypatch)


@pytest.fixture
def filled(store: str) -> str:
    """A store with runs of all kinds of values."""
    client = MlflowClient()
    experiment = client.create_experiment("of values")
    for number in range(3):
        run = client.create_run(experiment, tags={"text": "σ = 3 'quoted' \\ \n \U0001f600"})
        for step, value in enumerate((1 / 3, -math.inf, math.nan, 1e300, 0.0)):
            client.log_metric(run.info.run_id, "value", value, step=step)
        client.log_param(run.info.run_id, "number", number)
    return store


def values(address: str) -> dict[str, str]:
    """Digests of all tables."""
    digests = {}
    with snapshot(address) as connection:
        for name, table in reflected(connection).items():
            count = Count()
            for line in read(connection, table):
                count.add(line)
            digests[name] = count.digest
    return digests


def test_every_row_moves(filled: str, shell: Shell, postgres: str) -> None:
    address = fresh(postgres)
    with opened(filled):
        pass
    told = shell("migrate", filled, address).output
    assert "all read back and equal; artifacts stay where they are" in told
    assert values(address) == values(filled)
    mlflow.set_tracking_uri(address)
    try:
        client = MlflowClient()
        run = client.search_runs(["1"])[0].info.run_id
        history = [metric.value for metric in client.get_metric_history(run, "value")]
        assert [math.isnan(value) for value in history] == [False, False, True, False, False]
        assert client.create_experiment("next") == "2"
    finally:
        mlflow.set_tracking_uri(None)
    told = shell("migrate", filled, address, code=1).output
    assert "is not empty" in told


def test_what_does_not_fit_moves_nothing(filled: str, shell: Shell, postgres: str) -> None:
    """SQLite takes texts of any length and any character."""
    address = fresh(postgres)
    with transacting(filled) as engine, engine.begin() as connection:
        connection.exec_driver_sql("UPDATE params SET value = 'a' || char(0) || 'b'")
    told = shell("migrate", filled, address, code=1).output
    assert (
        "shashlik: the table params does not take its rows: PostgreSQL text fields cannot contain NUL" in told
    )
    with snapshot(address) as connection:
        assert sa.inspect(connection).get_table_names() == []


def test_interrupted_on_the_way_nothing_moved(
    filled: str, postgres: str, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All is in one transaction, that of the tables too."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    address = fresh(postgres)
    with monkeypatch.context() as stopped:
        stopped.setattr("tracking.storage.databases.set_sequences", interrupted)
        shell("migrate", filled, address, code=130)
    with snapshot(address) as connection:
        assert sa.inspect(connection).get_table_names() == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("migrate", "http://127.0.0.1:1", "sqlite:///x.db"), "is no database; give an address like"),
        (("migrate", "sqlite:///nowhere.db", "sqlite:///x.db"), "there is no database nowhere.db"),
        (
            ("migrate", "sqlite:///text.db", "sqlite:///x.db"),
            "text.db cannot be copied (file is not a database): is it a SQLite database",
        ),
        (("migrate", "sqlite:///empty.db", "sqlite:///x.db"), "has no tables of mlflow"),
        (("backup", "x", "--store", "postgresql+psycopg://u:secret@127.0.0.1:9/x"), "does not answer"),
    ],
)
def test_wrong_addresses(shell: Shell, words: tuple[str, ...], told: str) -> None:
    Path("text.db").write_text("no database" * 100)
    Path("empty.db").touch()
    output = shell(*words, code=1).output
    assert told in output
    assert output.count("\n") == 1
    assert "secret" not in output
    assert not list(Path().glob("x*"))


def test_values_survive_both_databases(tmp_path: Path, postgres: str) -> None:
    """From SQLite to PostgreSQL and back, to the bit; JSON's null is not an absent value."""
    metadata = sa.MetaData()
    table = sa.Table(
        "kinds",
        metadata,
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("f", sa.Float(53)),
        sa.Column("b", sa.Boolean),
        sa.Column("x", sa.LargeBinary),
        sa.Column("j", sa.JSON(none_as_null=True)),
        sa.Column("d", sa.Date),
        sa.Column("moment", sa.DateTime),
        sa.Column("i", sa.BigInteger),
        sa.Column("twice", sa.BigInteger, sa.Computed("2 * id", persisted=True)),
    )
    rows = [
        {
            "id": 1,
            "f": 0.1,
            "b": True,
            "x": b"\x00\xff",
            "j": {"a": [1, None]},
            "d": date(2026, 1, 2),
            "moment": datetime(2026, 1, 2, 3, 4, 5, 6),
            "i": 2**62,
        },
        {"id": 2, "f": 5.0, "b": False, "x": b"", "j": sa.JSON.NULL, "d": None, "moment": None, "i": -1},
        {"id": 3, "f": None, "b": None, "x": None, "j": None, "d": None, "moment": None, "i": None},
    ]
    addresses = [f"sqlite:///{tmp_path}/a.db", fresh(postgres), f"sqlite:///{tmp_path}/b.db"]
    with new(addresses[0]) as connection:
        metadata.create_all(connection)
        for row in rows:
            connection.execute(sa.insert(table).values(row))
    for source, target in pairwise(addresses):
        with snapshot(source) as before, new(target) as after:
            metadata.create_all(after)
            there = reflected(before)["kinds"]
            names = [column.name for column in columns(there)]
            assert "twice" not in names
            fill(after, reflected(after)["kinds"], names, read(before, there))
    assert values(addresses[0]) == values(addresses[1]) == values(addresses[2])
    with snapshot(addresses[1]) as connection:
        back = connection.execute(sa.select(table, sa.cast(table.c.j, sa.Text).label("raw"))).all()
    assert [row.raw for row in back] == ['{"a": [1, null]}', "null", None]
    assert back[0].moment == rows[0]["moment"]
    assert back[0].twice == 2


def test_digests_do_not_depend_on_the_order() -> None:
    counts = Count(), Count(), Count()
    for count, lines in zip(counts, (["a", "b", "a"], ["a", "a", "b"], ["a", "b", "b"]), strict=True):
        for line in lines:
            count.add(line)
    assert counts[0] == counts[1]
    assert counts[0].digest != counts[2].digest


@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def test_an_old_store_is_brought_up_to_date(
    tmp_path: Path, shell: Shell, kind: str, request: pytest.FixtureRequest
) -> None:
    address = (
        f"sqlite:///{tmp_path}/old.db" if kind == "sqlite" else fresh(request.getfixturevalue("postgres"))
    )
    with new(address) as connection:
        TRACKING.upgrade(connection, THEN)
        connection.exec_driver_sql(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES (7, 'of then', '/then/7', 'active')"
        )
    told = shell("upgrade", "--store", address, "--backup", "then.tar").output
    assert f"mlflow: revision {THEN} -> {TRACKING.head}\n  " in told
    assert "is up to date\n" in told
    mlflow.set_tracking_uri(address)
    try:
        assert MlflowClient().get_experiment("7").name == "of then"
        assert "is up to date already" in shell("upgrade", "--store", address).output
    finally:
        mlflow.set_tracking_uri(None)
    # And back, should the new version be no good.
    shell("restore", "then.tar", "--store", "sqlite:///back.db")
    with snapshot("sqlite:///back.db") as connection:
        assert TRACKING.revision(connection) == THEN


def test_an_upgrade_that_fails_changes_nothing(
    tmp_path: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path}/old.db"
    with new(address) as connection:
        TRACKING.upgrade(connection, THEN)
    before = values(address)
    whole = type(TRACKING).upgrade

    def fails(schema, connection, revision=""):
        whole(schema, connection, revision)
        raise RuntimeError("the power is gone")

    monkeypatch.setattr(type(TRACKING), "upgrade", fails)
    shell("upgrade", "--store", address, code=1)
    assert values(address) == before


def test_a_store_of_a_newer_version_is_left_alone(store: str, shell: Shell) -> None:
    with transacting(store) as engine, engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    told = shell("upgrade", "--store", store, code=1).output
    assert "revision ffffffffffff, not known to what is installed: install the newer one" in told
    shell("backup", "newer.tar")
    told = shell("restore", "newer.tar", "--store", "sqlite:///x.db", "--artifacts", "x", code=1).output
    assert "ffffffffffff, not known" in told
    assert not Path("x.db").exists()


def test_where_artifacts_go() -> None:
    places = found(
        [(0, "/data/mlruns/0"), (1, "mlflow-artifacts:/1"), (2, "s3://bucket/own/"), (12, "/data/mlruns/12")],
        ["/data/mlruns/12/abc/artifacts", "models:/m-1", "file:///elsewhere/model", "s3://bucket/own/x"],
    )
    assert places.trees == {
        "0": "/data/mlruns/0",
        "1": "mlflow-artifacts:/1",
        "12": "/data/mlruns/12",
        "other-1": "s3://bucket/own",
        "other-2": "file:///elsewhere/model",
    }
    wanted = {
        "/data/mlruns/12/abc/artifacts": ("/new/12/abc/artifacts", "mlflow-artifacts:/12/abc/artifacts"),
        "mlflow-artifacts:/1/abc": ("mlflow-artifacts:/1/abc", "mlflow-artifacts:/1/abc"),
        "s3://bucket/own": ("/new/other-1", "mlflow-artifacts:/other-1"),
        "s3://bucket/own/x/y": ("/new/other-1/x/y", "mlflow-artifacts:/other-1/x/y"),
        "file:///elsewhere/model": ("/new/other-2", "mlflow-artifacts:/other-2"),
        "/data/mlruns-of-others/3": ("/data/mlruns-of-others/3", "/data/mlruns-of-others/3"),
        "models:/m-1": ("models:/m-1", "models:/m-1"),
    }
    assert {old: (places.moved(old, "/new"), places.moved(old, "/new", True)) for old in wanted} == wanted
    assert places.moved("mlflow-artifacts:/1/abc", "s3://new", False) == "s3://new/1/abc"
    assert places.moved(None, "/new") is None
