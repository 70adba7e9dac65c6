"""Where the workers of a search run: in processes of this machine, or where a Dask scheduler puts them."""

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

#: Seconds that a worker has to close its run when it is told to end.
PATIENCE = 20.0
#: Seconds that a Dask scheduler has to answer.
ANSWER = 10.0


class Placed(Protocol):
    """Workers that somebody placed."""

    def lost(self) -> list[tuple[str, str]]:
        """Names of workers that ended too early since the last call, and why; others took their places."""

    def close(self, orderly: bool) -> None:
        """Wait for the workers to go home; or, not `orderly`, end them."""


def cores_of(workers: int, threads: int) -> list[list[int]]:
    """Cores of each worker: an equal share of those that this process may use, or `threads` of them.

    Raises
    ------
    BadInput
        If one worker asks for more cores than there are.
    """
    mine = (
        sorted(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else list(range(os.cpu_count() or 1))
    )
    if threads > len(mine):
        raise BadInput(f"threads={threads}, but this process may use {len(mine)} cores; give at most these")
    each = threads or max(len(mine) // max(workers, 1), 1)
    return [[mine[(worker * each + core) % len(mine)] for core in range(each)] for worker in range(workers)]


def _command(name: str, cores: Sequence[int] = ()) -> list[str]:
    command = [sys.executable, "-m", "shashlik", "worker", "--name", name, "--parent", str(os.getpid())]
    return [*command, "--cores", ",".join(map(str, cores))] if cores else command


@dataclass
class LocalWorkers:
    """Processes of this machine, each on cores of its own; one that dies is started again.

    Parameters
    ----------
    cores : sequence of sequence of int
        Those of each worker.
    environment : mapping of str to str
        Variables that lead to the chief.
    folder : pathlib.Path
        For what the workers print.
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
                # Ctrl-C is for the chief, who ends them in order.
                process_group=0,
            )

    def lost(self) -> list[tuple[str, str]]:
        """See `Placed`."""
        found = []
        for number, (name, process) in enumerate(list(self.processes.items())):
            if process.poll():
                found.append((name, f"{_ending(process.returncode)}{self._last_line(name)}"))
                self._start(number)
        return found

    def _last_line(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text(errors="replace").strip().splitlines()
        return f": {lines[-1]}" if lines else ""

    def close(self, orderly: bool) -> None:
        """See `Placed`."""
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
    """A worker in a process below a Dask worker."""
    done = subprocess.run(_command(name), env={**os.environ, **environment, "TQDM_DISABLE": "1"}, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} {_ending(done.returncode)}")


class DaskWorkers:
    """Workers that a Dask scheduler places; it starts one again elsewhere when its node dies.

    Parameters
    ----------
    scheduler : str
        Its address.
    number : int
        Of workers.
    environment : mapping of str to str
        Variables that lead to chief and tracking server.

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
        """See `Placed`."""
        found = []
        for name, future in list(self._futures.items()):
            if future.status in ("error", "lost", "cancelled"):
                error = future.exception(timeout=5) if future.status == "error" else None
                found.append((name, " ".join(str(error or future.status).split())))
                self._submit(name)
        return found

    def close(self, orderly: bool) -> None:
        """See `Placed`."""
        import distributed

        if orderly:
            with self._client.as_current(), suppress(TimeoutError):
                distributed.wait(list(self._futures.values()), timeout=PATIENCE)
        self._client.close()
