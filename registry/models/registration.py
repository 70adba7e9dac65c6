"""The mlflow side of the registry: versions of a task's model, and what is written on them."""

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
    """Make a logged model a version of the registered model named after its task.

    A run registers an estimator once: a second call, as after a resume, returns the version that is there.

    Parameters
    ----------
    task : str
        Name of the task and of the registered model, which is made when it does not exist.
    model_uri : str
        As `tracking.runs.models.log_model` returns it.
    run_id : str
        The run that the model belongs to.
    evidence : AnyEvidence
        What it was judged by; its headline becomes the description.
    estimator : str
        Name of the estimator in the evidence.
    baseline : bool
        Whether it is one to compare with, and no candidate.

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
    made = client.create_model_version(
        name=task,
        source=model_uri,
        run_id=run_id,
        tags=tags,
        description=_description(evidence),
        model_id=mlflow.models.get_model_info(model_uri).model_id,
    )
    registered(run_id, estimator, int(made.version))
    return int(made.version)


@dataclass(frozen=True)
class Arrival:
    """A version that was made elsewhere, as it comes in.

    Parameters
    ----------
    settings : mapping of str to str
        Of the run that made it.
    run_tags, tags : mapping of str to str
        Of the run and of the version to be made.
    evidence : AnyEvidence
        What it was judged by.
    folders : mapping of str to pathlib.Path
        What the run is to keep, by place; ``model`` is the model.
    description : str
        Of the version.
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
    """Make a version of files from elsewhere, with a run of its own that stands for the one that made it.

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
            tags=[RunTag(*item) for item in tags.items()],
        )
        Recorder(run_id).metrics(arrival.evidence.metrics())
        for where, folder in arrival.folders.items():
            client.log_artifacts(run_id, str(folder), where)
        index(run_id, arrival.evidence)
        versions.ensure(task)
        made = client.create_model_version(
            name=task,
            source=f"{run.info.artifact_uri}/model",
            run_id=run_id,
            tags=dict(arrival.tags),
            description=arrival.description.replace("{run}", run_id)[:LONGEST_DESCRIPTION],
        )
        registered(run_id, arrival.tags["estimator"], int(made.version))
    return int(made.version)


def _description(evidence: AnyEvidence) -> str:
    text = ""
    for block in headline(evidence):
        if len(text) + len(block) > LONGEST_DESCRIPTION:
            break
        text += f"{block}\n\n"
    return text.rstrip()
