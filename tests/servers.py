"""A real tracking server of a test's own, on the loopback interface."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["free_port", "kill", "serving", "shashlik_server"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def kill(server: subprocess.Popen[bytes]) -> None:
    """End a server and its workers at once, as a power cut would."""
    # Until its exit code is fetched nobody else can get its number; afterwards that may be anybody's.
    if server.returncode is None:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait(timeout=60)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended; the exit code stays where it is, and with it the number of the process."""
    how = os.WEXITED | os.WNOHANG | os.WNOWAIT
    return process.returncode is not None or os.waitid(os.P_PID, process.pid, how) is not None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Let a server end its requests, then end it with whatever is left of its workers."""
    if not _ended(process):
        os.kill(process.pid, signal.SIGTERM)
        for _ in range(600):
            if _ended(process):
                break
            time.sleep(0.05)
    kill(process)


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of mlflow's own server that keeps everything below `folder`."""
    command = [
        *(str(Path(sys.executable).with_name("mlflow")), "server", "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db"),
        *("--artifacts-destination", str(folder / "artifacts")),
    ]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with _started(command, folder, "/health", quiet) as found:
        yield found


@contextmanager
def shashlik_server(
    folder: Path, *options: str, port: int = 0, **environment: str
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Address and process of ``shashlik server`` that keeps everything below `folder`."""
    command = [str(Path(sys.executable).with_name("shashlik")), "server", *options]
    with _started(command, folder, "/ready", environment, port) as found:
        yield found


@contextmanager
def _started(
    command: list[str], folder: Path, ready: str, environment: dict[str, str], port: int = 0
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    address = f"http://127.0.0.1:{port or free_port()}"
    where = ["--host", "127.0.0.1", "--port", address.rpartition(":")[2]]
    inherited = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    with (folder / "log").open("a") as log:
        # A group of its own, so that its workers can be ended with it and nobody else.
        process = subprocess.Popen(
            [*command, *where],
            cwd=folder,
            env=inherited | environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        for _ in range(720):
            try:
                urllib.request.urlopen(f"{address}{ready}", timeout=5).close()
                break
            except OSError:
                assert not _ended(process), (folder / "log").read_text()
                time.sleep(0.25)
        else:
            raise AssertionError((folder / "log").read_text())
        yield address, process
    finally:
        _stop(process)
