"""Search hyper-parameters, from the strings of a command line to registered candidates."""

from __future__ import annotations

import math
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from shashlik.evaluation.run import recorded
from shashlik.exceptions import BadInput
from shashlik.search.chief import Chief, split_address
from shashlik.search.oracle import oracle
from shashlik.search.outcome import tell
from shashlik.search.placement import DaskWorkers, LocalWorkers, Placed, cores_of
from shashlik.search.settings import SearchSettings, fixed, lasting, separate, space_of
from shashlik.search.trial import PREFIX, TRIAL, Searched
from shashlik.task import catalog
from shashlik.task.definition import Task
from shashlik.task.settings import parse, resolve
from tracking.runs.lifecycle import CannotRecord, abandon, active
from tracking.runs.reader import nested, settings_of
from tracking.runs.recorder import Recorder, recording

__all__ = ["tune"]

#: Seconds between looks at the workers.
TICK = 0.5
#: Number of workers lost in a row after which the search gives up.
HOPELESS = 4
#: Number of failed trials, without any success, after which the search gives up.
ALL_FAILED = 5


def tune(name: str, tokens: Sequence[str], say: Callable[[str], object] = print) -> str:
    """Search hyper-parameters of the task `name`, and train the best configurations again.

    Parameters
    ----------
    name : str
        The task.
    tokens : sequence of str
        Parameters of the search and the task as ``--name value``.
    say : callable
        Receives one line of progress at a time.

    Returns
    -------
    str
        Run id of the first registered candidate; empty if no candidate was requested.

    Raises
    ------
    BadInput
        For an unknown task, or parameters that cannot be used.
    CannotRecord
        If the tracking server fails, no worker survives, or all trials fail.
    """
    task = catalog.load(name)
    try:
        search, settings = _settings(task, parse(tokens))
        address = _address(search)
    except (BadInput, CannotRecord):
        # A search that cannot start is recorded too, as FAILED with this reason.
        with active(name):
            raise
    resume = search.resume or None
    record = {**recorded(settings), **lasting(search)}
    with recording(
        name, seed=settings.seed, settings=record, resume=resume, code=catalog.root(name)
    ) as recorder:
        say(
            f"{name}: search in {recorder.where}; if it is interrupted, resume={recorder.run_id} continues it"
        )
        recorder.tag("mlflow.runName", f"search, {search.algorithm}")
        searched = Searched(recorder.run_id, task, search, settings)
        with tempfile.TemporaryDirectory(prefix="shashlik-") as folder:
            _conduct(searched, recorder, Path(folder), address, say)
        return tell(searched, recorder, say)


def _settings(task: Task, parameters: dict[str, str]) -> tuple[SearchSettings, Any]:
    """Resolve the parameters of search and task; a resumed search inherits its own."""
    ours, others = separate(parameters)
    if "resume" in ours:
        inherited = {name: text for name, text in settings_of(ours["resume"], task.name).items() if text}
        if not any(name.startswith(PREFIX) for name in inherited):
            raise BadInput(f"run {ours['resume']} is no search: give resume= the id of one")
        ours = {
            name.removeprefix(PREFIX): text for name, text in inherited.items() if name.startswith(PREFIX)
        } | ours
        search = resolve(SearchSettings, {}, ours)
        before = {name: text for name, text in inherited.items() if not name.startswith(PREFIX)}
        return search, resolve(task.settings, task.presets, {**before, **others})
    search = resolve(SearchSettings, {}, ours)
    return search, fixed(task, space_of(task, search), others)


def _address(search: SearchSettings) -> tuple[str, int, str]:
    """Choose the address and port of the chief, and the name under which workers reach it."""
    if search.address:
        host, port = split_address(search.address)
        return ("127.0.0.1" if host in ("127.0.0.1", "localhost") else "0.0.0.0"), port, host
    if search.scheduler:
        return "0.0.0.0", 0, socket.getfqdn()
    if not search.workers:
        raise BadInput(
            "workers=0 means that others start them: give address=host:port, where they reach this one"
        )
    return "127.0.0.1", 0, "127.0.0.1"


