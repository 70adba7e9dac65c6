"""Retention in mlflow: list, delete and permanently remove the runs of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.entities import PagedList
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from registry.retention import Aged, Named

__all__ = ["collect", "delete", "deleted_runs", "registered", "runs_of"]

PAGE = 1000
#: Translates a location known to mlflow to the actual location of the files.
Located = Callable[[str], str]


def runs_of(task: str) -> list[Aged]:
    """List the runs of a task, in its own experiment or in others."""
    return [_aged(run) for run in _runs(task, ViewType.ACTIVE_ONLY)]


def deleted_runs(task: str) -> list[Aged]:
    """List the deleted runs of a task that are not yet removed for good."""
    return [_aged(run) for run in _runs(task, ViewType.DELETED_ONLY)]


def registered() -> list[Named]:
    """List the versions of all registered models."""
    client = MlflowClient()
    models = _pages(lambda token: client.search_registered_models(max_results=PAGE, page_token=token))
    names: dict[tuple[str, int], list[str]] = {}
    for model in models:
        for alias, number in model.aliases.items():
            names.setdefault((model.name, int(number)), []).append(alias)
    versions: Iterator[ModelVersion] = _pages(
        lambda token: client.search_model_versions(max_results=PAGE, page_token=token)
    )
    return [
        Named(
            version.name,
            int(version.version),
            version.run_id or "",
            version.tags,
            tuple(sorted(names.get((version.name, int(version.version)), ()))),
        )
        for version in versions
    ]


def delete(run_ids: Sequence[str]) -> None:
    """Delete runs as the UI does: they can be restored until they are collected."""
    for run_id in run_ids:
        MlflowClient().delete_run(run_id)


def collect(database: str, run_ids: Sequence[str], versions: Sequence[Named], located: Located) -> None:
    """Remove deleted runs for good, with their versions, models, files and rows.

    ``mlflow gc`` would also remove every deleted experiment and model.

    Parameters
    ----------
    database : str
        Address of the tracking store's database.
    run_ids : sequence of str
    versions : sequence of Named
        Versions of these runs; they can no longer be loaded.
    located : callable
        Translates a location known to mlflow to the actual location of the files.
    """
    client, store = MlflowClient(), SqlAlchemyStore(database, "mlruns")
    for version in versions:
        client.delete_model_version(version.model, str(version.number))
    for run_id in run_ids:
        run = store.get_run(run_id)
        models = store.search_logged_models(
            [run.info.experiment_id], filter_string=f"source_run_id = '{run_id}'"
        )
        for model in models:
            store.delete_logged_model(model.model_id)
            _remove(located(model.artifact_location))
            store._hard_delete_logged_model(model.model_id)
        _remove(located(run.info.artifact_uri))
        store._hard_delete_run(run_id)


def _remove(location: str) -> None:
    get_artifact_repository(location).delete_artifacts()


def _runs(task: str, view: int) -> Iterator[Run]:
    client = MlflowClient()
    experiments = _pages(
        lambda token: client.search_experiments(view_type=ViewType.ALL, max_results=PAGE, page_token=token)
    )
    for experiment in experiments:
        # In the task's own experiment, runs that failed early may lack the tag.
        condition = "" if experiment.name == task else f"tags.task = '{task}'"
        search = partial(client.search_runs, [experiment.experiment_id], condition, view, PAGE, None)
        yield from _pages(search)


def _pages(fetch: Callable[[str | None], PagedList[Any]]) -> Iterator[Any]:
    token: str | None = None
    while True:
        page = fetch(token)
        yield from page
        token = page.token
        if not token:
            return


def _aged(run: Run) -> Aged:
    return Aged(
        run.info.run_id,
        run.info.run_name or "",
        run.info.status,
        run.data.tags.get("mlflow.parentRunId", ""),
        (run.info.end_time or run.info.start_time or 0) / 1000,
        run.data.metrics,
        run.data.tags,
    )
