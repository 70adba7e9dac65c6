"""Database of journal and index: its address, connections and migrations.

If the tracking store is a database (``sqlite:///mlflow.db``, PostgreSQL), journal and index are in the same
one, in separate tables with one chain of migrations. With ``shashlik server`` only the server accesses it.
With another tracking server its address is the variable ``SHASHLIK_DATABASE``.
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
#: Option of a read-only connection.
READING = "shashlik_reading"
#: Arbitrary key of the lock that serialises migrations of PostgreSQL.
LOCK = 4_872_931
#: Tables of journal and index, for code that handles all tables of a store.
SCHEMA = Schema("the journal", "shashlik_version", Path(__file__).parent / "migrations")


class Unreachable(RuntimeError):
    """Error of a missing database for journal and index. Its text is one line for the user."""


def locate(tracking_uri: str) -> str:
    """Find the address of the database.

    Raises
    ------
    Unreachable
        If the tracking store is a server and the variable is not set.
    """
    if address := os.environ.get(VARIABLE):
        return address
    if tracking_uri.partition(":")[0].partition("+")[0] in ("sqlite", "postgresql"):
        return tracking_uri
    raise Unreachable(
        f"{tracking_uri} is no database, and the journal of promotions needs one: start 'shashlik server' "
        f"there, or set {VARIABLE}, for example to postgresql+psycopg://user:password@host/shashlik"
    )


@contextmanager
def opened(address: str) -> Iterator[Engine]:
    """Open an engine on the database with up-to-date tables, and close it afterwards."""
    engine = connect(address)
    try:
        yield engine
    finally:
        engine.dispose()


def connect(address: str) -> Engine:
    """Create an engine on the database with up-to-date tables."""
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
    """Open an engine with transactions from the first statement, including schema changes; no migrations."""
    engine = _engine(address)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a read-only connection that does not block writers to the same SQLite file."""
    with engine.connect().execution_options(**{READING: True}) as connection, connection.begin():
        yield connection


def _engine(address: str) -> Engine:
    engine = create_engine(address, connect_args=_arguments(address))
    if engine.dialect.name == "sqlite":
        # Python's default begins a transaction late, at the first write: two processes could both have read
        # the same state by then.
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
