"""Tables of measurements: cells that are read by people, and know the numbers they were written from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracking.report.numbers import interval, percent, plain, with_error

__all__ = ["ERROR", "LIMITS", "Cell", "Column", "Table", "between", "measured", "number", "share", "table"]

#: Parts of a column of values with errors, and with intervals.
ERROR, LIMITS = ("", "_err"), ("", "_low", "_high")


@dataclass(frozen=True)
class Cell:
    """What stands in one place of a table.

    Parameters
    ----------
    text : str
        As a person reads it.
    values : tuple of float
        The numbers behind it, one for each of the column's parts; empty for words.
    href : str
        Where it leads.
    mark : str
        ``good``, ``bad`` or ``loud`` where it should be seen; ``badge`` where it is a role.
    """

    text: str
    values: tuple[float, ...] = ()
    href: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    name : str
        In its head.
    unit : str
    parts : tuple of str
        Endings of its columns in a CSV file, e.g. ``("", "_err")``, or their names, ``("=chi2", "=ndf")``;
        empty for words.
    sort : str
        What a page can be asked to sort by; empty where it cannot.
    meaning : str
        Said when one points at the head.
    """

    name: str
    unit: str = ""
    parts: tuple[str, ...] = ()
    sort: str = ""
    meaning: str = ""

    @property
    def head(self) -> str:
        """Name with unit."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns, with a caption that says what they are."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.caption}: {len(row)} cells under {len(self.columns)} columns")


def measured(value: float, error: float, mark: str = "") -> Cell:
    """``0.0389 ± 0.0011``, for a column with the parts `ERROR`."""
    return Cell(with_error(value, error), (value, error), mark=mark)


def between(value: float, low: float, high: float, mark: str = "") -> Cell:
    """``0.912 [0.897, 0.926]``, for a column with the parts `LIMITS`."""
    return Cell(interval(value, low, high), (value, low, high), mark=mark)


def share(value: float, low: float, high: float) -> Cell:
    """``2.31 ± 0.12 %``, for a column with the parts `LIMITS`; the numbers stay shares of 1."""
    return Cell(percent(value, low, high), (value, low, high))


def number(value: float, digits: int = 3) -> Cell:
    """A number without an error."""
    return Cell(plain(value, digits), (value,))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> Table:
    """A table whose columns have the parts of their cells: a number, one with error, or with limits."""
    cells = [[Cell(one) if isinstance(one, str) else one for one in row] for row in rows]
    parts = {0: (), 1: ("",), 2: ERROR, 3: LIMITS}
    columns = [
        Column(name, parts=parts[max((len(row[place].values) for row in cells), default=0)])
        for place, name in enumerate(head)
    ]
    return Table(caption, tuple(columns), tuple(map(tuple, cells)))
