"""The mlflow side of where versions come from: their runs, what is kept there, and runs like them."""

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
    """Versions whose runs had the settings of this one's, but for the seed: one a seed, the newest first.

    Parameters
    ----------
    among : sequence of Version
        Where to look, the oldest first.
    most : int
        How many at most.
    """
    own = run_settings(version.run_id)
    found: dict[str, Version] = {}
    for other in reversed(among):
        if len(found) == most:
            break
        settings = run_settings(other.run_id) if other.estimator == version.estimator else {}
        seed = settings.get("seed", own.get("seed", ""))
        if own and settings | {"seed": ""} == own | {"seed": ""} and seed not in {own["seed"], *found}:
            found[seed] = other
    return tuple(found.values())


def log_files(run_id: str, folder: Path, where: str) -> None:
    """Keep the files of a folder with a run."""
    MlflowClient().log_artifacts(run_id, str(folder), where)


def fetch_files(run_id: str, where: str, folder: Path) -> Path:
    """The files that a run keeps in `where`, below `folder`.

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
    """The resolved settings of a run, as they were logged; empty where it is gone."""
    try:
        params = MlflowClient().get_run(run_id).data.params
    except MlflowException:
        return {}
    return settings_in(params)


def run_tags(run_id: str) -> Mapping[str, str]:
    """Tags of a run; empty where it is gone."""
    try:
        return MlflowClient().get_run(run_id).data.tags
    except MlflowException:
        return {}


def tag_run(run_id: str, tags: Mapping[str, str]) -> None:
    """Set tags of a run."""
    for name, value in tags.items():
        MlflowClient().set_tag(run_id, name, value)


def run_metrics(run_id: str) -> Mapping[str, float]:
    """Metrics of a run; empty where it is gone."""
    try:
        return MlflowClient().get_run(run_id).data.metrics
    except MlflowException:
        return {}


def stage(run_id: str) -> str:
    """``active``, ``deleted``, or ``gone``."""
    try:
        return MlflowClient().get_run(run_id).info.lifecycle_stage
    except MlflowException:
        return "gone"


def restore(run_id: str) -> None:
    """Bring a deleted run back, and its experiment, with which it may have been deleted."""
    client = MlflowClient()
    experiment = client.get_experiment(client.get_run(run_id).info.experiment_id)
    if experiment.lifecycle_stage != "active":
        client.restore_experiment(experiment.experiment_id)
    client.restore_run(run_id)
