"""What is told of an evidence, before it is text: tables with titles and notes."""

from __future__ import annotations

from dataclasses import dataclass

from tracking.report.table import Table

__all__ = ["Block", "Content"]


@dataclass(frozen=True)
class Block:
    """Tables that belong together, under a title and above a note; either may be empty."""

    tables: tuple[Table, ...] = ()
    title: str = ""
    note: str = ""


@dataclass(frozen=True)
class Content:
    """All that is told of an evidence.

    Parameters
    ----------
    sentence : str
        The result in one line.
    headline : tuple of Block
        What everybody should see, the most important first.
    details : tuple of Block
        What is told where there is room.
    objects : str
        What an event holds, e.g. ``with 2 objects each``; empty for one.
    legend : str
        What the columns of the tables mean.
    apart : frozenset of str
        Numbers of the task's own that are told in the details; the others stand in a table by themselves.
    """

    sentence: str
    headline: tuple[Block, ...]
    details: tuple[Block, ...]
    objects: str
    legend: str
    apart: frozenset[str] = frozenset()
