"""Rows of tables as text that does not depend on the database.

A row is one line of JSON, so that SQLite and PostgreSQL can be compared, stored in files and filled from each
other. The digest of a table is the sum of the hashes of its lines modulo 2^256: it does not depend on their
order, because databases sort texts differently.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from tracking.exceptions import Refused

__all__ = ["Count", "columns", "fill", "read", "reflected", "set_sequences"]

#: Number of rows that are read or written at once.
BATCH = 2000
#: Values without a JSON type, each as an object with one key; the order matters, because a datetime is a
#: date.
_MARKED: tuple[tuple[type, str, Callable[[Any], str], Callable[[str], Any]], ...] = (
    (bytes, "bytes", lambda value: base64.b64encode(value).decode(), base64.b64decode),
    (datetime, "datetime", datetime.isoformat, datetime.fromisoformat),
    (date, "date", date.isoformat, date.fromisoformat),
    (Decimal, "decimal", str, Decimal),
    (float, "float", repr, float),
)


@dataclass
class Count:
    """Running number and digest of the rows of a table."""

    rows: int = 0
    total: int = 0

    def add(self, line: str) -> None:
        """Add one row to the count."""
        self.rows += 1
        self.total += int.from_bytes(hashlib.sha256(line.encode()).digest())

    @property
    def digest(self) -> str:
        """Digest as 64 hexadecimal digits."""
        return f"{self.total % 2**256:064x}"


def reflected(connection: sa.Connection) -> dict[str, sa.Table]:
    """Reflect the tables of a database by name, each after those it refers to."""
    metadata = sa.MetaData()
    metadata.reflect(connection)
    return {table.name: table for table in metadata.sorted_tables}


def columns(table: sa.Table) -> list[sa.Column]:
    """List the columns that are not computed from others."""
    return [column for column in table.columns if column.computed is None]


def read(connection: sa.Connection, table: sa.Table, names: Sequence[str] | None = None) -> Iterator[str]:
    """Yield rows of a table as lines of JSON: values of `names` in that order, by default all columns."""
    selected = [column.name for column in columns(table)] if names is None else names
    query = sa.select(*(_as_stored(table.c[name]) for name in selected)).order_by(*table.primary_key.columns)
    stream = connection.execute(query, execution_options={"yield_per": BATCH})
    for row in stream:
        yield json.dumps([_encode(value) for value in row], ensure_ascii=False, allow_nan=False)


def fill(connection: sa.Connection, table: sa.Table, names: Sequence[str], lines: Iterable[str]) -> Count:
    """Insert rows from `read`, with the same names.

    Raises
    ------
    Refused
        If the table has other columns, or the database refuses a row.
    """
    existing = {column.name for column in columns(table)}
    if unmatched := existing ^ set(names):
        raise Refused(
            f"the table {table.name} differs in its column {min(unmatched)}: other versions made it"
        )
    values = {name: _bound(table.c[name], connection.dialect.name) for name in names}
    statement, count = sa.insert(table).values(values), Count()
    remaining = iter(lines)
    while batch := list(islice(remaining, BATCH)):
        rows = []
        for line in batch:
            count.add(line)
            rows.append(
                {f"v_{name}": _decode(value) for name, value in zip(names, json.loads(line), strict=True)}
            )
        try:
            connection.execute(statement, rows)
        except (SQLAlchemyError, ValueError) as error:
            reason = " ".join(str(getattr(error, "orig", None) or error).split())[:300]
            raise Refused(f"the table {table.name} does not take its rows: {reason}") from error
    return count


def set_sequences(connection: sa.Connection, tables: Iterable[sa.Table]) -> int:
    """Set the sequences of PostgreSQL behind the existing rows and return their number.

    SQLite finds the highest number by itself.
    """
    if connection.dialect.name != "postgresql":
        return 0
    count = 0
    for table in tables:
        for column in table.primary_key.columns:
            name = connection.scalar(
                sa.select(sa.func.pg_get_serial_sequence(sa.func.quote_ident(table.name), column.name))
            )
            if name is not None:
                highest = connection.scalar(sa.select(sa.func.max(column)))
                connection.execute(sa.select(sa.func.setval(name, highest or 1, highest is not None)))
                count += 1
    return count


def _as_stored(column: sa.Column) -> Any:
    """Cast JSON to text: as values, NULL and the JSON null could not be distinguished."""
    return sa.cast(column, sa.Text) if isinstance(column.type, sa.JSON) else column


def _bound(column: sa.Column, dialect: str) -> Any:
    if not isinstance(column.type, sa.JSON):
        return sa.bindparam(f"v_{column.name}", type_=column.type)
    text = sa.bindparam(f"v_{column.name}", type_=sa.Text)
    # SQLite stores it as text; a cast would convert it to a number.
    return text if dialect == "sqlite" else sa.cast(text, column.type)


def _encode(value: Any) -> Any:
    if isinstance(value, float):
        return value if abs(value) < float("inf") else {"float": repr(value)}
    for kind, mark, write, _ in _MARKED:
        if isinstance(value, kind):
            return {mark: write(value)}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, dict):
        ((mark, text),) = value.items()
        return next(back(text) for _, name, _, back in _MARKED if name == mark)
    return value
