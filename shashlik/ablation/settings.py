"""Parameters of an ablation, and the settings of each of its variants."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shashlik.exceptions import BadInput
from shashlik.task.definition import Task
from shashlik.task.settings import changed, resolve, setting
from shashlik.task.variants import BASE, Study

__all__ = ["StudySettings", "chosen", "common", "separate", "study_of", "variant_settings"]

#: Maximum number of trainings of a variant.
MOST = 100


@dataclass(frozen=True)
class StudySettings:
    """Parameters of an ablation."""

    variants: str = setting(
        "", "names of the variants, separated by commas, each with :N for N trainings; default: all"
    )
    seeds: int = setting(2, "trainings of each variant, to tell a difference from chance", least=1, most=MOST)
    share: float = setting(1.0, "share of the training events that is used", least=1e-3, most=1)
    resume: str = setting("", "id of a study that is continued, or given more variants or trainings")


def separate(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split parameters into those of the ablation and those of the task; ``resume`` is the ablation's."""
    ours = {parameter.name for parameter in dataclasses.fields(StudySettings)}
    return (
        {name: text for name, text in given.items() if name in ours},
        {name: text for name, text in given.items() if name not in ours},
    )


def study_of(task: Task) -> Study:
    """Return the ablation that a task declares.

    Raises
    ------
    BadInput
        If the task declares none.
    """
    if task.study is None:
        raise BadInput(f"{task.name} declares nothing to study: give its Task a `study`, see docs/study.md")
    return task.study


def chosen(study: Study, parameters: StudySettings) -> dict[str, int]:
    """Count the trainings of every variant that takes part, in the declared order.

    The reference of a selected variant takes part too.

    Raises
    ------
    BadInput
        For an unknown name or a number of trainings out of range.
    """
    trainings: dict[str, int] = {}
    for word in filter(None, (part.strip() for part in parameters.variants.split(","))):
        name, colon, number = word.partition(":")
        if name not in study.all:
            raise BadInput(f"no variant {name!r}; choose from {', '.join(study.all)}")
        if colon and not (number.isdigit() and 1 <= int(number) <= MOST):
            raise BadInput(f"variant {word!r}: behind the colon is the number of trainings, 1 to {MOST}")
        trainings[name] = int(number) if colon else parameters.seeds
    if not trainings:
        trainings = dict.fromkeys(study.all, parameters.seeds)
    trainings.setdefault(BASE, parameters.seeds)
    for name in list(trainings):
        trainings.setdefault(study.all[name].against, parameters.seeds)
    return {name: trainings[name] for name in study.all if name in trainings}


def common(task: Task, given: Mapping[str, str]) -> Any:
    """Resolve the settings of the base: the ablation's, then the preset's, then the user's.

    Raises
    ------
    BadInput
        For parameters that cannot be used.
    """
    study = study_of(task)
    presets = {name: {**study.base, **values} for name, values in task.presets.items()}
    return resolve(task.settings, presets, given)


def variant_settings(study: Study, base: Any, name: str, share: float = 1.0) -> Any:
    """Apply a variant to the settings of the base; its changes win over the user's parameters.

    Raises
    ------
    BadInput
        For values that the task does not allow.
    """
    values = dict(study.all[name].values)
    if share < 1:
        number = values.get(study.events, getattr(base, study.events))
        values[study.events] = max(round(share * number), 1)
    return changed(base, values)