def _conduct(
    searched: Searched,
    recorder: Recorder,
    folder: Path,
    address: tuple[str, int, str],
    say: Callable[[str], object],
) -> None:
    """Serve the oracle to workers until all trials and final trainings are done."""
    search = searched.search
    notes, logs = folder / "oracle", folder / "workers"
    logs.mkdir()
    proposing = oracle(search, searched.space, searched.settings, searched.run_id)
    proposing._set_project_dir(str(folder), notes.name)
    if recorder.fetch_checkpoint(notes):
        proposing.reload()
        say(f"continues after {len(proposing.end_order)} trials that have ended")
    finals = search.best * search.seeds
    with tqdm(
        total=search.trials + finals, initial=len(proposing.end_order), unit="trial", desc="search"
    ) as bar:
        progress = _Progress(searched, bar, proposing)
        chief = Chief(proposing, address[0], address[1], lambda: recorder.checkpoint(notes), progress.ended)
        workers: Placed | None = None
        orderly = False
        try:
            workers = _place(search, chief.environment(address[2]), logs, say)
            _watch(chief, workers, progress)
            orderly = True
        finally:
            if workers is not None:
                workers.close(orderly)
            chief.close()
            recorder.keep(logs, "workers")


def _place(
    search: SearchSettings, environment: dict[str, str], logs: Path, say: Callable[[str], object]
) -> Placed | None:
    if search.address or search.scheduler:
        say(
            "workers join with: "
            + " ".join(f"{name}={value}" for name, value in environment.items())
            + " shashlik worker"
        )
    if not search.workers:
        return None
    if search.scheduler:
        variables = (
            "MLFLOW_TRACKING_URI",
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
        )
        environment = environment | {name: os.environ[name] for name in variables if name in os.environ}
        return DaskWorkers(search.scheduler, search.workers, environment)
    return LocalWorkers(cores_of(search.workers, search.threads), environment, logs)


def _watch(chief: Chief, workers: Placed | None, progress: _Progress) -> None:
    """Wait for the end, and replace lost workers."""
    while not chief.done:
        time.sleep(TICK)
        for name in chief.expire():
            progress.say(f"{name} was not heard of: its trial goes to another worker")
        for name, why in workers.lost() if workers else ():
            progress.losses += 1
            progress.say(f"{name} {why}; it is started again")
            chief.lost(name)
            if progress.losses >= HOPELESS:
                raise CannotRecord(
                    f"workers cannot live here: {progress.losses} in a row were lost; the last one {why}"
                )
        if progress.hopeless:
            raise CannotRecord(
                f"the first {ALL_FAILED} trials failed; the last one because: {progress.hopeless}"
            )


class _Progress:
    """Progress shown to the user, and the check for hopeless searches."""

    def __init__(self, searched: Searched, bar: Any, proposing: Any) -> None:
        self.searched, self.bar, self.oracle = searched, bar, proposing
        self.losses, self.hopeless = 0, ""

    def say(self, line: str) -> None:
        """Print one line above the bar."""
        self.bar.write(line, file=sys.stderr)

    def ended(self, trial: Any) -> None:
        """Count a trial that ended, with or without success; ignore one that is retried."""
        if trial.status == "INVALID":
            return
        self.bar.update()
        best = self.oracle.ranked()
        if best:
            self.bar.set_postfix(best=f"{math.exp(best[0].score):.4g}", trial=best[0].trial_id)
        if trial.status == "COMPLETED":
            self.losses = 0
            return
        why = self._reason(trial)
        self.say(f"trial {trial.trial_id} failed: {why}")
        ended = [
            candidate for candidate in self.oracle.searched if candidate.status in ("COMPLETED", "FAILED")
        ]
        if len(ended) >= ALL_FAILED and not best:
            self.hopeless = why

    def _reason(self, trial: Any) -> str:
        """Look up the reason in the trial's run, and close the run if its last worker died."""
        for run in nested(self.searched.run_id, **{TRIAL: trial.trial_id}):
            if run.status == "RUNNING":
                abandon(run.run_id, "its worker was lost, and so were those that tried again")
                return "its worker was lost, and so were those that tried again"
            return run.failure or "its objective is not a number"
        return "no worker could begin it"
