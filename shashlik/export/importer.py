"""Import a bundle as a candidate: the same version in another registry."""

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

#: Tag of the version that identifies its bundle.
KNOWN = "imported.manifest"
#: Tags that stay valid in every registry; a verdict counts only in the registry that issued it.
KEPT = ("model.sha256", "evidence.sha256", "data.sha256", "estimator", "task")


def opened(folder: Path, sha256: str = "") -> tuple[dict[str, Any], str]:
    """Check every file of a bundle against its manifest; return the manifest and its SHA-256.

    Raises
    ------
    BadInput
        With the name of the missing or changed file.
    """
    try:
        return bundle.sealed(folder, sha256)
    except Damaged as error:
        raise BadInput(str(error)) from error


def bring(registry: Registry, task: Task, folder: Path, manifest: Mapping[str, Any], sha256: str) -> int:
    """Make a candidate of a bundle, unless it is already in the registry.

    Parameters
    ----------
    registry : Registry
        Registry that records the import. No champion changes.
    task : Task
        Task named in the manifest.
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
        If model, evidence or verdict differ from the manifest, or do not belong together.
    shashlik.export.parity.Disagrees
        If the model does not reproduce its golden vectors here.
    """
    for version in versions.listed(task.name):
        if version.tags.get(KNOWN) == sha256:
            return version.number
    tags, model = manifest["tags"], folder / bundle.MODEL
    proof = _evidence(folder, task.name)
    _same(folder, "model", model_files.sha256(model), tags["model.sha256"])
    _same(folder, "evidence", proof.sha256, tags["evidence.sha256"])
    ruling = manifest["verdict"]
    if ruling:
        original = verdict.from_json((folder / bundle.VERDICT / "verdict.json").read_text())
        _same(folder, "verdict", original.sha256, ruling["sha256"])
    _repeats(model, golden_vectors.read(folder / bundle.GOLDEN))
    origin = {
        "imported.from": manifest["store"],
        "imported.version": str(manifest["version"]),
        "imported.run": manifest["run"]["id"],
        KNOWN: sha256,
    }
    if ruling:
        origin |= {
            f"imported.verdict{suffix}": ruling[key]
            for suffix, key in (("", "decision"), (".sha256", "sha256"))
        }
    note = (
        f"Version {manifest['version']} of {task.name} in {manifest['store']}, run {manifest['run']['id']} "
        f"there, imported from a bundle with the manifest {sha256}."
    )
    with tempfile.TemporaryDirectory() as scratch:
        folders = {"evidence": folder / bundle.EVIDENCE, "model": model}
        if ruling:
            papers = Path(shutil.copytree(folder / bundle.VERDICT, Path(scratch) / "verdict"))
            shutil.copy(folder / bundle.CARD, papers)
            folders[f"verdicts/{ruling['sha256'][:12]}"] = papers
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
        evidence = resolution.from_json(path.read_text())
    except ValueError as error:
        raise BadInput(f"{path} is no evidence that this program reads ({error}): export it again") from error
    if evidence.facts.task != task:
        raise BadInput(
            f"{path} is of the task {evidence.facts.task!r}, the manifest of {task!r}: export it again"
        )
    return evidence


def _same(folder: Path, what: str, actual: str, expected: str) -> None:
    if actual != expected:
        raise BadInput(
            f"the {what} of {folder} has the SHA-256 {actual[:12]}, its version says {expected[:12]}: it is "
            "not the one that was registered; export the version again"
        )


def _repeats(model: Path, events: golden_vectors.Golden) -> None:
    predict, _ = load(model_files.keep(model))
    actual = predict(events.columns)
    kinds = {name: str(values.dtype) for name, values in events.outputs.items()}
    expected = {name: values.astype(np.float64) for name, values in events.outputs.items()}
    parity.demand(parity.compare(actual, expected, kinds), "the model of the bundle, loaded here,")


def _unseen(registry: Registry, task: str, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return the tag that allows an evaluation, if the model never trained on this frozen sample."""
    frozen = registry.state(task).frozen
    if frozen and manifest["unseen"] and frozen["sha256"] == manifest["frozen"]["sha256"]:
        return {"frozen.unseen": str(frozen["version"])}
    return {}


def _description(folder: Path, manifest: Mapping[str, Any], note: str) -> str:
    """Return the original description, with its figures in the new run."""
    text = (folder / bundle.DESCRIPTION).read_text().replace(manifest["run"]["id"], "{run}")
    return f"{note}\n\n{text}"
