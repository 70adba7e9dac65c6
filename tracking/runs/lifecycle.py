"""Life cycle of an mlflow run: it starts or resumes, and never stays RUNNING after its process ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType

import mlflow
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from requests import RequestException

from tracking.runs.processes import lives, signature

__all__ = [
    "FAILURE",
    "MOST_METRICS",
    "CannotRecord",
    "Terminated",
    "abandon",
    "active",
    "one_line",
    "resumable",
    "silence",
]

#: Tag with the purpose of an experiment. The UI of mlflow 3.17 shows its model-training view only when the
#: address requests it (see `tracking.runs.recorder.Recorder.link`); other versions use this tag.
KIND = ("mlflow.experimentKind", "custom_model_development")
PROCESS = "process"
#: Limit of mlflow for the metrics of one request.
MOST_METRICS = 1000
FAILURE = "failure"
#: Seconds after which an ignored signal is sent again.
AGAIN_AFTER = 10.0


class CannotRecord(RuntimeError):
    """Error of a run that cannot be started, resumed or stored. Its text is one line for the user."""


class Terminated(SystemExit):
    """SIGTERM or SIGHUP as an exception in the main thread, so that runs are closed on exit."""

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.name = signal.Signals(number).name


def one_line(error: BaseException) -> str:
    """Summarise the cause of an error in one line for a tag."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted by the user"
    if isinstance(error, Terminated):
        return f"terminated by {error.name}"
    if isinstance(error, SystemExit):
        return f"stopped before its end with exit code {error.code}"
    # SQLAlchemy adds the statement and a link, which would hide the reason.
    text = " ".join(str(error).split()).partition(" [SQL: ")[0][:500]
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


@contextmanager
def active(
    task: str, resume: str | None = None, parent: str | None = None, reopen: bool = False
) -> Iterator[Run]:
    """Keep a run active in mlflow inside the context.

    It is the run `resume`, which must not be finished unless `reopen` is set; else a new one below the run
    `parent`; else the one that ``mlflow run`` created for this process (MLFLOW_RUN_ID); else a new one in the
    experiment named by MLFLOW_EXPERIMENT_NAME or after the task. It ends as FINISHED, or as FAILED with the
    reason in the tag ``failure`` after any exception, including Ctrl-C, SIGTERM and SIGHUP. After a kill -9
    the next run of the experiment on the same machine marks it as FAILED.

    A run always continues under its own id. If ``mlflow run`` creates another run for a process that resumes
    one, its description refers to the resumed run, and it ends with the same status.

    Raises
    ------
    CannotRecord
        If the store does not answer, at the start or later, or the run cannot be resumed.
    """
    client = _client()
    assigned = None if parent else os.environ.get("MLFLOW_RUN_ID")
    run_id = resume or assigned
    try:
        if resume:
            experiment_id = resumable(resume, task, reopen).info.experiment_id
        elif parent:
            experiment_id = client.get_run(parent).info.experiment_id
        elif assigned:
            experiment_id = client.get_run(assigned).info.experiment_id
        else:
            experiment_id = _experiment(client, os.environ.get("MLFLOW_EXPERIMENT_NAME") or task)
        if client.get_experiment(experiment_id).tags.get(KIND[0]) is None:
            client.set_experiment_tag(experiment_id, *KIND)
        _bury(client, experiment_id)
        run = mlflow.start_run(
            run_id=run_id,
            experiment_id=None if run_id else experiment_id,
            parent_run_id=None if run_id else parent,
            # One process may have both; the parent is then the active run.
            nested=parent is not None,
        )
    except (MlflowException, OSError) as error:
        raise CannotRecord(
            f"no run could be started in {mlflow.get_tracking_uri()}: {one_line(error)}"
        ) from error
    if assigned:
        # It is in use: neither mlflow nor a second run of this process must use it again.
        os.environ.pop("MLFLOW_RUN_ID", None)
    run_ids = [run.info.run_id, *([assigned] if assigned and assigned != run_id else [])]
    try:
        with _signals():
            for identifier in run_ids:
                client.set_tag(identifier, PROCESS, signature(os.getpid()))
            for identifier in run_ids[1:]:
                client.set_tag(identifier, "mlflow.note.content", f"Continues run {run_id}: see there.")
            _forget(client, run.info.run_id, FAILURE)
            yield run
            for identifier in run_ids:
                _forget(client, identifier, PROCESS)
        mlflow.end_run()
        for identifier in run_ids[1:]:
            client.set_terminated(identifier, "FINISHED")
    except BaseException as error:
        for identifier in run_ids:
            _fail(client, identifier, one_line(error))
        if isinstance(error, MlflowException | RequestException):
            raise CannotRecord(
                f"run {run_ids[0]} in {mlflow.get_tracking_uri()} could not be stored ({one_line(error)})"
            ) from error
        raise


