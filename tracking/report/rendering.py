"""Evidence as tables: markdown for the run's description, aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tracking.evidence.resolution import AnyEvidence
from tracking.report import classification_tables, resolution_tables
from tracking.report.document import Block, Content
from tracking.report.table import Cell, Column, Table, between, measured, number

__all__ = ["content", "escaped", "headline", "markdown", "sentence", "terminal"]

_SPECIAL = str.maketrans(
    {mark: f"\\{mark}" for mark in "\\`*_[|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)
_DASHES = str.maketrans({"\n": " ", "\r": " "})

#: What is told of each kind of evidence.
_CONTENT: Mapping[str, Callable[[Any], Content]] = {
    "resolution": resolution_tables.content,
    "classification": classification_tables.content,
}


def escaped(text: str) -> str:
    """Text of others that markdown and HTML show as it is, on one line."""
    return text.translate(_DASHES).translate(_SPECIAL)


def sentence(evidence: AnyEvidence) -> str:
    """The result in one line: what the subject reached, and how it compares with the best other."""
    return content(evidence).sentence


def terminal(evidence: AnyEvidence) -> str:
    """Headline tables as aligned text."""
    facts, told = evidence.facts, content(evidence)
    tables = [table for block in told.headline for table in block.tables]
    blocks = [f"{facts.task}: {facts.events} events of {facts.source}"]
    blocks += [_aligned(table) for table in (*tables, _extra(evidence, told))]
    return "\n\n".join(block for block in blocks if block)


def headline(evidence: AnyEvidence) -> list[str]:
    """Blocks of markdown, the most important first: the result in one line, then the headline tables."""
    facts, told = evidence.facts, content(evidence)
    blocks = [f"**{escaped(told.sentence)}**", *_written(told.headline)]
    own = _extra(evidence, told)
    if own.rows:
        blocks.append(_piped(own))
    blocks.append(
        f"Judged on {facts.events} events{told.objects}: {escaped(facts.source)}, "
        f"sha256 {facts.sha256[:12]}, seed {facts.seed}. {told.legend}"
    )
    return blocks


def markdown(evidence: AnyEvidence) -> str:
    """All tables: the headline, then the details."""
    return "\n\n".join([*headline(evidence), *_written(content(evidence).details)]) + "\n"


def content(evidence: AnyEvidence) -> Content:
    """All that is told of an evidence, whatever its kind."""
    return _CONTENT[evidence.kind](evidence)


def _written(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if block.title:
            yield f"### {escaped(block.title)}"
        yield from (_piped(table) for table in block.tables)
        if block.note:
            yield block.note


def _extra(evidence: AnyEvidence, told: Content) -> Table:
    """The task's own numbers, a column for each estimator and one for what belongs to none.

    ``<name>_err`` and a pair of limits stand beside the value they belong to.
    """
    values = {name: value for name, value in evidence.extra.items() if name not in told.apart}
    heads: dict[str, None] = {}
    rows: dict[str, dict[str, Cell]] = {}
    for name, value in values.items():
        owner, _, part = name.rpartition("_")
        if part in ("err", "low", "high") and owner in values:
            continue
        if f"{name}_err" in values:
            cell = measured(value, values[f"{name}_err"])
        elif f"{name}_low" in values and f"{name}_high" in values:
            cell = between(value, values[f"{name}_low"], values[f"{name}_high"])
        else:
            cell = number(value, 5)
        estimator, _, what = name.partition("/")
        head, row = (estimator, what) if estimator in evidence.estimators else ("value", name)
        heads[head] = None
        rows.setdefault(row, {})[head] = Cell(cell.text, cell.values[:1])
    return Table(
        "Numbers of the task's own",
        (Column("number"), *(Column(head, parts=("",)) for head in heads)),
        tuple((Cell(what), *(cells.get(head, Cell("–")) for head in heads)) for what, cells in rows.items()),
    )


def _words(table: Table) -> tuple[list[str], list[list[str]]]:
    return [column.head for column in table.columns], [[cell.text for cell in row] for row in table.rows]


def _piped(table: Table) -> str:
    """Markdown; the en space behind every cell keeps columns apart on pages that give tables no padding."""
    head, rows = _words(table)
    numeric = [bool(rows) and any(mark.isdigit() for mark in rows[0][i]) for i in range(len(head))]
    rule = "|".join("---:" if right else "---" for right in numeric)
    lines = [" | ".join(f"{escaped(cell)}\u2002" for cell in line) for line in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def _aligned(table: Table) -> str:
    head, rows = _words(table)
    if not rows:
        return ""
    sizes = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * size for size in sizes], *rows]
    return "\n".join(
        "  ".join(cell.ljust(size) for cell, size in zip(line, sizes, strict=True)).rstrip() for line in lines
    )
