"""Export of measurement tables: CSV with all digits, LaTeX with the digits of the page."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator, Sequence

from tracking.report.numbers import MISSING
from tracking.report.table import Column, Table

__all__ = ["to_csv", "to_latex"]

#: Spreadsheets read text that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "±": r"$\pm$",
    "−": "$-$",
    "–": "--",
    "σ": r"$\sigma$",
    "μ": r"$\mu$",
    "χ²": r"$\chi^2$",
    "µ": r"$\mu$",
    "∞": r"$\infty$",
    "·": r"$\cdot$",
    "Δ": r"$\Delta$",
}
_SPECIAL = re.compile("|".join(re.escape(mark) for mark in sorted(_LATEX, key=len, reverse=True)))
_POWER = re.compile(r"^(?P<number>\(.*\)|[−\d.]+)e(?P<power>[−\d]+)$")


def _flat(column: Column) -> Iterator[str]:
    stem = re.sub(r"[^\w/%]+", "_", column.head.replace("σ", "sigma").replace("μ", "mu").replace("µ", "u"))
    for part in column.parts or ("",):
        yield part[1:] if part.startswith("=") else f"{stem.strip('_')}{part}"


def _word(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def to_csv(tables: Sequence[Table]) -> str:
    """Write tables in full precision, one below the other with captions, separated by an empty line."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    for place, table in enumerate(tables):
        if place:
            writer.writerow([])
        if len(tables) > 1:
            writer.writerow([_word(table.caption)])
        writer.writerow([name for column in table.columns for name in _flat(column)])
        for row in table.rows:
            line: list[str] = []
            for cell, column in zip(row, table.columns, strict=True):
                if not column.parts:
                    line.append(_word("" if cell.text == MISSING else cell.text))
                    continue
                values = cell.values or (math.nan,) * len(column.parts)
                line += ["" if math.isnan(value) else repr(float(value)) for value in values]
            writer.writerow(line)
    return out.getvalue()


def _latex(text: str) -> str:
    if match := _POWER.match(text):
        return rf"${_inside(match['number'])} \times 10^{{{match['power'].replace('−', '-')}}}$"
    return _SPECIAL.sub(lambda match: _LATEX[match[0]], text)


def _inside(text: str) -> str:
    return text.replace("±", r"\pm").replace("−", "-")


def to_latex(tables: Sequence[Table], comment: str) -> str:
    r"""Write tables for a paper, with ``\usepackage{booktabs}`` and the digits of the page.

    Parameters
    ----------
    comment : str
        Origin of the tables, written at the top.
    """
    blocks = [f"% {' '.join(comment.split())}\n% needs \\usepackage{{booktabs}}"]
    for table in tables:
        kinds = "".join("r" if column.parts else "l" for column in table.columns)
        lines = [
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{_latex(table.caption)}}}",
            rf"  \begin{{tabular}}{{{kinds}}}",
            r"    \toprule",
            f"    {' & '.join(_latex(column.head) for column in table.columns)} \\\\",
            r"    \midrule",
            *(f"    {' & '.join(_latex(cell.text) for cell in row)} \\\\" for row in table.rows),
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
        ]
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"
