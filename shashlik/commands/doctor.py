"""``shashlik doctor``: does everything that the registry stands on exist and agree?"""

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
    """What is wrong, and what was repaired; both in words.

    Checked are the chain of the journal, aliases against it, and that versions that are or were champion or
    baseline, their runs, models, evidence and verdicts, and the frozen sample are there and are by their
    hashes what they were. Aliases are set and deleted runs restored on request; what is gone for good, or a
    broken chain, is only reported.
    """
    name = task.name
    wrong = verify(registry.journal.entries(name), versions.anchor(name))
    repaired: list[str] = []
    now = registry.state(name)
    for number in sorted(now.protected):
        if not versions.exists(name, number):
            wrong.append(f"version {number} of {name} was champion or baseline and was deleted")
            continue
        version = versions.find(name, str(number))
        _run(version.run_id, f"of version {number} of {name}", repair, wrong, repaired)
        try:
            versions.fetch(name, str(number))
        except CannotRecord as error:
            wrong.append(str(error))
        wrong += _papers(version)
    if now.frozen:
        kept = Frozen.of(now.frozen)
        _run(kept.run_id, f"of frozen sample {kept.version} of {name}", repair, wrong, repaired)
        try:
            frozen_sample(task, kept)
            if frozen.identities(name) is None:
                wrong.append(f"trainings of {name} do not find frozen sample {kept.version}")
        except (CannotRecord, ValueError) as error:
            wrong.append(str(error))
    if repair:
        try:
            repaired += registry.settle(name)
        except RuntimeError as error:
            wrong.append(str(error))
    wrong += [line for line in registry.problems(name) if line not in wrong]
    return wrong, repaired


def _papers(version: Version) -> Iterator[str]:
    """What is wrong with evidence and verdict of a version."""
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
                found = verdict.from_json((folder / "verdict.json").read_text()).sha256
            except (CannotRecord, OSError, ValueError) as error:
                yield f"the verdict on {where} cannot be read: {one_line(error)}"
                return
        if found != sha256:
            yield f"the verdict on {where} is not the one that was given: its SHA-256 differs"


def _run(run_id: str, what: str, repair: bool, wrong: list[str], repaired: list[str]) -> None:
    state = lineage.stage(run_id)
    if state == "active":
        return
    if state == "deleted" and repair:
        lineage.restore(run_id)
        repaired.append(f"run {run_id} {what} was deleted and is restored")
    else:
        gone = (
            "was deleted: --repair restores it"
            if state == "deleted"
            else "is gone for good: a bundle of it can be imported"
        )
        wrong.append(f"run {run_id} {what} {gone}")
