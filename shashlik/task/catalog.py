"""Find tasks through the entry-point group ``shashlik.tasks``, and import a task only on request.

An entry names a package. Every file ``task_<name>.py`` in it, at any depth, defines a task. The tasks of this
repository are found the same way as yours, through three lines in the ``pyproject.toml`` of a package::

    [project.entry-points."shashlik.tasks"]
    my-lab = "my_lab.tasks"
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from importlib.util import find_spec
from pathlib import Path

from shashlik.exceptions import BadInput
from shashlik.task.definition import Task

__all__ = ["GROUP", "Place", "find", "load", "names", "places", "root"]

GROUP = "shashlik.tasks"


@dataclass(frozen=True)
class Place:
    """Location of a task.

    Parameters
    ----------
    name : str
        Name of the task.
    module : str
        Dotted name of the module that defines it.
    file : pathlib.Path
        Source file of that module.
    """

    name: str
    module: str
    file: Path

    @property
    def root(self) -> Path:
        """The folder from which the module's package is imported."""
        return self.file.parents[self.module.count(".")]


def _entries() -> tuple[EntryPoint, ...]:
    """List the entries of the group; those of an installation older than this code are missing."""
    try:
        ours = distribution("shashlik").entry_points.select(group=GROUP)
    except PackageNotFoundError:
        raise BadInput("shashlik is not installed in this environment: run 'pip install -e .'") from None
    if not ours:
        raise BadInput(
            "this environment was installed from an older version and does not know where tasks are: "
            "run 'pip install -e .' again"
        )
    return tuple(entry_points(group=GROUP))


def _folders(entry: EntryPoint) -> list[Path]:
    """List the folders of the package that an entry names, importing only its parents."""
    origin = f"the entry point {entry.name!r} of {entry.dist.name if entry.dist else 'a package'}"
    try:
        spec = find_spec(entry.value)
    except (ImportError, ValueError) as error:
        raise BadInput(f"{origin}: cannot import {entry.value} ({error}); reinstall or remove it") from error
    if spec is None or spec.submodule_search_locations is None:
        raise BadInput(f"{origin}: there is no package {entry.value}; reinstall or remove it")
    return [Path(folder) for folder in spec.submodule_search_locations]


def places() -> Iterator[Place]:
    """List all tasks, each file once, in the order in which packages name them."""
    visited: set[Path] = set()
    for entry in _entries():
        for folder in _folders(entry):
            for file in sorted(folder.rglob("task_*.py")):
                if file.resolve() not in visited:
                    visited.add(file.resolve())
                    parts = file.relative_to(folder).with_suffix("").parts
                    name = file.stem.removeprefix("task_")
                    yield Place(name, ".".join((entry.value, *parts)), file.absolute())


def _by_name() -> dict[str, list[Place]]:
    tasks: dict[str, list[Place]] = {}
    for place in places():
        tasks.setdefault(place.name, []).append(place)
    return tasks


def _single(name: str, matches: list[Place]) -> Place:
    if len(matches) > 1:
        files = " and ".join(str(place.file) for place in matches)
        raise BadInput(f"the task {name!r} is defined twice, in {files}: rename or uninstall one of them")
    return matches[0]


def names() -> tuple[str, ...]:
    """List the names of all tasks in alphabetical order.

    Raises
    ------
    BadInput
        When two tasks have the same name.
    """
    return tuple(_single(name, matches).name for name, matches in sorted(_by_name().items()))


def find(name: str) -> Place | None:
    """Locate the task called `name`; None if there is no such task."""
    matches = _by_name().get(name)
    return None if matches is None else _single(name, matches)


def root(name: str) -> Path | None:
    """Return the folder from which the task called `name` is imported; None without such a task."""
    place = find(name)
    return None if place is None else place.root


def load(name: str) -> Task:
    """Import the task called `name`.

    Raises
    ------
    BadInput
        When there is no such task, or more than one.
    """
    place = find(name)
    if place is None:
        raise BadInput(f"no task {name!r}; known: {', '.join(names())}; list them with 'shashlik tasks'")
    task: Task = importlib.import_module(place.module).TASK
    if task.name != name:
        raise BadInput(
            f"{place.module} defines the task {task.name!r}; its file name asks for {name!r}: "
            "rename one of them"
        )
    return task
