"""``shashlik import``: a bundle becomes a candidate, the same version in another registry."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from registry.gate import verdict
from registry.journal.champions import Registry
from registry.models import bundle, model_files, registration, versions
from registry.models.bundle import Damaged
from registry.models.registration import Arrival
from shashlik.exceptions import BadInput
from shashlik.export import golden_vectors, parity
from shashlik.task.definition import Task
from tracking.evidence import resolution
from tracking.runs.models import load

__all__ = ["bring", "opened"]

#: Tag of the version by which a bundle is known again.
KNOWN = "imported.manifest"
#: What a version says of itself wherever it is; its verdict counts only in the registry that gave it.
KEPT = ("model.sha256", "evidence.sha256", "data.sha256", "estimator", "task")


def opened(folder: Path, sha256: str = "") -> tuple[dict[str, Any], str]:
    """The manifest of a bundle and its SHA-256, after every file was checked against it.

    Raises
    ------
    BadInput
        Names the file that is missing or was changed.
    """
    try:
        return bundle.sealed(folder, sha256)
    except Damaged as error:
        raise BadInput(str(error)) from error


def bring(registry: Registry, task: Task, folder: Path, manifest: Mapping[str, Any], sha256: str) -> int:
    """Make a candidate of a bundle; one that is there already is not made again.

    Parameters
    ----------
    registry : Registry
        Takes note of it. No champion changes.
    task : Task
        The one that the manifest names.
    folder : pathlib.Path
        The bundle.
    manifest, sha256
        From `opened`.

    Returns
    -------
    int
        Version in this registry.

    Raises
    ------
    BadInput
        If model, evidence or verdict are not those that the manifest names, or do not belong together.
    shashlik.export.parity.Disagrees
        If the model says something else here than its golden vectors.
    """
    for version in versions.listed(task.name):
        if version.tags.get(KNOWN) == sha256:
            return version.number
    tags, model = manifest["tags"], folder / bundle.MODEL
    proof = _evidence(folder, task.name)
    _same(folder, "model", model_files.sha256(model), tags["model.sha256"])
    _same(folder, "evidence", proof.sha256, tags["evidence.sha256"])
    given = manifest["verdict"]
    if given:
        found = verdict.from_json((folder / bundle.VERDICT / "verdict.json").read_text())
        _same(folder, "verdict", found.sha256, given["sha256"])
    _repeats(model, golden_vectors.read(folder / bundle.GOLDEN))
    origin = {
        "imported.from": manifest["store"],
        "imported.version": str(manifest["version"]),
        "imported.run": manifest["run"]["id"],
        KNOWN: sha256,
    }
    if given:
        origin |= {
            f"imported.verdict{end}": given[key] for end, key in (("", "decision"), (".sha256", "sha256"))
        }
    note = (
        f"Version {manifest['version']} of {task.name} in {manifest['store']}, run {manifest['run']['id']} "
        f"there, imported from a bundle with the manifest {sha256}."
    )
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"evidence": folder / bundle.EVIDENCE, "model": model}
        if given:
            papers = Path(shutil.copytree(folder / bundle.VERDICT, Path(scratch) / "verdict"))
            shutil.copy(folder / bundle.CARD, papers)
            folders[f"verdicts/{given['sha256'][:12]}"] = papers
        arrival = Arrival(
            manifest["run"]["settings"],
            {**manifest["run"]["tags"], **origin, **_unseen(registry, task.name, manifest)},
            {**{name: tags[name] for name in KEPT if name in tags}, **origin},
            proof,
            folders,
            _description(folder, manifest, note),
            note,
        )
        number = registration.adopt(task.name, arrival)
    details = {"manifest": sha256, "store": manifest["store"], "version": manifest["version"]}
    registry.note(task.name, "import", number, details)
    return number


def _evidence(folder: Path, task: str) -> resolution.AnyEvidence:
    path = folder / bundle.EVIDENCE / "evidence.json"
    try:
        found = resolution.from_json(path.read_text())
    except ValueError as error:
        raise BadInput(f"{path} is no evidence that this program reads ({error}): export it again") from error
    if found.facts.task != task:
        raise BadInput(
            f"{path} is of the task {found.facts.task!r}, the manifest of {task!r}: export it again"
        )
    return found


def _same(folder: Path, what: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise BadInput(
            f"the {what} of {folder} has the SHA-256 {found[:12]}, its version says {wanted[:12]}: it is not "
            "the one that was registered; export the version again"
        )


def _repeats(model: Path, events: golden_vectors.Golden) -> None:
    predict, _ = load(model_files.keep(model))
    found = predict(events.columns)
    kinds = {name: str(values.dtype) for name, values in events.outputs.items()}
    wanted = {name: values.astype(np.float64) for name, values in events.outputs.items()}
    parity.demand(parity.compare(found, wanted, kinds), "the model of the bundle, loaded here,")


def _unseen(registry: Registry, task: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Where it was trained without the events that are frozen here too, it can be judged on them."""
    frozen = registry.state(task).frozen
    if frozen and manifest["unseen"] and frozen["sha256"] == manifest["frozen"]["sha256"]:
        return {"frozen.unseen": str(frozen["version"])}
    return {}


def _description(folder: Path, manifest: Mapping[str, Any], note: str) -> str:
    """The description that it had, its figures looked for in the new run."""
    text = (folder / bundle.DESCRIPTION).read_text().replace(manifest["run"]["id"], "{run}")
    return f"{note}\n\n{text}"
