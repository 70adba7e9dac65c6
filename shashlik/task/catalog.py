"""Finds tasks by file name, ``task_<name>.py`` anywhere in this package, and imports one only when asked."""

from __future__ import annotations

import importlib
from pathlib import Path

from shashlik.exceptions import BadInput
from shashlik.task.definition import Task

__all__ = ["load", "names"]

_PACKAGE = Path(__file__).parents[2] / "projects"


def _modules() -> dict[str, str]:
    """Task name -> dotted module name."""
    return {
        path.stem.removeprefix("task_"): ".".join(
            (_PACKAGE.name, *path.relative_to(_PACKAGE).with_suffix("").parts)
        )
        for path in sorted(_PACKAGE.rglob("task_*.py"))
    }


def names() -> tuple[str, ...]:
    """Names of all tasks in alphabetical order."""
    return tuple(sorted(_modules()))


def load(name: str) -> Task:
    """The task called `name`.

    Raises
    ------
    BadInput
        When there is no such task.
    """
    modules = _modules()
    if name not in modules:
        raise BadInput(
            f"no task {name!r}; known: {', '.join(sorted(modules))}; list them with 'shashlik tasks'"
        )
    task: Task = importlib.import_module(modules[name]).TASK
    if task.name != name:
        raise BadInput(
            f"{modules[name]} defines the task {task.name!r}; its file name asks for {name!r}: "
            "rename one of them"
        )
    return task
