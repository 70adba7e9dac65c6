"""Worker of a search: request trials from the chief, perform them, report the results."""

from __future__ import annotations

import math
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
import keras_tuner
from keras_tuner.src import protos

from shashlik.exceptions import BadInput
from shashlik.search import chief
from shashlik.search.oracle import OBJECTIVE, SEARCH

__all__ = ["Perform", "Worker", "attending", "follow", "search_of", "work"]

#: ``perform(trial_id, values) -> objective``.
Perform = Callable[[str, Mapping[str, Any]], float]

NAME = "KERASTUNER_TUNER_ID"
#: Seconds between heartbeats, between requests for work when there is none, and without a reply until the
#: chief counts as gone.
BEAT, PAUSE, PATIENCE = 5.0, 1.0, 600.0
#: Failures that do not depend on the trial: another worker may succeed.
PASSING = ("CannotRecord", "MemoryError", "OSError")


def _stub() -> Any:
    host, port = chief.environment()
    return protos.get_service_grpc().OracleStub(grpc.insecure_channel(f"{host}:{port}"))


def search_of(patience: float = 60.0) -> str:
    """Ask the chief for the run of its search.

    Raises
    ------
    BadInput
        If no chief answers.
    """
    request = protos.get_service().GetSpaceRequest()
    try:
        answer = _stub().GetSpace(request, wait_for_ready=True, timeout=patience)
    except grpc.RpcError as error:
        raise BadInput(
            f"no search answers at {':'.join(chief.environment())} ({error.code().name}): it has ended, or "
            f"the variables {chief.ADDRESS} and {chief.PORT} are wrong"
        ) from None
    return keras_tuner.HyperParameters.from_proto(answer.hyperparameters).values[SEARCH]


class Worker(keras_tuner.engine.base_tuner.BaseTuner):
    """keras-tuner's loop over trials around `perform`.

    Parameters
    ----------
    perform : callable
        See `Perform`.
    folder : str
        Folder for keras-tuner's files, which are not used.
    """

    def __init__(self, perform: Perform, folder: str) -> None:
        #: The running trial, for `attending`.
        self.trial_id = ""
        self._perform, self._idle = perform, False
        # keras-tuner replaces this oracle with the chief's.
        local = keras_tuner.oracles.RandomSearchOracle(keras_tuner.Objective(OBJECTIVE, "min"))
        super().__init__(local, directory=folder, project_name="worker")

    def pre_create_trial(self) -> None:
        """Pause before the next request if there was no work."""
        if self._idle:
            time.sleep(PAUSE)
        self._idle = True

    def on_trial_begin(self, trial: Any) -> None:
        """Remember the running trial."""
        self.trial_id, self._idle = trial.trial_id, False

    def on_trial_end(self, trial: Any) -> None:
        """Report the end of the trial to the chief."""
        self.trial_id = ""
        self.oracle.end_trial(trial)

    def run_trial(self, trial: Any, *nothing: Any, **none: Any) -> dict[str, float]:
        """Run one trial; a failure counts against the trial, unless it may vanish at another attempt."""
        try:
            value = self._perform(trial.trial_id, trial.hyperparameters.values)
        except Exception as error:
            kinds = {kind.__name__ for kind in type(error).__mro__}
            print(f"trial {trial.trial_id}: {error}", flush=True)
            if kinds & set(PASSING):
                raise
            raise keras_tuner.errors.FailedTrialError(str(error)) from error
        if not math.isfinite(value) or value <= 0:
            raise keras_tuner.errors.FailedTrialError(f"the objective is {value}")
        return {OBJECTIVE: math.log(value)}


def follow(parent: int) -> None:
    """End this process when its parent is gone.

    Parameters
    ----------
    parent : int
        Process id that the parent passed on; the parent may be gone already.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        _end()

    threading.Thread(target=watch, daemon=True).start()


def _end() -> None:
    print("the search is gone", flush=True)
    while True:
        # Repeated: a signal that arrives while compiled code calls back into Python may be lost.
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(BEAT)


@contextmanager
def attending(worker: Worker) -> Iterator[None]:
    """Send heartbeats inside the context, and end this process after a long silence of the chief.

    The watch ends with the context: a process that outlives its search must not be ended because the chief
    has finished.
    """
    stub, done = _stub(), threading.Event()

    def watch() -> None:
        heard = time.monotonic()
        while not done.wait(BEAT):
            try:
                if worker.trial_id:
                    request = protos.get_service().GetTrialRequest(trial_id=worker.trial_id)
                    stub.GetTrial(request, timeout=BEAT)
                else:
                    stub.GetSpace(protos.get_service().GetSpaceRequest(), timeout=BEAT)
                heard = time.monotonic()
            except grpc.RpcError:
                pass
            if time.monotonic() - heard > PATIENCE and not done.is_set():
                _end()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def work(perform: Perform, name: str) -> None:
    """Perform trials until there are no more.

    Parameters
    ----------
    perform : callable
        See `Perform`.
    name : str
        Unique name of this worker; empty: composed of host and process id.
    """
    # keras-tuner takes a process with "chief" in its name for the chief.
    unique = name or f"{socket.gethostname()}-{os.getpid()}"
    os.environ[NAME] = unique.replace("chief", "ch")
    with tempfile.TemporaryDirectory(prefix="shashlik-") as folder:
        worker = Worker(perform, folder)
        with attending(worker):
            worker.search()
