"""Run mlflow's server with Shashlik on it, with safe defaults."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from shashlik.commands.logins import Options, logins
from shashlik.exceptions import BadInput

__all__ = ["serve"]

#: Timeouts in seconds: start of the server, pending requests at its end, and its end.
START, REQUESTS, END = 180, 20, 30


def serve(options: Options, say: Callable[[str], object] = print) -> int:
    """Run the server until a signal ends it, and return its exit code.

    Parameters
    ----------
    options : Options
    say : callable
        Receives the address, once the server answers.

    Raises
    ------
    BadInput
        If the options cannot be used, or the server does not start.
    """
    address, parent = _spelled(options.backend_store_uri), os.getppid()
    _free(options.host, options.port)
    with tempfile.TemporaryDirectory(prefix="shashlik-server-") as scratch, _signals() as processes:
        environment = os.environ | _quiet(options, Path(scratch)) | {"MLFLOW_BACKEND_STORE_URI": address}
        if options.auth:
            environment |= logins(options, address, Path(scratch), say)
        elif options.host not in ("127.0.0.1", "localhost", "::1"):
            say(
                f"everybody who reaches {options.host}:{options.port} may change everything: "
                "--auth asks for logins"
            )
        command = [
            *(sys.executable, "-m", "mlflow", "server", "--app-name", "shashlik"),
            *("--host", options.host, "--port", str(options.port), "--workers", str(options.workers)),
            *("--artifacts-destination", options.artifacts_destination),
            *("--uvicorn-opts", f"--timeout-graceful-shutdown {REQUESTS}"),
        ]
        for name in ("allowed_hosts", "cors_allowed_origins"):
            if value := getattr(options, name):
                command += [f"--{name.replace('_', '-')}", value]
        process = subprocess.Popen(command, env=environment, stdout=sys.stderr)
        processes.append(process)
        try:
            hostname = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host
            _await(process, f"http://{hostname}:{options.port}")
            login = " with a login" if options.auth else ""
            say(
                f"open http://{hostname}:{options.port}/shashlik{login}; runs go there with "
                f"MLFLOW_TRACKING_URI=http://{hostname}:{options.port}"
            )
            return _ended(process, parent)
        finally:
            _end(process)


def _spelled(address: str) -> str:
    """Spell out the driver of an address, as the default depends on the version of SQLAlchemy."""
    scheme, separator, rest = address.partition("://")
    if not separator or scheme.partition("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise BadInput(
            f"--backend-store-uri {address!r} is neither sqlite:///<file> nor "
            "postgresql://<user>:<password>@<host>/<database>"
        )
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else address


def _free(host: str, port: int) -> None:
    """Refuse a port that another process listens on, whose server would answer instead."""
    if not 0 <= port <= 65_535:
        raise BadInput(f"--port {port} is out of range; it must be between 1 and 65535")
    try:
        where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(where[0], where[1]) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where[4])
    except OSError as error:
        reason = getattr(error, "strerror", None) or error
        raise BadInput(
            f"cannot listen at {host}:{port} ({reason}): choose another --port or --host"
        ) from error


def _quiet(options: Options, scratch: Path) -> dict[str, str]:
    """Return the environment of mlflow's server."""
    environment = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # The server must not inherit the client's variables.
        "MLFLOW_TRACKING_URI": "",
        "SHASHLIK_AUTH": "",
    }
    if options.workers > 1:
        counts = scratch / "metrics"
        counts.mkdir()
        environment["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    return environment


@contextmanager
def _signals() -> Iterator[list[subprocess.Popen[bytes]]]:
    """Pass SIGTERM and Ctrl-C on to the server, which ends its requests first."""
    processes: list[subprocess.Popen[bytes]] = []

    def end(number: int, frame: FrameType | None) -> None:
        if not processes:
            raise KeyboardInterrupt
        for process in processes:
            process.send_signal(signal.SIGTERM)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield processes
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await(process: subprocess.Popen[bytes], address: str) -> None:
    """Wait for the server on the one path that it answers under any host name."""
    for _ in range(START * 2):
        if process.poll() is not None:
            raise BadInput(
                f"the server did not come up (exit code {process.returncode}): its last lines say why"
            )
        try:
            urllib.request.urlopen(f"{address}/health", timeout=5).close()
            return
        except OSError:
            pass
        time.sleep(0.5)
    raise BadInput(f"the server did not answer within {START} s at {address}")


def _ended(process: subprocess.Popen[bytes], parent: int) -> int:
    """Wait for the exit code; end the server with its ``mlflow run``, which passes no SIGTERM on."""
    while "MLFLOW_RUN_ID" in os.environ and os.getppid() == parent:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(1)
    if "MLFLOW_RUN_ID" in os.environ:
        process.terminate()
    return process.wait()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
