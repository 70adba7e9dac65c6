"""Open the registry for a command, and find its task."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from registry.journal.champions import Registry, opened_registry
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Task

__all__ = ["outer_run", "session", "sole_task"]

#: Variables with which `mlflow run` passes the run that it made for the command. Runs made by a command are
#: separate ones, in the experiment of the task.
OUTER = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME")


def outer_run() -> str:
    """Return the run that ``mlflow run`` made for this command; empty on the console.

    Call this before `session`, which removes the variable.
    """
    return os.environ.get("MLFLOW_RUN_ID", "")


@contextmanager
def session(name: str) -> Iterator[tuple[Task, Registry]]:
    """Open a task and the registry for the duration of one command."""
    task = catalog.load(name)
    for variable in OUTER:
        os.environ.pop(variable, None)
    with opened_registry() as registry:
        yield task, registry


def sole_task(given: str | None) -> str:
    """Return the given task, or the only one with an entry in the journal.

    Raises
    ------
    BadInput
        If there is none or more than one.
    """
    if given:
        return given
    with opened_registry() as registry:
        tasks = registry.journal.tasks()
    if len(tasks) != 1:
        raise BadInput(f"say which task with --task; in the journal: {', '.join(tasks) or 'none'}")
    return tasks[0]
