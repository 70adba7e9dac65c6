"""The mlflow side of what was recorded: evidence and settings of a run, and the runs nested below it."""

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

#: Where `tracking.report.run_report.write` puts the predictions on the test events of a run.
ANSWERS = "evidence/predictions.parquet"

#: Runs asked for at a time.
_PAGE = 1000


@dataclass(frozen=True)
class Found:
    """What is known of a run.

    Parameters
    ----------
    run_id, status : str
        As mlflow has them.
    failure : str
        Why it failed; empty if it did not.
    seconds : float
        How long it took; NaN while it runs.
    settings : mapping of str to str
        The resolved settings as they were logged.
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
    """The resolved settings among the parameters of a run."""
    return {name.removeprefix("cfg."): value for name, value in params.items() if name.startswith("cfg.")}


def _found(run: Run) -> Found:
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
    """What is known of a run.

    Raises
    ------
    CannotRecord
        If there is no such run.
    """
    try:
        return _found(MlflowClient().get_run(run_id))
    except MlflowException as error:
        raise CannotRecord(f"no run {run_id!r} in {mlflow.get_tracking_uri()}") from error


def nested(parent: str, **tags: str) -> list[Found]:
    """The runs below `parent` that have these tags, the oldest first."""
    client = MlflowClient()
    wanted = {"mlflow.parentRunId": parent, **tags}
    text = " and ".join(f"tags.`{name}` = '{value}'" for name, value in wanted.items())
    experiment = client.get_run(parent).info.experiment_id
    found: list[Run] = []
    token: str | None = None
    while True:
        page = client.search_runs([experiment], text, max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            return [_found(run) for run in sorted(found, key=lambda run: run.info.start_time)]


def settings_of(run_id: str, task: str, reopen: bool = False) -> dict[str, str]:
    """The resolved settings, as they were logged, of a run of `task` that can be resumed, or reopened.

    Raises
    ------
    CannotRecord
        If the store does not answer or there is no such run.
    """
    return settings_in(resumable(run_id, task, reopen).data.params)


def recall(run_id: str) -> AnyEvidence:
    """The evidence of a run.

    Raises
    ------
    CannotRecord
        If there is no such run, or it has no evidence that can be read.
    """
    try:
        text = mlflow.artifacts.load_text(f"runs:/{run_id}/evidence/evidence.json")
        return from_json(text)
    except (MlflowException, OSError, ValueError, json.JSONDecodeError) as error:
        raise CannotRecord(
            f"no evidence of run {run_id!r} in {mlflow.get_tracking_uri()} ({one_line(error)})"
        ) from error


def answers(run_id: str, path: str = ANSWERS) -> PredictionTable:
    """Predictions that a run recorded, event by event.

    Parameters
    ----------
    path : str
        The artifact: those on the run's test events, or others from
        `tracking.runs.recorder.Recorder.answers`.

    Raises
    ------
    CannotRecord
        If there are none that can be read.
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            return read(Path(MlflowClient().download_artifacts(run_id, path, scratch)))
        except (MlflowException, OSError, ValueError) as error:
            raise CannotRecord(
                f"no predictions {path} of run {run_id!r} in {mlflow.get_tracking_uri()} ({one_line(error)})"
            ) from error
