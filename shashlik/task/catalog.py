"""Find tasks through the entry-point group ``shashlik.tasks``, and import one only when it is asked for.

An entry names a package. Every file ``task_<name>.py`` in it, at any depth, defines a task. The tasks of this
repository come in by the same way as anybody's own, with three lines in the ``pyproject.toml`` of a package::

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
    """Where a task is.

    Parameters
    ----------
    name : str
        Of the task.
    module : str
        Dotted name of the module that defines it.
    file : pathlib.Path
        Its source.
    """

    name: str
    module: str
    file: Path

    @property
    def root(self) -> Path:
        """The folder from which the module's package is imported."""
        return self.file.parents[self.module.count(".")]


def _entries() -> tuple[EntryPoint, ...]:
    """Entries of the group; those of an installation that is older than this code are missing."""
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
    """Folders of the package that an entry names; of its modules only parents are imported."""
    who = f"the entry point {entry.name!r} of {entry.dist.name if entry.dist else 'a package'}"
    try:
        spec = find_spec(entry.value)
    except (ImportError, ValueError) as error:
        raise BadInput(f"{who}: cannot import {entry.value} ({error}); reinstall or remove it") from error
    if spec is None or spec.submodule_search_locations is None:
        raise BadInput(f"{who}: there is no package {entry.value}; reinstall or remove it")
    return [Path(folder) for folder in spec.submodule_search_locations]


def places() -> Iterator[Place]:
    """All tasks, each file once, in the order in which packages name them."""
    seen: set[Path] = set()
    for entry in _entries():
        for folder in _folders(entry):
            for file in sorted(folder.rglob("task_*.py")):
                if file.resolve() not in seen:
                    seen.add(file.resolve())
                    parts = file.relative_to(folder).with_suffix("").parts
                    name = file.stem.removeprefix("task_")
                    yield Place(name, ".".join((entry.value, *parts)), file.absolute())


def _by_name() -> dict[str, list[Place]]:
    found: dict[str, list[Place]] = {}
    for place in places():
        found.setdefault(place.name, []).append(place)
    return found


def _single(name: str, found: list[Place]) -> Place:
    if len(found) > 1:
        files = " and ".join(str(place.file) for place in found)
        raise BadInput(f"the task {name!r} is defined twice, in {files}: rename or uninstall one of them")
    return found[0]


def names() -> tuple[str, ...]:
    """Names of all tasks in alphabetical order.

    Raises
    ------
    BadInput
        When two tasks have the same name.
    """
    return tuple(_single(name, found).name for name, found in sorted(_by_name().items()))


def find(name: str) -> Place | None:
    """Where the task called `name` is; None if there is no such task."""
    found = _by_name().get(name)
    return None if found is None else _single(name, found)


def root(name: str) -> Path | None:
    """The folder from which the task called `name` is imported; None if there is no such task."""
    place = find(name)
    return None if place is None else place.root


def load(name: str) -> Task:
    """The task called `name`.

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
