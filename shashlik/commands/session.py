"""What commands of the registry share: the registry, opened, and which task is meant."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from registry.journal.champions import Registry, opened_registry
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Task

__all__ = ["outer_run", "session", "sole_task"]

#: What `mlflow run` tells its child about the run that it made for the command. Runs that a command makes
#: are others, in the experiment of the task.
OUTER = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")


def outer_run() -> str:
    """The run that ``mlflow run`` made for this command, asked before `session`; empty on the console."""
    return os.environ.get("MLFLOW_RUN_ID", "")


@contextmanager
def session(name: str) -> Iterator[tuple[Task, Registry]]:
    """A task and the registry, for the duration of one command."""
    task = catalog.load(name)
    for variable in OUTER:
        os.environ.pop(variable, None)
    with opened_registry() as registry:
        yield task, registry


def sole_task(given: str | None) -> str:
    """The task that was named, or the only one with an entry in the journal.

    Raises
    ------
    BadInput
        If there are none or several.
    """
    if given:
        return given
    with opened_registry() as registry:
        tasks = registry.journal.tasks()
    if len(tasks) != 1:
        raise BadInput(f"say which task with --task; in the journal: {', '.join(tasks) or 'none'}")
    return tasks[0]
