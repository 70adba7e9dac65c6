"""The mlflow side of the registry: versions of a task's model, and what is written on them."""

from __future__ import annotations

from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from registry import modelfiles
from tracking.evidence import Evidence
from tracking.tables import headline

__all__ = ["register"]

LONGEST_DESCRIPTION = 5000


def register(
    task: str, model_uri: str, run_id: str, evidence: Evidence, estimator: str, baseline: bool = False
) -> int:
    """Make a logged model a version of the registered model named after its task.

    A run registers an estimator once: a second call, as after a resume, returns the version that is there.

    Parameters
    ----------
    task : str
        Name of the task and of the registered model, which is made when it does not exist.
    model_uri : str
        As `tracking.models.log_model` returns it.
    run_id : str
        The run that the model belongs to.
    evidence : Evidence
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
    try:
        client.create_registered_model(task, description=f"Estimators of the task {task}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    for version in client.search_model_versions(f"name='{task}' and run_id='{run_id}'"):
        if version.tags.get("estimator") == estimator:
            return int(version.version)
    files = Path(mlflow.artifacts.download_artifacts(model_uri))
    tags = {
        "model.sha256": modelfiles.sha256(files),
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
    return int(made.version)


def _description(evidence: Evidence) -> str:
    text = ""
    for block in headline(evidence):
        if len(text) + len(block) > LONGEST_DESCRIPTION:
            break
        text += f"{block}\n\n"
    return text.rstrip()
