"""Place the workers of a search: in processes of this machine, or through a Dask scheduler."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from shashlik.exceptions import BadInput

__all__ = ["DaskWorkers", "LocalWorkers", "Placed", "cores_of"]

#: Seconds that a worker has to close its run after the request to end.
PATIENCE = 20.0
#: Seconds that a Dask scheduler has to answer.
ANSWER = 10.0


class Placed(Protocol):
    """Workers after their placement."""

    def lost(self) -> list[tuple[str, str]]:
        """Replace workers that ended too early since the last call; return their names and the reasons."""

    def close(self, orderly: bool) -> None:
        """Wait for the workers to finish; if not `orderly`, end them."""


def cores_of(workers: int, threads: int) -> list[list[int]]:
    """Assign cores to each worker: `threads` of them, or an equal share of those of this process.

    Raises
    ------
    BadInput
        If a worker needs more cores than there are.
    """
    available = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    if threads > len(available):
        raise BadInput(
            f"threads={threads}, but this process may use {len(available)} cores; give at most these"
        )
    each = threads or max(len(available) // max(workers, 1), 1)
    return [
        [available[(worker * each + core) % len(available)] for core in range(each)]
        for worker in range(workers)
    ]


def _command(name: str, cores: Sequence[int] = ()) -> list[str]:
    command = [sys.executable, "-m", "shashlik", "worker", "--name", name, "--parent", str(os.getpid())]
    return [*command, "--cores", ",".join(map(str, cores))] if cores else command


@dataclass
class LocalWorkers:
    """Processes of this machine, each on its own cores; one that dies is restarted.

    Parameters
    ----------
    cores : sequence of sequence of int
        Cores of each worker.
    environment : mapping of str to str
        Variables through which workers find the chief.
    folder : pathlib.Path
        Folder for the output of the workers.
    """

    cores: Sequence[Sequence[int]]
    environment: Mapping[str, str]
    folder: Path
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for number in range(len(self.cores)):
            self._start(number)

    def _start(self, number: int) -> None:
        name = f"worker-{number}"
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                _command(name, self.cores[number]),
                env={**os.environ, **self.environment, "TQDM_DISABLE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Only the chief handles Ctrl-C, and ends the workers in order.
                process_group=0,
            )

    def lost(self) -> list[tuple[str, str]]:
        """Replace lost workers, see `Placed`."""
        losses = []
        for number, (name, process) in enumerate(list(self.processes.items())):
            if process.poll():
                losses.append((name, f"{_ending(process.returncode)}{self._last_line(name)}"))
                self._start(number)
        return losses

    def _last_line(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def close(self, orderly: bool) -> None:
        """Wait for the workers or end them, see `Placed`."""
        for process in self.processes.values():
            if not orderly:
                process.terminate()
        for process in self.processes.values():
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _ending(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _run_worker(name: str, environment: Mapping[str, str]) -> None:
    """Run a worker in a process below a Dask worker."""
    process = subprocess.run(
        _command(name), env={**os.environ, **environment, "TQDM_DISABLE": "1"}, check=False
    )
    if process.returncode:
        raise RuntimeError(f"{name} {_ending(process.returncode)}")


class DaskWorkers:
    """Workers placed by a Dask scheduler, which restarts one elsewhere when its node dies.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler.
    number : int
        Number of workers.
    environment : mapping of str to str
        Variables through which workers find the chief and the tracking server.

    Raises
    ------
    BadInput
        If Dask is not installed, or the scheduler does not answer.
    """

    def __init__(self, scheduler: str, number: int, environment: Mapping[str, str]) -> None:
        try:
            import distributed
        except ImportError:
            raise BadInput(
                "scheduler= needs Dask: pip install 'shashlik[farm]', here and on the farm"
            ) from None
        try:
            self._client = distributed.Client(scheduler, timeout=ANSWER, set_as_default=False)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"no Dask scheduler answers at scheduler={scheduler!r} ({type(error).__name__}): start one "
                "with 'dask scheduler', or correct the address"
            ) from None
        self._environment = dict(environment)
        self._futures: dict[str, Any] = {}
        for name in (f"dask-{index}" for index in range(number)):
            self._submit(name)

    def _submit(self, name: str) -> None:
        self._futures[name] = self._client.submit(
            _run_worker, name, self._environment, key=f"shashlik-{name}-{uuid4()}", pure=False
        )

    def lost(self) -> list[tuple[str, str]]:
        """Report lost workers and replace them, see `Placed`."""
        losses = []
        for name, future in list(self._futures.items()):
            if future.status in ("error", "lost", "cancelled"):
                error = future.exception(timeout=5) if future.status == "error" else None
                losses.append((name, " ".join(str(error or future.status).split())))
                self._submit(name)
        return losses

    def close(self, orderly: bool) -> None:
        """Wait for the workers or end them, see `Placed`."""
        import distributed

        if orderly:
            with self._client.as_current(), suppress(TimeoutError):
                distributed.wait(list(self._futures.values()), timeout=PATIENCE)
        self._client.close()
