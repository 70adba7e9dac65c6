"""Chief of a search: keras-tuner's gRPC service around an oracle, with detection of lost workers.

keras-tuner's own chief waits forever when a worker dies, and loses its state when it is killed itself. This
one speaks the same protocol. It saves every trial before a worker gets it. During a trial, the worker repeats
the request for that trial (``GetTrial``), which serves as its heartbeat.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from keras_tuner.src import protos
from keras_tuner.src.distribute.oracle_chief import OracleServicer
from keras_tuner.src.engine.oracle import synchronized

from shashlik.exceptions import BadInput

__all__ = ["ADDRESS", "PORT", "Chief", "environment", "split_address"]

#: keras-tuner's own variables, through which a worker finds its chief.
ADDRESS, PORT = "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
#: Seconds without a request after which a worker counts as lost.
SILENCE = 60.0
#: Seconds granted to pending requests when the service ends.
GRACE = 5.0

Saved = Callable[[], None]
Ended = Callable[[Any], None]


def split_address(text: str) -> tuple[str, int]:
    """Split ``host`` or ``host:port`` into host and port; port 0 stands for any free one.

    Raises
    ------
    BadInput
        If the port is invalid.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, "0"
    if not host or not port.isdigit() or int(port) > 65535:
        raise BadInput(f"address={text!r} is not host or host:port with a port up to 65535")
    return host, int(port)


class _Service(OracleServicer):
    """Requests of workers, one at a time."""

    def __init__(self, oracle: Any, saved: Saved, ended: Ended) -> None:
        super().__init__(oracle)
        self.heard: dict[str, float] = {}
        self._saved, self._ended = saved, ended

    def CreateTrial(self, request: Any, context: Any) -> Any:
        response = super().CreateTrial(request, context)
        if response.trial.trial_id in self._ongoing():
            self.heard[response.trial.trial_id] = time.monotonic()
            self._saved()
        return response

    def GetTrial(self, request: Any, context: Any) -> Any:
        self.heard[request.trial_id] = time.monotonic()
        return super().GetTrial(request, context)

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        if request.trial_id in self._ongoing():
            return super().UpdateTrial(request, context)
        return self.GetTrial(request, context)

    def EndTrial(self, request: Any, context: Any) -> Any:
        # A worker given up as lost may return with a trial that another one has finished in the meantime.
        trial_id = request.trial.trial_id
        if trial_id in self._ongoing():
            super().EndTrial(request, context)
            self._saved()
            self._ended(self.oracle.trials[trial_id])
        return protos.get_service().EndTrialResponse()

    def _ongoing(self) -> set[str]:
        return {trial.trial_id for trial in self.oracle.ongoing_trials.values()}


class Chief:
    """Server of an oracle to workers.

    Parameters
    ----------
    oracle : Staged
        See `shashlik.search.oracle`.
    bind : str
        Address to listen on: loopback, unless workers run on other machines.
    port : int
        Port to listen on; 0 for any free one.
    saved : callable
        Called when the state of the oracle has changed, to save it before a worker acts on it.
    ended : callable
        Called with every trial that ended.

    Raises
    ------
    BadInput
        If the port is taken.
    """

    def __init__(self, oracle: Any, bind: str, port: int, saved: Saved, ended: Ended) -> None:
        self.oracle, self._saved, self._ended = oracle, saved, ended
        self._service = _Service(oracle, saved, ended)
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=1), options=[("grpc.so_reuseport", 0)]
        )
        protos.get_service_grpc().add_OracleServicer_to_server(self._service, self._server)
        try:
            self.port = self._server.add_insecure_port(f"{bind}:{port}")
        except RuntimeError:
            raise BadInput(f"cannot listen on {bind}:{port}: choose another address=host:port") from None
        self._server.start()

    def environment(self, host: str) -> dict[str, str]:
        """Return the variables through which a worker finds this chief."""
        return {ADDRESS: host, PORT: str(self.port)}

    def lost(self, tuner_id: str) -> None:
        """Requeue or give up the trial of a lost worker."""
        trial = self.oracle.ongoing_trials.get(tuner_id)
        requeued = self.oracle.requeue(tuner_id)
        if trial is None or requeued is None:
            return
        self._service.heard.pop(trial.trial_id, None)
        self._saved()
        if requeued[1]:
            self._ended(requeued[0])

    def expire(self) -> list[str]:
        """Give up workers that have been silent too long, and return their names."""
        now = time.monotonic()
        silent = [
            tuner_id
            for tuner_id, trial in list(self.oracle.ongoing_trials.items())
            if now - self._service.heard.setdefault(trial.trial_id, now) > SILENCE
        ]
        for tuner_id in silent:
            self.lost(tuner_id)
        return silent

    @property
    def done(self) -> bool:
        """Whether no work is left."""
        return _done(self.oracle)

    def close(self) -> None:
        """Stop the service."""
        self._server.stop(GRACE).wait()


@synchronized
def _done(oracle: Any) -> bool:
    return not oracle.ongoing_trials and not oracle._retry_queue and oracle.complete


def environment() -> tuple[str, str]:
    """Read host and port of the chief from the variables of a worker.

    Raises
    ------
    BadInput
        If the variables are not set.
    """
    if ADDRESS not in os.environ or PORT not in os.environ:
        raise BadInput(
            f"a worker finds its search by the variables {ADDRESS} and {PORT}: set them to what the search "
            "printed when it began"
        )
    return os.environ[ADDRESS], os.environ[PORT]
