"""Parameters of a search, separated from those of the task that is searched."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shashlik.exceptions import BadInput
from shashlik.task.definition import Task
from shashlik.task.search_space import Space
from shashlik.task.settings import changed, resolve, setting

__all__ = ["PLACING", "SearchSettings", "fixed", "lasting", "separate", "space_of", "trial_settings"]

#: The value that Hyperband sets in a trial.
EPOCHS = "tuner/epochs"


@dataclass(frozen=True)
class SearchSettings:
    """Parameters of a search."""

    algorithm: str = setting(
        "bayesian", "how trials are proposed", allowed=("random", "bayesian", "hyperband")
    )
    trials: int = setting(20, "trials of the search", least=1, most=100_000)
    space: str = setting("default", "which of the task's spaces is searched")
    share: float = setting(1.0, "share of the training events that a trial uses", least=1e-3, most=1)
    validation_events: int = setting(10_000, "events that trials are compared on", least=200)
    best: int = setting(
        1, "configurations trained again on all events and registered as candidates", least=0, most=100
    )
    seeds: int = setting(1, "trainings of each of them; the first is registered", least=1, most=100)
    then: str = setting(
        "", "'promote' holds the best candidate against the champion at the end", allowed=("", "promote")
    )
    workers: int = setting(1, "processes that run trials; 0: only those that others start", least=0, most=999)
    threads: int = setting(0, "cores of each local worker; 0: an equal share", least=0, most=4096)
    scheduler: str = setting("", "address of a Dask scheduler that places the workers: tcp://host:8786")
    address: str = setting(
        "", "host or host:port under which workers reach this process; default: local ones only"
    )
    resume: str = setting("", "id of an interrupted search that this one continues")


#: Parameters that decide where a search runs and not its result: a resumed search may change them.
PLACING = ("workers", "threads", "scheduler", "address", "resume", "then")


def lasting(search: SearchSettings) -> dict[str, Any]:
    """Return the parameters that a resumed search must share, as they are recorded."""
    values = dataclasses.asdict(search)
    return {f"search.{name}": value for name, value in values.items() if name not in PLACING}


def separate(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split parameters into those of the search and those of the task.

    No task may have a parameter with a name of the search's; ``resume`` is the search's.
    """
    ours = {parameter.name for parameter in dataclasses.fields(SearchSettings)}
    return (
        {name: text for name, text in given.items() if name in ours},
        {name: text for name, text in given.items() if name not in ours},
    )


def space_of(task: Task, search: SearchSettings) -> Space:
    """Return the space that is searched.

    Raises
    ------
    BadInput
        If the task has no such space, or Hyperband is selected and the space has no setting for epochs.
    """
    if not task.spaces:
        raise BadInput(
            f"{task.name} declares nothing to search: give its Task `spaces`, see docs/write-your-own-task.md"
        )
    if search.space not in task.spaces:
        raise BadInput(f"{task.name} has no space {search.space!r}; choose from {', '.join(task.spaces)}")
    space = task.spaces[search.space]
    if search.algorithm == "hyperband" and not space.epochs:
        raise BadInput(
            f"space {search.space!r} of {task.name} has no setting for epochs, of which Hyperband gives more "
            "to the better ones; choose random or bayesian"
        )
    return space


def fixed(task: Task, space: Space, given: Mapping[str, str]) -> Any:
    """Resolve the settings that all trials share: the preset's, then the space's, then the user's.

    Raises
    ------
    BadInput
        For parameters that cannot be used, or that the search varies itself.
    """
    for name in given:
        if name in space.varied:
            raise BadInput(
                f"parameter {name}={given[name]!r} is varied by the search; leave it out, or choose "
                "another space"
            )
    presets = {name: {**values, **space.fixed} for name, values in task.presets.items()}
    return resolve(task.settings, presets, given)


def trial_settings(settings: Any, space: Space, values: Mapping[str, Any], share: float = 1.0) -> Any:
    """Resolve the settings of one trial.

    Parameters
    ----------
    settings
        Settings that all trials share.
    space : Space
    values : mapping of str to value
        Values proposed by keras-tuner; names with a slash are its own.
    share : float
        Share of the training events.

    Raises
    ------
    BadInput
        For values that the task does not allow.
    """
    overrides = {name: value for name, value in values.items() if "/" not in name}
    if EPOCHS in values:
        overrides[space.epochs] = values[EPOCHS]
    if share < 1:
        overrides[space.events] = max(round(share * getattr(settings, space.events)), 1)
    return changed(settings, overrides)
