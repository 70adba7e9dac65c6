"""What docs/bad-input.md promises, row by row."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["ROWS", "promised"]

#: Name of a row -> what the program says, and its exit code.
ROWS: dict[str, tuple[str, int]] = {}
for _line in (Path(__file__).parents[1] / "docs" / "bad-input.md").read_text().splitlines():
    if _line.startswith("| ") and not _line.startswith("| what"):
        _name, _told, _code = (cell.strip() for cell in _line.strip("|").split(" | "))
        ROWS[_name] = _told.strip("`"), int(_code)


def promised(row: str) -> tuple[int, re.Pattern[str]]:
    """Exit code and line of a row; what stands between braces there depends on the case."""
    told, code = ROWS[row]
    return code, re.compile(re.sub(r"\\\{[^}]*\\\}", ".*", re.escape(told)))