def silence() -> str:
    """Find out why the tracking server does not answer; empty if it does, or if the store is no server."""
    uri = mlflow.get_tracking_uri()
    if not uri.startswith(("http://", "https://")):
        return ""
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=10).close()
    except urllib.error.HTTPError:
        return ""  # It answers; access is checked later.
    except OSError as error:
        return one_line(error)
    return ""


def _client() -> MlflowClient:
    """Create a client after checking that the store answers: mlflow itself would retry for minutes."""
    if reason := silence():
        raise CannotRecord(
            f"no tracking server answers at {mlflow.get_tracking_uri()} ({reason}): start it, or unset "
            "MLFLOW_TRACKING_URI to record in ./mlflow.db"
        )
    # Retries for seconds bridge a restart of the server; the default would delay a finished run for minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    logging.getLogger("mlflow.store.db.utils").addFilter(_is_no_error)
    return MlflowClient()


def _is_no_error(record: logging.LogRecord) -> bool:
    """Drop mlflow's tracebacks of database errors, whose reason we report in one line."""
    return record.levelno < logging.ERROR


def _experiment(client: MlflowClient, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return client.create_experiment(name, tags=dict([KIND]))
        except MlflowException:
            # Another process was faster.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise CannotRecord(
            f"experiment {name!r} is deleted; bring it back with "
            f"'mlflow experiments restore -x {experiment.experiment_id}'"
        )
    return experiment.experiment_id


def resumable(run_id: str, task: str, reopen: bool = False) -> Run:
    """Look up a run of `task` that can be continued: interrupted, failed, or finished with `reopen`.

    Raises
    ------
    CannotRecord
        If the store does not answer or there is no such run.
    """
    client = _client()
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        raise CannotRecord(
            f"no run {run_id!r} in {mlflow.get_tracking_uri()}: give the id of a run of {task}"
        ) from error
    recorded_task = run.data.tags.get("task")
    if recorded_task != task:
        raise CannotRecord(
            f"run {run_id} is of task {recorded_task!r}, not {task!r}: give the id of a run of {task}"
        )
    if run.info.lifecycle_stage != "active":
        raise CannotRecord(f"run {run_id} is deleted: 'mlflow runs restore --run-id {run_id}' brings it back")
    if run.info.status == "FINISHED" and not reopen:
        raise CannotRecord(f"run {run_id} is finished: only one that failed or was killed can be resumed")
    process = run.data.tags.get(PROCESS, "")
    if run.info.status == "RUNNING" and lives(process):
        raise CannotRecord(f"run {run_id} is still running as process {process}: end that first")
    return run


def abandon(run_id: str, reason: str) -> None:
    """Mark a run as FAILED whose process is known to be lost, on any machine.

    Raises
    ------
    CannotRecord
        If the store does not answer.
    """
    _fail(_client(), run_id, reason)


def _bury(client: MlflowClient, experiment_id: str) -> None:
    """Mark runs of dead processes on this machine as FAILED: a process cannot do it after kill -9."""
    running = client.search_runs([experiment_id], "attributes.status = 'RUNNING'", max_results=1000)
    for run in running:
        process = run.data.tags.get(PROCESS, "")
        if process and not lives(process):
            _fail(
                client,
                run.info.run_id,
                f"killed: process {process} is gone; resume={run.info.run_id} continues it",
            )


def _forget(client: MlflowClient, run_id: str, tag: str) -> None:
    if tag in client.get_run(run_id).data.tags:
        client.delete_tag(run_id, tag)


def _fail(client: MlflowClient, run_id: str, reason: str) -> None:
    current = mlflow.active_run()
    if current is not None and current.info.run_id == run_id:
        # Takes the run off mlflow's stack even when the store is gone.
        ending = partial(mlflow.end_run, "FAILED")
    else:
        ending = partial(client.set_terminated, run_id, "FAILED")
    retries = os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]
    if silence():
        os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = "0"
    try:
        client.set_tag(run_id, FAILURE, reason)
    except Exception as error:
        # An error of the store must not hide the reason for the failure.
        print(f"shashlik: run {run_id} could not be marked as failed: {one_line(error)}", file=sys.stderr)
    with suppress(Exception):
        ending()
    os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] = retries


@contextmanager
def _signals() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM and SIGHUP inside the context, in the main thread only.

    An exception during a callback from compiled code into Python is lost: then the signal is sent again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    timers: list[threading.Timer] = []

    def end(number: int, frame: FrameType | None) -> None:
        timers.append(threading.Timer(AGAIN_AFTER, os.kill, (os.getpid(), number)))
        timers[-1].daemon = True
        timers[-1].start()
        raise Terminated(number)

    previous = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        for timer in timers:
            timer.cancel()
