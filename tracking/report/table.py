"""Tables whose cells keep both the formatted text and the numbers behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracking.report.numbers import interval, percent, plain, with_error

__all__ = ["ERROR", "LIMITS", "Cell", "Column", "Table", "between", "measured", "number", "share", "table"]

#: Parts of a column of values with errors, and of a column with intervals.
ERROR, LIMITS = ("", "_err"), ("", "_low", "_high")


@dataclass(frozen=True)
class Cell:
    """Cell of a table.

    Parameters
    ----------
    text : str
        Formatted text.
    values : tuple of float
        Numbers behind the text, one for each part of the column; empty for words.
    href : str
        Address of a link.
    mark : str
        ``good``, ``bad`` or ``loud`` for emphasis; ``badge`` for a role.
    """

    text: str
    values: tuple[float, ...] = ()
    href: str = ""
    mark: str = ""


@dataclass(frozen=True)
class Column:
    """Column of a table.

    Parameters
    ----------
    name : str
        Name in the table head.
    unit : str
    parts : tuple of str
        Suffixes of its columns in a CSV file, e.g. ``("", "_err")``, or their full names, ``("=chi2",
        "=ndf")``; empty for words.
    sort : str
        Sort key of a page; empty if the column cannot be sorted by.
    meaning : str
        Tooltip of the table head.
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
    """Rows of cells under columns, with a caption."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.caption}: {len(row)} cells under {len(self.columns)} columns")


def measured(value: float, error: float, mark: str = "") -> Cell:
    """Build a cell ``0.0389 ± 0.0011`` for a column with the parts `ERROR`."""
    return Cell(with_error(value, error), (value, error), mark=mark)


def between(value: float, low: float, high: float, mark: str = "") -> Cell:
    """Build a cell ``0.912 [0.897, 0.926]`` for a column with the parts `LIMITS`."""
    return Cell(interval(value, low, high), (value, low, high), mark=mark)


def share(value: float, low: float, high: float) -> Cell:
    """Build a cell ``2.31 ± 0.12 %`` for a column with the parts `LIMITS`; its numbers stay shares of 1."""
    return Cell(percent(value, low, high), (value, low, high))


def number(value: float, digits: int = 3) -> Cell:
    """Build a cell of a number without an error."""
    return Cell(plain(value, digits), (value,))


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> Table:
    """Build a table whose columns get their parts from their cells: a number, with error, or with limits."""
    cells = [[Cell(entry) if isinstance(entry, str) else entry for entry in row] for row in rows]
    parts = {0: (), 1: ("",), 2: ERROR, 3: LIMITS}
    columns = [
        Column(name, parts=parts[max((len(row[place].values) for row in cells), default=0)])
        for place, name in enumerate(head)
    ]
    return Table(caption, tuple(columns), tuple(map(tuple, cells)))
