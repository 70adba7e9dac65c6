"""The database of journal and index: where it is, how it is opened, and its tables brought up to date.

It is the database of the tracking store where that is one (``sqlite:///mlflow.db``, PostgreSQL), in tables
of its own with one chain of migrations. Behind a tracking server of ``shashlik server`` nobody but the
server needs it; behind another one its address is the variable ``SHASHLIK_DATABASE``.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text

from tracking.schema import Schema

__all__ = ["SCHEMA", "VARIABLE", "Unreachable", "connect", "locate", "opened", "reading", "transacting"]

VARIABLE = "SHASHLIK_DATABASE"
#: Seconds to wait for another process that writes to the same SQLite file.
PATIENCE = 60
#: Option of a connection that writes nothing.
READING = "shashlik_reading"
#: Any number: migrations of PostgreSQL wait for each other on it.
LOCK = 4_872_931
#: Its tables, for what handles all tables of a store.
SCHEMA = Schema("the journal", "shashlik_version", Path(__file__).parent / "migrations")


class Unreachable(RuntimeError):
    """There is no database to keep journal and index in. Its text is the one line that a user reads."""


def locate(tracking_uri: str) -> str:
    """Address of the database.

    Raises
    ------
    Unreachable
        If the tracking store is a server and the variable is not set.
    """
    if given := os.environ.get(VARIABLE):
        return given
    if tracking_uri.partition(":")[0].partition("+")[0] in ("sqlite", "postgresql"):
        return tracking_uri
    raise Unreachable(
        f"{tracking_uri} is no database, and the journal of promotions needs one: start 'shashlik server' "
        f"there, or set {VARIABLE}, for example to postgresql+psycopg://user:password@host/shashlik"
    )


@contextmanager
def opened(address: str) -> Iterator[Engine]:
    """An engine on the database, whose tables are there and up to date; closed afterwards."""
    engine = connect(address)
    try:
        yield engine
    finally:
        engine.dispose()


def connect(address: str) -> Engine:
    """An engine on the database, whose tables are there and up to date."""
    engine = _engine(address)
    try:
        with engine.begin() as connection:
            _migrate(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def transacting(address: str) -> Iterator[Engine]:
    """An engine whose transactions hold from their beginning, also for changes of tables; these stay."""
    engine = _engine(address)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection that only reads: nobody who writes to the same SQLite file waits for it."""
    with engine.connect().execution_options(**{READING: True}) as connection, connection.begin():
        yield connection


def _engine(address: str) -> Engine:
    engine = create_engine(address, connect_args=_arguments(address))
    if engine.dialect.name == "sqlite":
        # Python's own handling begins a transaction late, at the first write: two processes would both
        # have read the same state by then.
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
    return engine


def _arguments(address: str) -> dict[str, Any]:
    return {"timeout": PATIENCE} if address.startswith("sqlite") else {}


def _leave_transactions_to_us(connection: Any, record: Any) -> None:
    connection.isolation_level = None


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get(READING)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _migrate(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    command.upgrade(config, "head")
