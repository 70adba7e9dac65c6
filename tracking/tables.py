"""Evidence as tables: markdown for the run's description, aligned text for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tracking import classification_tables, resolution_tables
from tracking.blocks import Block, Content, Table
from tracking.evidence import AnyEvidence
from tracking.numbers import interval, plain, with_error

__all__ = ["escaped", "headline", "markdown", "sentence", "terminal"]

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
    return _content(evidence).sentence


def terminal(evidence: AnyEvidence) -> str:
    """Headline tables as aligned text."""
    facts = evidence.facts
    tables = [table for block in _content(evidence).headline for table in block.tables]
    blocks = [f"{facts.task}: {facts.events} events of {facts.source}"]
    blocks += [_aligned(table) for table in (*tables, _extra(evidence))]
    return "\n\n".join(block for block in blocks if block)


def headline(evidence: AnyEvidence) -> list[str]:
    """Blocks of markdown, the most important first: the result in one line, then the headline tables."""
    facts, content = evidence.facts, _content(evidence)
    blocks = [f"**{escaped(content.sentence)}**", *_written(content.headline)]
    if evidence.extra:
        blocks.append(_piped(_extra(evidence)))
    blocks.append(
        f"Judged on {facts.events} events{content.objects}: {escaped(facts.source)}, "
        f"sha256 {facts.sha256[:12]}, seed {facts.seed}. {content.legend}"
    )
    return blocks


def markdown(evidence: AnyEvidence) -> str:
    """All tables: the headline, then the details."""
    return "\n\n".join([*headline(evidence), *_written(_content(evidence).details)]) + "\n"


def _content(evidence: AnyEvidence) -> Content:
    return _CONTENT[evidence.kind](evidence)


def _written(blocks: Sequence[Block]) -> Iterator[str]:
    for block in blocks:
        if block.title:
            yield f"### {escaped(block.title)}"
        yield from (_piped(table) for table in block.tables)
        if block.note:
            yield block.note


def _extra(evidence: AnyEvidence) -> Table:
    """The task's own numbers; ``<name>_err`` and a pair of limits stand beside the value they belong to."""
    values = evidence.extra
    rows: list[Sequence[str]] = []
    for name, value in values.items():
        owner, _, part = name.rpartition("_")
        if part in ("err", "low", "high") and owner in values:
            continue
        if f"{name}_err" in values:
            text = with_error(value, values[f"{name}_err"])
        elif f"{name}_low" in values and f"{name}_high" in values:
            text = interval(value, values[f"{name}_low"], values[f"{name}_high"])
        else:
            text = plain(value, 5)
        rows.append((name, text))
    return ("number", "value"), rows


def _piped(table: Table) -> str:
    """Markdown; the en space behind every cell keeps columns apart on pages that give tables no padding."""
    head, rows = table
    numeric = [bool(rows) and any(mark.isdigit() for mark in rows[0][i]) for i in range(len(head))]
    rule = "|".join("---:" if right else "---" for right in numeric)
    lines = [" | ".join(f"{escaped(cell)}\u2002" for cell in line) for line in (head, *rows)]
    return "\n".join([f"| {lines[0]} |", f"|{rule}|", *(f"| {line} |" for line in lines[1:])])


def _aligned(table: Table) -> str:
    head, rows = table
    if not rows:
        return ""
    sizes = [max(len(line[i]) for line in (head, *rows)) for i in range(len(head))]
    lines = [head, ["-" * size for size in sizes], *rows]
    return "\n".join(
        "  ".join(cell.ljust(size) for cell, size in zip(line, sizes, strict=True)).rstrip() for line in lines
    )
