"""Rendering of evidence as tables: markdown for the run's description, aligned text for the terminal."""

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

#: Report content by kind of evidence.
_CONTENT: Mapping[str, Callable[[Any], Content]] = {
    "resolution": resolution_tables.content,
    "classification": classification_tables.content,
}


def escaped(text: str) -> str:
    """Escape foreign text for markdown and HTML, on one line."""
    return text.translate(_DASHES).translate(_SPECIAL)


def sentence(evidence: AnyEvidence) -> str:
    """Summarise in one line the result of the subject, compared with the best other estimator."""
    return content(evidence).sentence


def terminal(evidence: AnyEvidence) -> str:
    """Render the headline tables as aligned text."""
    facts, report = evidence.facts, content(evidence)
    tables = [table for block in report.headline for table in block.tables]
    blocks = [f"{facts.task}: {facts.events} events of {facts.source}"]
    blocks += [_aligned(table) for table in (*tables, _extra(evidence, report))]
    return "\n\n".join(block for block in blocks if block)


def headline(evidence: AnyEvidence) -> list[str]:
    """Render blocks of markdown: the result in one line, then the headline tables."""
    facts, report = evidence.facts, content(evidence)
    blocks = [f"**{escaped(report.sentence)}**", *_render(report.headline)]
    extra = _extra(evidence, report)
    if extra.rows:
        blocks.append(_piped(extra))
    blocks.append(
        f"Judged on {facts.events} events{report.objects}: {escaped(facts.source)}, "
        f"sha256 {facts.sha256[:12]}, seed {facts.seed}. {report.legend}"
    )
    return blocks


def markdown(evidence: AnyEvidence) -> str:
    """Render all tables: the headline, then the details."""
    return "\n\n".join([*headline(evidence), *_render(content(evidence).details)]) + "\n"


def content(evidence: AnyEvidence) -> Content:
    """Build the complete report content of an evidence of any kind."""
    return _CONTENT[evidence.kind](evidence)


def _render(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if block.title:
            yield f"### {escaped(block.title)}"
        yield from (_piped(table) for table in block.tables)
        if block.note:
            yield block.note


def _extra(evidence: AnyEvidence, report: Content) -> Table:
    """Tabulate the task's own numbers: a column per estimator, and one for numbers without an estimator.

    ``<name>_err`` and a pair of limits are written beside their value.
    """
    values = {name: value for name, value in evidence.extra.items() if name not in report.apart}
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
        estimator, _, quantity = name.partition("/")
        head, row = (estimator, quantity) if estimator in evidence.estimators else ("value", name)
        heads[head] = None
        rows.setdefault(row, {})[head] = Cell(cell.text, cell.values[:1])
    return Table(
        "Numbers of the task's own",
        (Column("number"), *(Column(head, parts=("",)) for head in heads)),
        tuple(
            (Cell(quantity), *(cells.get(head, Cell("–")) for head in heads))
            for quantity, cells in rows.items()
        ),
    )


def _words(table: Table) -> tuple[list[str], list[list[str]]]:
    return [column.head for column in table.columns], [[cell.text for cell in row] for row in table.rows]


def _piped(table: Table) -> str:
    """Render markdown; the en space after every cell separates columns on pages without table padding."""
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
