"""Registration in mlflow: create versions of a task's model with their tags and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import Param, RunTag
from mlflow.tracking import MlflowClient

from registry.models import model_files, versions
from tracking.evidence.resolution import AnyEvidence
from tracking.report.rendering import headline
from tracking.runs.indexing import index, registered
from tracking.runs.lifecycle import active
from tracking.runs.recorder import Recorder

__all__ = ["Arrival", "adopt", "register"]

LONGEST_DESCRIPTION = 5000


def register(
    task: str, model_uri: str, run_id: str, evidence: AnyEvidence, estimator: str, baseline: bool = False
) -> int:
    """Register a logged model as a version of the registered model named after its task.

    A run registers an estimator once: a second call, as after a resume, returns the existing version.

    Parameters
    ----------
    task : str
        Name of the task and of the registered model, which is created if needed.
    model_uri : str
        As returned by `tracking.runs.models.log_model`.
    run_id : str
        The run of the model.
    evidence : AnyEvidence
        Evidence of the model; its headline becomes the description.
    estimator : str
        Name of the estimator in the evidence.
    baseline : bool
        Whether the version is a baseline rather than a candidate.

    Returns
    -------
    int
        The version.
    """
    client = MlflowClient()
    versions.ensure(task)
    for version in client.search_model_versions(f"name='{task}' and run_id='{run_id}'"):
        if version.tags.get("estimator") == estimator:
            registered(run_id, estimator, int(version.version))
            return int(version.version)
    files = Path(mlflow.artifacts.download_artifacts(model_uri))
    tags = {
        "model.sha256": model_files.sha256(files),
        "estimator": estimator,
        "evidence.sha256": evidence.sha256,
        "data.sha256": evidence.facts.sha256,
        "task": task,
    } | ({"baseline": estimator} if baseline else {})
    created = client.create_model_version(
        name=task,
        source=model_uri,
        run_id=run_id,
        tags=tags,
        description=_description(evidence),
        model_id=mlflow.models.get_model_info(model_uri).model_id,
    )
    registered(run_id, estimator, int(created.version))
    return int(created.version)


@dataclass(frozen=True)
class Arrival:
    """A version created elsewhere, to be imported.

    Parameters
    ----------
    settings : mapping of str to str
        Settings of the run that created it.
    run_tags, tags : mapping of str to str
        Tags of the new run and of the new version.
    evidence : AnyEvidence
        Evidence of the version.
    folders : mapping of str to pathlib.Path
        Artifacts of the run, by path; ``model`` is the model.
    description : str
        Description of the version.
    note : str
        Description of the run.
    """

    settings: Mapping[str, str]
    run_tags: Mapping[str, str]
    tags: Mapping[str, str]
    evidence: AnyEvidence
    folders: Mapping[str, Path]
    description: str
    note: str


def adopt(task: str, arrival: Arrival) -> int:
    """Register a version from files created elsewhere, with a new run in place of the original.

    Returns
    -------
    int
        The version.
    """
    client = MlflowClient()
    with active(task) as run:
        run_id = run.info.run_id
        tags = {**arrival.run_tags, "task": task, "mlflow.note.content": arrival.note}
        client.log_batch(
            run_id,
            params=[Param(f"cfg.{name}", value) for name, value in arrival.settings.items()],
            tags=[RunTag(*tag) for tag in tags.items()],
        )
        Recorder(run_id).metrics(arrival.evidence.metrics())
        for path, folder in arrival.folders.items():
            client.log_artifacts(run_id, str(folder), path)
        index(run_id, arrival.evidence)
        versions.ensure(task)
        created = client.create_model_version(
            name=task,
            source=f"{run.info.artifact_uri}/model",
            run_id=run_id,
            tags=dict(arrival.tags),
            description=arrival.description.replace("{run}", run_id)[:LONGEST_DESCRIPTION],
        )
        registered(run_id, arrival.tags["estimator"], int(created.version))
    return int(created.version)


def _description(evidence: AnyEvidence) -> str:
    text = ""
    for block in headline(evidence):
        if len(text) + len(block) > LONGEST_DESCRIPTION:
            break
        text += f"{block}\n\n"
    return text.rstrip()
