"""Databases as a whole: one state of all tables while others write, and filled from such a state or not."""

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

#: Seconds that a SQLite file may be busy.
PATIENCE = 60


def parsed(address: str) -> URL:
    """An address in its parts.

    Raises
    ------
    Refused
        If it is none of a database that is known here.
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
    """An address as it may be shown: without its password."""
    return make_url(address).render_as_string(hide_password=True)


@contextmanager
def snapshot(address: str, scratch: Path | None = None) -> Iterator[sa.Connection]:
    """A connection that sees one state of a database, however long it takes and whoever writes meanwhile.

    Of SQLite a copy is made by its online backup, since a reader would hold up whoever writes; PostgreSQL
    keeps the state for a transaction that is repeatable.

    Parameters
    ----------
    address : str
        Of SQLite or PostgreSQL.
    scratch : pathlib.Path
        Where the copy is made; a temporary folder by default.

    Raises
    ------
    Refused
        If it is not there, or does not answer.
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
    """A connection of an engine that is used once."""
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
    """The revision of every schema that a database has, by the table that holds it."""
    found = {schema.versions: schema.revision(connection) for schema in schemas}
    return {name: revision for name, revision in found.items() if revision is not None}


@contextmanager
def new(address: str) -> Iterator[sa.Connection]:
    """A transaction in an empty database. What happens in it is there afterwards as a whole, or not at all.

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
        if found := sorted(sa.inspect(connection).get_table_names()):
            raise Refused(
                f"{hidden(address)} is not empty ({len(found)} tables: {', '.join(found[:3])}, ...): make a "
                "new database, for example by 'createdb'"
            )
        yield connection
        connection.commit()


#: A table's columns and rows, as `tracking.storage.rows.read` gives them.
Load = tuple[Sequence[str], Iterable[str]]


def load(
    connection: sa.Connection,
    schemas: Sequence[Schema],
    present: Mapping[str, str],
    tables: Mapping[str, Callable[[], Load]],
    say: Callable[[str], object],
) -> dict[str, Count]:
    """Make tables of given revisions in an empty database, fill them, and read back what was written.

    Parameters
    ----------
    schemas : sequence of Schema
        Whose migrations make the tables.
    present : mapping of str to str
        As `revisions` returns it.
    tables : mapping of str to callable
        The rows of every table, asked for one after the other.
    say : callable
        Told how far it is.

    Returns
    -------
    mapping of str to Count
        Of every table.

    Raises
    ------
    Refused
        If the tables are others, a row is refused, or it reads otherwise than it was written.
    """
    for schema in schemas:
        if schema.versions in present:
            schema.upgrade(connection, present[schema.versions])
    there = reflected(connection)
    if other := sorted(tables.keys() ^ there.keys()):
        raise Refused(
            f"the table {other[0]} is {'not' if other[0] in tables else 'only'} known to the installed "
            "migrations: other versions made the database"
        )
    # What migrations themselves have written comes with the rows.
    for table in reversed(there.values()):
        if connection.scalar(sa.select(sa.literal(1)).select_from(table).limit(1)):
            connection.execute(sa.delete(table))
    counts = {}
    for name, table in there.items():
        names, lines = tables[name]()
        written, back = fill(connection, table, names, lines), Count()
        for line in read(connection, table, names):
            back.add(line)
        if (written.rows, written.digest) != (back.rows, back.digest):
            raise Refused(
                f"the table {name} reads otherwise than it was written, {back.rows} rows of {written.rows}: "
                "the two databases keep its values differently"
            )
        if written.rows:
            say(f"{name}: {written.rows} rows, read back and equal")
        counts[name] = written
    set_sequences(connection, there.values())
    return counts


def _file(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise Refused(f"{url} names no file: give an address like sqlite:///mlflow.db")
    return Path(url.database)


def _reason(error: SQLAlchemyError) -> str:
    return " ".join(str(getattr(error, "orig", None) or error).split())[:200]
