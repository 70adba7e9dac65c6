"""Who may see what on the pages: what the REST would tell the same caller."""

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
    """Whoever looks at a page."""

    who: Caller

    def selection(self, task: str = "", sample: str = "", runs: tuple[str, ...] = ()) -> Selection:
        """Evidence that is asked for, as far as it may be read."""
        return Selection(task=task, sample=sample, runs=runs, experiments=self.experiments(task))

    def experiments(self, task: str = "") -> tuple[str, ...] | None:
        """Experiments with evidence of a task that may be read; None for all."""
        if not self.who.name or self.who.admin:
            return None
        return self.who.readable(index_queries.experiments(index(), Selection(task=task)))

    def journal(self, task: str) -> bool:
        """Whether the journal and the versions of a task may be read."""
        return self.who.may_read_task(task)

    def need_experiment(self, experiment: str) -> None:
        """Refuse with 403 whoever may not read an experiment."""
        self.who.need_experiment(experiment, "READ")


def reader(who: Annotated[Caller, Depends(caller)]) -> Reader:
    """The reader of a request."""
    return Reader(who)


Reads = Annotated[Reader, Depends(reader)]


def samples_of(reads: Reader, task: str) -> tuple[index_queries.Sampled, ...]:
    """Samples of the evidence of a task that may be read.

    Raises
    ------
    Refused
        If nothing of the task may be seen, in the words for a task that is not there.
    """
    found = index_queries.samples(index(), reads.selection(task))
    if not found and not (task in registry().journal.tasks() and reads.journal(task)):
        raise Refused(404, f"there is no task {task!r} on this server, or not for you: see all tasks")
    return found
