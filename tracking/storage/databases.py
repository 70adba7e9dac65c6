"""Whole databases: consistent snapshots during concurrent writes, and loading from a snapshot."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from tracking.exceptions import Refused
from tracking.schema import Schema
from tracking.storage.rows import Count, fill, read, reflected, set_sequences

__all__ = ["Load", "hidden", "load", "new", "parsed", "revisions", "snapshot"]

#: Seconds to wait for a busy SQLite file.
PATIENCE = 60


def parsed(address: str) -> URL:
    """Parse the address of a database.

    Raises
    ------
    Refused
        If it is not the address of a supported database.
    """
    try:
        url = make_url(address)
        if url.get_backend_name() in ("sqlite", "postgresql"):
            return url
    except ArgumentError:
        pass
    raise Refused(
        f"{address!r} is no database; give an address like sqlite:///mlflow.db or "
        "postgresql+psycopg://user:password@host/name"
    )


def hidden(address: str) -> str:
    """Hide the password of an address."""
    return make_url(address).render_as_string(hide_password=True)


@contextmanager
def snapshot(address: str, scratch: Path | None = None) -> Iterator[sa.Connection]:
    """Open a connection that sees one state of a database, independent of time and concurrent writers.

    SQLite is copied by its online backup, because a reader would block writers. PostgreSQL keeps the state
    for a transaction with repeatable reads.

    Parameters
    ----------
    address : str
        Address of a SQLite or PostgreSQL database.
    scratch : pathlib.Path
        Folder for the copy; a temporary folder by default.

    Raises
    ------
    Refused
        If the database does not exist or does not answer.
    """
    url = parsed(address)
    if url.get_backend_name() == "sqlite":
        file = _file(url)
        if not file.is_file():
            raise Refused(f"there is no database {file}: give the address of the tracking store")
        with tempfile.TemporaryDirectory(dir=scratch, prefix="snapshot-") as folder:
            copy = Path(folder) / "snapshot.db"
            try:
                with (
                    closing(sqlite3.connect(file, timeout=PATIENCE)) as source,
                    closing(sqlite3.connect(copy)) as target,
                ):
                    source.backup(target)
            except sqlite3.Error as error:
                raise Refused(
                    f"{file} cannot be copied ({error}): is it a SQLite database, and is there room?"
                ) from error
            with _connected(sa.create_engine(f"sqlite:///{copy}")) as connection:
                yield connection
        return
    engine = sa.create_engine(url, isolation_level="REPEATABLE READ")
    with _connected(engine) as connection:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        yield connection


@contextmanager
def _connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    """Open a connection of an engine and dispose of the engine afterwards."""
    try:
        try:
            connection = engine.connect()
        except SQLAlchemyError as error:
            raise Refused(
                f"{engine.url.render_as_string()} does not answer ({_reason(error)}): is it running, and "
                "is the address right?"
            ) from error
        with connection:
            yield connection
    finally:
        engine.dispose()


def revisions(connection: sa.Connection, schemas: Sequence[Schema]) -> dict[str, str]:
    """Look up the revision of every schema in a database, by the table that holds the revision."""
    by_table = {schema.versions: schema.revision(connection) for schema in schemas}
    return {name: revision for name, revision in by_table.items() if revision is not None}


@contextmanager
def new(address: str) -> Iterator[sa.Connection]:
    """Open a transaction in an empty database: its changes are committed completely or not at all.

    Raises
    ------
    Refused
        If the database has tables.
    """
    url = parsed(address)
    if url.get_backend_name() == "sqlite":
        file = _file(url)
        if file.exists() and file.stat().st_size:
            raise Refused(f"{file} is there already: give a new file, or move that one away")
        file.parent.mkdir(parents=True, exist_ok=True)
        partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
        try:
            with _connected(sa.create_engine(f"sqlite:///{partial}")) as connection:
                yield connection
                connection.commit()
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)
        return
    with _connected(sa.create_engine(url)) as connection:
        if names := sorted(sa.inspect(connection).get_table_names()):
            raise Refused(
                f"{hidden(address)} is not empty ({len(names)} tables: {', '.join(names[:3])}, ...): make a "
                "new database, for example by 'createdb'"
            )
        yield connection
        connection.commit()


#: Columns and rows of a table, as returned by `tracking.storage.rows.read`.
Load = tuple[Sequence[str], Iterable[str]]


def load(
    connection: sa.Connection,
    schemas: Sequence[Schema],
    present: Mapping[str, str],
    tables: Mapping[str, Callable[[], Load]],
    say: Callable[[str], object],
) -> dict[str, Count]:
    """Create tables of given revisions in an empty database, fill them, and verify them by reading back.

    Parameters
    ----------
    schemas : sequence of Schema
        Schemas whose migrations create the tables.
    present : mapping of str to str
        Revisions in the format of `revisions`.
    tables : mapping of str to callable
        Functions that return the rows of each table, called one after the other.
    say : callable
        Function that reports progress.

    Returns
    -------
    mapping of str to Count
        Number and digest of the rows by table.

    Raises
    ------
    Refused
        If the tables differ, a row is refused, or the rows read back differ from the written ones.
    """
    for schema in schemas:
        if schema.versions in present:
            schema.upgrade(connection, present[schema.versions])
    existing = reflected(connection)
    if extra := sorted(tables.keys() ^ existing.keys()):
        raise Refused(
            f"the table {extra[0]} is {'not' if extra[0] in tables else 'only'} known to the installed "
            "migrations: other versions made the database"
        )
    # Rows written by migrations are part of the loaded rows.
    for table in reversed(existing.values()):
        if connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)):
            connection.execute(sa.delete(table))
    counts = {}
    for name, table in existing.items():
        names, lines = tables[name]()
        written, copy = fill(connection, table, names, lines), Count()
        for line in read(connection, table, names):
            copy.add(line)
        if (written.rows, written.digest) != (copy.rows, copy.digest):
            raise Refused(
                f"the table {name} reads otherwise than it was written, {copy.rows} rows of {written.rows}: "
                "the two databases keep its values differently"
            )
        if written.rows:
            say(f"{name}: {written.rows} rows, read back and equal")
        counts[name] = written
    set_sequences(connection, existing.values())
    return counts


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise Refused(f"{url} names no file: give an address like sqlite:///mlflow.db")
    return Path(url.database)


def _reason(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
