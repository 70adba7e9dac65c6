"""Format-independent report content: titled blocks of tables and notes."""

from __future__ import annotations

from dataclasses import dataclass

from tracking.report.table import Table

__all__ = ["Block", "Content"]


@dataclass(frozen=True)
class Block:
    """Related tables between a title and a note, both optional."""

    tables: tuple[Table, ...] = ()
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Content:
    """Complete report content of an evidence.

    Parameters
    ----------
    sentence : str
        The result in one line.
    headline : tuple of Block
        Blocks for every reader, the most important first.
    details : tuple of Block
        Blocks for reports with enough space.
    objects : str
        Description of the objects in an event, e.g. ``with 2 objects each``; empty for one object.
    legend : str
        Meaning of the table columns.
    apart : frozenset of str
        The task's own numbers that the details contain; the others get a separate table.
    """

    sentence: str
    headline: tuple[Block, ...]
    details: tuple[Block, ...]
    objects: str
    legend: str
    apart: frozenset[str] = frozenset()
