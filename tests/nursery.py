"""Processes that need not import everything again: forked from one that has.

A test that kills a process in the midst of its work wants a real one, with a number, signals and a death of
its own; what it does not want are the seconds in which that process imports mlflow. A `Nursery` is a process
that imports once, in one thread, and then forks itself for each process that is asked for. Run as a program
this file is that process.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

__all__ = ["Born", "Nursery", "nursery"]

#: Seconds that a process may take to be born, and to die when it was told to.
PATIENCE = 120.0
#: What the processes of the tests use.
MODULES = (
    "git",
    "uproot",
    "matplotlib.backends.backend_agg",
    "mlflow.cli",
    "mlflow.pyfunc",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.store.model_registry.sqlalchemy_store",
    "shashlik.__main__",
    "shashlik.commands.predict",
    "shashlik.commands.promote",
    "registry.journal.champions",
    "tracking.runs.recorder",
)


class Born:
    """A process of a nursery.

    Parameters
    ----------
    nursery : Nursery
    pid : int
        Its own until `wait` returned.
    stdin, stdout : file
        Of text, line by line.
    errors : int
        Descriptor of the file where its stderr goes.
    """

    def __init__(self, nursery: Nursery, pid: int, stdin: IO[str], stdout: IO[str], errors: int) -> None:
        self.pid, self.stdin, self.stdout = pid, stdin, stdout
        self._nursery, self._errors = nursery, errors
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is known to have ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    @property
    def lives(self) -> bool:
        """Whether it has not ended yet."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"wait": self.pid, "seconds": 0})["code"]
        return self.returncode is None

    def wait(self, timeout: float = PATIENCE) -> int:
        """Its exit code, which is negative if a signal ended it, as in `subprocess`."""
        if self.returncode is None:
            self.returncode = self._nursery.ask({"wait": self.pid, "seconds": timeout})["code"]
            if self.returncode is None:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        return self.returncode

    @property
    def stderr(self) -> str:
        """What it has said there so far."""
        return os.pread(self._errors, 2**24, 0).decode()

    def close(self) -> None:
        """End it if it still runs, and close its files."""
        if self.returncode is None:
            self.send_signal(9)
            self.wait()
        self.stdin.close()
        self.stdout.close()
        os.close(self._errors)


class Nursery:
    """A process that has imported what others will need.

    Parameters
    ----------
    modules : iterable of str
        What it imports.
    """

    def __init__(self, modules: Iterable[str] = MODULES) -> None:
        self._socket, theirs = socket.socketpair()
        words = [sys.executable, "-W", "ignore", __file__, str(theirs.fileno()), *modules]
        # In a session of its own Ctrl-C is not for it; it ends when the tests do.
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()], start_new_session=True
        )
        theirs.close()
        self._answers = self._socket.makefile("r")
        assert self._answers.readline() == "ready\n", "the nursery did not come up"

    def ask(self, order: dict[str, Any], files: list[int] | None = None) -> dict[str, Any]:
        """Have an order obeyed."""
        socket.send_fds(self._socket, [f"{json.dumps(order)}\n".encode()], files or [])
        found: dict[str, Any] = json.loads(self._answers.readline())
        return found

    def start(self, code: str, *words: str) -> Born:
        """A process that does what ``python -c code words`` would do here, with the present environment."""
        theirs_in, mine_in = os.pipe()
        mine_out, theirs_out = os.pipe()
        errors = os.memfd_create("stderr")
        order = {"code": code, "words": words, "folder": os.getcwd(), "environment": dict(os.environ)}
        pid = self.ask(order, [theirs_in, theirs_out, errors])["pid"]
        for file in (theirs_in, theirs_out):
            os.close(file)
        return Born(self, pid, open(mine_in, "w", buffering=1), open(mine_out), errors)

    def run(self, code: str, *words: str) -> tuple[int, str]:
        """Exit code of such a process, and what it said on stderr; what it says on stdout is let go."""
        born = self.start(code, *words)
        reader = threading.Thread(target=born.stdout.read)
        reader.start()
        try:
            return born.wait(), born.stderr
        finally:
            born.send_signal(9)
            reader.join()
            born.close()

    def close(self) -> None:
        """Let it end."""
        self._answers.close()
        self._socket.close()
        self._process.wait(PATIENCE)


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    """One for all tests of this process."""
    made = Nursery()
    yield made
    made.close()


def _obey(connection: socket.socket) -> tuple[str, list[str]] | None:
    """Fork when told so; returns in the new process, with its code and arguments, and None at the end."""
    while True:
        line, files = b"", []
        while not line.endswith(b"\n"):
            more, given, *_ = socket.recv_fds(connection, 2**20, 3)
            if not more:
                return None
            line += more
            files += given
        order = json.loads(line)
        if "wait" in order:
            answer = {"code": _ended(order["wait"], order["seconds"])}
        elif pid := os.fork():
            answer = {"pid": pid}
        else:
            connection.close()
            for number, file in enumerate(files):
                os.dup2(file, number)
                os.close(file)
            os.chdir(order["folder"])
            os.environ.clear()
            os.environ.update(order["environment"])
            return order["code"], order["words"]
        for file in files:
            os.close(file)
        connection.sendall(f"{json.dumps(answer)}\n".encode())


def _ended(pid: int, seconds: float) -> int | None:
    """Exit code of a process, None if it does not end in time."""
    until = time.monotonic() + seconds
    while True:
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > until:
            return None
        time.sleep(0.005)


def main() -> None:
    """Import, say so, obey; a new process comes out of that and runs its code as if it were alone."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = str(Path(__file__).parents[1])
    for name in sys.argv[2:]:
        importlib.import_module(name)
    # Threads would be lost by forking, with whatever they hold.
    assert threading.active_count() == 1, threading.enumerate()
    gc.freeze()
    connection.sendall(b"ready\n")
    ordered = _obey(connection)
    if ordered is not None:
        code, sys.argv[1:] = ordered
        sys.argv[0] = "-c"
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
