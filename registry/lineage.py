"""The mlflow side of where versions come from: their runs, what is kept there, and runs like them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from registry.verdict import Spread
from registry.versions import Version
from tracking.runs import CannotRecord, one_line

__all__ = [
    "fetch_files", "log_files", "restore", "run_metrics", "run_settings", "run_tags", "spreads", "stage",
    "tag_run",
]  # fmt: skip


def spreads(version: Version, quantities: Sequence[str]) -> tuple[Spread, ...]:
    """How widths scatter over the finished runs that have this version's settings but for the seed."""
    client = MlflowClient()
    own = client.get_run(version.run_id)
    settings = _settings(own.data.params)
    runs = client.search_runs([own.info.experiment_id], "attributes.status = 'FINISHED'", max_results=1000)
    alike = [run.data.metrics for run in runs if _settings(run.data.params) == settings]
    found = []
    for quantity in quantities:
        name = f"{version.estimator}/{quantity}/sigma"
        widths = [metrics[name] for metrics in alike if name in metrics]
        if len(widths) > 1:
            found.append(Spread(quantity, len(widths), stdev(widths) / mean(widths)))
    return tuple(found)


def _settings(params: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in params.items() if name.startswith("cfg.") and name != "cfg.seed"}


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
    return {name.removeprefix("cfg."): value for name, value in params.items() if name.startswith("cfg.")}


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
    """Bring a deleted run back."""
    MlflowClient().restore_run(run_id)
