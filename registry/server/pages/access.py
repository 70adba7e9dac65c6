"""Access rights on the pages, the same as in the REST API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends

from registry.server.access import Caller, caller
from registry.server.pages import index_queries
from registry.server.pages.rendering import Refused
from registry.server.stores import index, registry
from tracking.index.records import Selection

__all__ = ["Reader", "Reads", "reader", "samples_of"]


@dataclass(frozen=True)
class Reader:
    """The reader of a page."""

    who: Caller

    def selection(self, task: str = "", sample: str = "", runs: tuple[str, ...] = ()) -> Selection:
        """Build a selection of evidence, restricted to what the reader may read."""
        return Selection(task=task, sample=sample, runs=runs, experiments=self.experiments(task))

    def experiments(self, task: str = "") -> tuple[str, ...] | None:
        """Return the experiments with evidence of a task that may be read; None for all."""
        if not self.who.name or self.who.admin:
            return None
        return self.who.readable(index_queries.experiments(index(), Selection(task=task)))

    def journal(self, task: str) -> bool:
        """Return whether the reader may read the journal and the versions of a task."""
        return self.who.may_read_task(task)

    def need_experiment(self, experiment: str) -> None:
        """Raise 403 unless the reader may read an experiment."""
        self.who.need_experiment(experiment, "READ")


def reader(who: Annotated[Caller, Depends(caller)]) -> Reader:
    """Identify the reader of a request."""
    return Reader(who)


Reads = Annotated[Reader, Depends(reader)]


def samples_of(reads: Reader, task: str) -> tuple[index_queries.Sampled, ...]:
    """List the samples of a task's evidence that may be read.

    Raises
    ------
    Refused
        If nothing of the task may be read, with the message for a task that does not exist.
    """
    readable = index_queries.samples(index(), reads.selection(task))
    if not readable and not (task in registry().journal.tasks() and reads.journal(task)):
        raise Refused(404, f"there is no task {task!r} on this server, or not for you: see all tasks")
    return readable
