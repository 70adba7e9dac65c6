"""Check that everything the registry relies on exists and is consistent."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from registry.gate import verdict
from registry.journal.champions import Registry
from registry.journal.direct import verify
from registry.models import frozen_sample as frozen
from registry.models import lineage, versions
from registry.models.frozen_sample import Frozen
from registry.models.versions import Version
from shashlik.evaluation.frozen_evaluation import frozen_sample
from shashlik.task.definition import Task
from tracking.runs.lifecycle import CannotRecord, one_line
from tracking.runs.reader import recall

__all__ = ["doctor"]


def doctor(registry: Registry, task: Task, repair: bool = False) -> tuple[list[str], list[str]]:
    """Check the registry of a task; return lists of problems and of repairs.

    The checks cover the hash chain of the journal, the aliases against the journal, and the frozen sample.
    Versions that are or were champion or baseline must exist with their runs, models, evidence and verdicts,
    and match their hashes. With `repair`, aliases are set and deleted runs restored. Permanent losses and a
    broken chain are only reported.
    """
    name = task.name
    problems = verify(registry.journal.entries(name), versions.anchor(name))
    repaired: list[str] = []
    now = registry.state(name)
    for number in sorted(now.protected):
        if not versions.exists(name, number):
            problems.append(f"version {number} of {name} was champion or baseline and was deleted")
            continue
        version = versions.find(name, str(number))
        _run(version.run_id, f"of version {number} of {name}", repair, problems, repaired)
        try:
            versions.fetch(name, str(number))
        except CannotRecord as error:
            problems.append(str(error))
        problems += _papers(version)
    if now.frozen:
        sample = Frozen.of(now.frozen)
        _run(sample.run_id, f"of frozen sample {sample.version} of {name}", repair, problems, repaired)
        try:
            frozen_sample(task, sample)
            if frozen.identities(name) is None:
                problems.append(f"trainings of {name} do not find frozen sample {sample.version}")
        except (CannotRecord, ValueError) as error:
            problems.append(str(error))
    if repair:
        try:
            repaired += registry.settle(name)
        except RuntimeError as error:
            problems.append(str(error))
    problems += [line for line in registry.problems(name) if line not in problems]
    return problems, repaired


def _papers(version: Version) -> Iterator[str]:
    """List the problems with evidence and verdict of a version."""
    where = f"{version.name} of {version.task}"
    try:
        if recall(version.run_id).sha256 != version.tags.get("evidence.sha256"):
            yield f"the evidence of {where} is not that with which it was registered: its SHA-256 differs"
    except CannotRecord as error:
        yield f"{where}: {error}"
    if sha256 := version.tags.get("verdict.sha256", ""):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                folder = lineage.fetch_files(version.run_id, f"verdicts/{sha256[:12]}", Path(scratch))
                actual = verdict.from_json((folder / "verdict.json").read_text()).sha256
            except (CannotRecord, OSError, ValueError) as error:
                yield f"the verdict on {where} cannot be read: {one_line(error)}"
                return
        if actual != sha256:
            yield f"the verdict on {where} is not the one that was given: its SHA-256 differs"


def _run(run_id: str, what: str, repair: bool, problems: list[str], repaired: list[str]) -> None:
    state = lineage.stage(run_id)
    if state == "active":
        return
    if state == "deleted" and repair:
        lineage.restore(run_id)
        repaired.append(f"run {run_id} {what} was deleted and is restored")
    else:
        remedy = (
            "was deleted: --repair restores it"
            if state == "deleted"
            else "is gone for good: a bundle of it can be imported"
        )
        problems.append(f"run {run_id} {what} {remedy}")
