"""Reading from mlflow: evidence and settings of a run, and the runs nested below it."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tracking.evidence.predictions import PredictionTable, read
from tracking.evidence.resolution import AnyEvidence, from_json
from tracking.runs.lifecycle import FAILURE, CannotRecord, one_line, resumable

__all__ = ["ANSWERS", "Found", "answers", "look", "nested", "recall", "settings_in", "settings_of"]

#: Artifact path where `tracking.report.run_report.write` puts the predictions on the test events of a run.
ANSWERS = "evidence/predictions.parquet"

#: Number of runs per request.
_PAGE = 1000


@dataclass(frozen=True)
class Found:
    """Recorded state of a run.

    Parameters
    ----------
    run_id, status : str
        Id and status in mlflow.
    failure : str
        Reason for a failure; empty without one.
    seconds : float
        Duration; NaN while it runs.
    settings : mapping of str to str
        Resolved settings as they were logged.
    metrics : mapping of str to float
    tags : mapping of str to str
    """

    run_id: str
    status: str
    failure: str
    seconds: float
    settings: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]


def settings_in(params: Mapping[str, str]) -> dict[str, str]:
    """Select the resolved settings among the parameters of a run."""
    return {name.removeprefix("cfg."): value for name, value in params.items() if name.startswith("cfg.")}


def _state(run: Run) -> Found:
    begin, end = run.info.start_time, run.info.end_time
    return Found(
        run.info.run_id,
        run.info.status,
        run.data.tags.get(FAILURE, ""),
        (end - begin) / 1e3 if begin and end else math.nan,
        settings_in(run.data.params),
        run.data.metrics,
        run.data.tags,
    )


def look(run_id: str) -> Found:
    """Look up the recorded state of a run.

    Raises
    ------
    CannotRecord
        If there is no such run.
    """
    try:
        return _state(MlflowClient().get_run(run_id))
    except MlflowException as error:
        raise CannotRecord(f"no run {run_id!r} in {mlflow.get_tracking_uri()}") from error


def nested(parent: str, **tags: str) -> list[Found]:
    """List the runs below `parent` that have these tags, the oldest first."""
    client = MlflowClient()
    filters = {"mlflow.parentRunId": parent, **tags}
    query = " and ".join(f"tags.`{name}` = '{value}'" for name, value in filters.items())
    experiment = client.get_run(parent).info.experiment_id
    runs: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment], query, max_results=_PAGE, page_token=token)
        runs += page
        token = page.token
        if not token:
            return [_state(run) for run in sorted(runs, key=lambda run: run.info.start_time)]


def settings_of(run_id: str, task: str, reopen: bool = False) -> dict[str, str]:
    """Look up the resolved settings, as logged, of a run of `task` that can be resumed or reopened.

    Raises
    ------
    CannotRecord
        If the store does not answer or there is no such run.
    """
    return settings_in(resumable(run_id, task, reopen).data.params)


def recall(run_id: str) -> AnyEvidence:
    """Load the evidence of a run.

    Raises
    ------
    CannotRecord
        If there is no such run, or it has no readable evidence.
    """
    try:
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/evidence/evidence.json")
        return from_json(text)
    except (MlflowException, OSError, ValueError, json.JSONDecodeError) as error:
        raise CannotRecord(
            f"no evidence of run {run_id!r} in {mlflow.get_tracking_uri()} ({one_line(error)})"
        ) from error


def answers(run_id: str, path: str = ANSWERS) -> PredictionTable:
    """Load the predictions that a run recorded, event by event.

    Parameters
    ----------
    path : str
        Artifact with the predictions on the run's test events, or others from
        `tracking.runs.recorder.Recorder.answers`.

    Raises
    ------
    CannotRecord
        If there are no readable predictions.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return read(Path(MlflowClient().download_artifacts(run_id, path, scratch)))
        except (MlflowException, OSError, ValueError) as error:
            raise CannotRecord(
                f"no predictions {path} of run {run_id!r} in {mlflow.get_tracking_uri()} ({one_line(error)})"
            ) from error
