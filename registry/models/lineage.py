"""Lineage of versions in mlflow: their runs, the files of these runs, and sibling runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from registry.models.versions import Version
from tracking.runs.lifecycle import CannotRecord, one_line
from tracking.runs.reader import settings_in

__all__ = [
    "fetch_files",
    "log_files",
    "restore",
    "run_metrics",
    "run_settings",
    "run_tags",
    "siblings",
    "stage",
    "tag_run",
]


def siblings(version: Version, among: Sequence[Version], most: int) -> tuple[Version, ...]:
    """Return versions whose runs differ from this one's only in the random seed.

    There is one version per seed, the newest first.

    Parameters
    ----------
    among : sequence of Version
        Versions to search, the oldest first.
    most : int
        Largest number of versions returned.
    """
    reference = run_settings(version.run_id)
    selected: dict[str, Version] = {}
    for other in reversed(among):
        if len(selected) == most:
            break
        settings = run_settings(other.run_id) if other.estimator == version.estimator else {}
        seed = settings.get("seed", reference.get("seed", ""))
        if (
            reference
            and settings | {"seed": ""} == reference | {"seed": ""}
            and seed not in {reference["seed"], *selected}
        ):
            selected[seed] = other
    return tuple(selected.values())


def log_files(run_id: str, folder: Path, where: str) -> None:
    """Log the files of a folder to a run."""
    MlflowClient().log_artifacts(run_id, str(folder), where)


def fetch_files(run_id: str, where: str, folder: Path) -> Path:
    """Download the files of a run in `where` into `folder`.

    Raises
    ------
    CannotRecord
        If they are gone.
    """
    try:
        return Path(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/{where}", dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise CannotRecord(f"{where} of run {run_id} cannot be fetched ({one_line(error)})") from error


def run_settings(run_id: str) -> dict[str, str]:
    """Return the resolved settings logged by a run; empty if the run is gone."""
    try:
        params = MlflowClient().get_run(run_id).data.params
    except MlflowException:
        return {}
    return settings_in(params)


def run_tags(run_id: str) -> Mapping[str, str]:
    """Return the tags of a run; empty if it is gone."""
    try:
        return MlflowClient().get_run(run_id).data.tags
    except MlflowException:
        return {}


def tag_run(run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run."""
    for name, value in tags.items():
        MlflowClient().set_tag(run_id, name, value)


def run_metrics(run_id: str) -> Mapping[str, float]:
    """Return the metrics of a run; empty if it is gone."""
    try:
        return MlflowClient().get_run(run_id).data.metrics
    except MlflowException:
        return {}


def stage(run_id: str) -> str:
    """Return the lifecycle stage of a run: ``active``, ``deleted`` or ``gone``."""
    try:
        return MlflowClient().get_run(run_id).info.lifecycle_stage
    except MlflowException:
        return "gone"


def restore(run_id: str) -> None:
    """Restore a deleted run, and its experiment if that was deleted too."""
    client = MlflowClient()
    experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
    client.restore_run(run_id)
