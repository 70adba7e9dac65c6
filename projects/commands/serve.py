"""``shashlik server``: mlflow's server with Shashlik on it, safe as it comes."""

from __future__ import annotations

import getpass
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import sqlalchemy as sa

from projects.task import BadInput

__all__ = ["PERMISSIONS", "Options", "serve"]

#: What users may do with what nobody has given them a permission on.
PERMISSIONS = ("NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE")
#: Seconds until the server must answer, that requests may take to end, and that it may take to end.
START, REQUESTS, END = 180, 20, 30
#: The shortest password of an administrator that is taken; mlflow asks for as much.
SHORTEST = 12


@dataclass(frozen=True)
class Options:
    """How the server is to run.

    Parameters
    ----------
    backend_store_uri : str
        ``sqlite:///...`` or ``postgresql://...``; holds everything but artifacts.
    artifacts_destination : str
        A folder or ``s3://bucket/...``; clients reach it through the server.
    host : str
    port : int
    workers : int
    auth : bool
        Whether users have to log in.
    default_permission : str
        One of `PERMISSIONS`.
    admin : str
        Name of the administrator.
    admin_password_file : str
        File whose first line is the administrator's first password.
    allowed_hosts, cors_allowed_origins : str
        See ``mlflow server``; empty for its defaults, this machine and private networks.
    """

    backend_store_uri: str = "sqlite:///mlflow.db"
    artifacts_destination: str = "./mlartifacts"
    host: str = "127.0.0.1"
    port: int = 5000
    workers: int = 1
    auth: bool = False
    default_permission: str = "NO_PERMISSIONS"
    admin: str = "admin"
    admin_password_file: str = ""
    allowed_hosts: str = ""
    cors_allowed_origins: str = ""


def serve(options: Options, say: Callable[[str], object] = print) -> int:
    """Run the server until it is told to end; returns its exit code.

    Parameters
    ----------
    options : Options
    say : callable
        Told where to open it, once it answers.

    Raises
    ------
    BadInput
        If the options cannot be used, or it does not come up.
    """
    address = _spelled(options.backend_store_uri)
    _free(options.host, options.port)
    with tempfile.TemporaryDirectory(prefix="shashlik-server-") as scratch, _signals() as told:
        environment = os.environ | _quiet(options, Path(scratch)) | {"MLFLOW_BACKEND_STORE_URI": address}
        if options.auth:
            environment |= _logins(options, address, Path(scratch), say)
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
        told.append(process)
        try:
            shown = "127.0.0.1" if options.host in ("0.0.0.0", "::") else options.host
            _await(process, f"http://{shown}:{options.port}")
            logins = " with a login" if options.auth else ""
            say(f"open http://{shown}:{options.port}/shashlik{logins}; runs go there with "
                f"MLFLOW_TRACKING_URI=http://{shown}:{options.port}")  # fmt: skip
            return process.wait()
        finally:
            _end(process)


def _spelled(address: str) -> str:
    """The address with its driver spelled out: what none means depends on the version of SQLAlchemy."""
    scheme, found, rest = address.partition("://")
    if not found or scheme.partition("+")[0] not in ("sqlite", "postgresql", "postgres"):
        raise BadInput(
            f"--backend-store-uri {address!r} is neither sqlite:///<file> nor "
            "postgresql://<user>:<password>@<host>/<database>"
        )
    return f"postgresql+psycopg://{rest}" if scheme in ("postgresql", "postgres") else address


def _free(host: str, port: int) -> None:
    """Refuse a port that somebody else listens on: it would be his server that answers."""
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
    """What mlflow's server is told by its environment."""
    found = {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # The client's variables are not for the server.
        "MLFLOW_TRACKING_URI": "",
        "SHASHLIK_AUTH": "",
    }
    if options.workers > 1:
        counts = scratch / "metrics"
        counts.mkdir()
        found["PROMETHEUS_MULTIPROC_DIR"] = str(counts)
    return found


def _logins(options: Options, address: str, scratch: Path, say: Callable[[str], object]) -> Mapping[str, str]:
    """What mlflow's basic auth is told, with the first password of an administrator where there is none."""
    if options.default_permission not in PERMISSIONS:
        raise BadInput(
            f"--default-permission {options.default_permission!r} is not one of {', '.join(PERMISSIONS)}"
        )
    settings = scratch / "auth.ini"
    settings.touch(0o600)
    # `%` begins a variable in such a file.
    lines = {
        "default_permission": options.default_permission, "database_uri": address.replace("%", "%%"),
        "admin_username": options.admin, "grant_default_workspace_access": "false",
        # A password is checked slowly on purpose; for a minute one that was right is remembered.
        "auth_cache_ttl_seconds": "60" if options.workers == 1 else "0",
    }  # fmt: skip
    settings.write_text("[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items()))
    environment = {
        "SHASHLIK_AUTH": "basic",
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        # Signs forms of the sign-up page only.
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY")
        or secrets.token_hex(32),
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
    }
    if not _has_user(address, options.admin):
        environment["MLFLOW_AUTH_ADMIN_PASSWORD"] = _first_password(options, say)
    return environment


def _first_password(options: Options, say: Callable[[str], object]) -> str:
    """From the file, the environment, a prompt; else made, and told once."""
    if options.admin_password_file:
        try:
            password = Path(options.admin_password_file).read_text().partition("\n")[0].strip()
        except OSError as error:
            raise BadInput(
                f"--admin-password-file {options.admin_password_file}: {error.strerror}"
            ) from error
    else:
        password = os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD", "")
        if not password and sys.stdin.isatty():
            password = getpass.getpass(f"First password of {options.admin} (empty: one is made): ")
    if not password:
        password = secrets.token_urlsafe(18)
        say(f"administrator {options.admin!r}, password {password!r}: it is shown this once, change it")
    if len(password) < SHORTEST:
        raise BadInput(f"the first password of {options.admin} has fewer than {SHORTEST} characters")
    return password


def _has_user(address: str, name: str) -> bool:
    file = sa.make_url(address).database or ""
    if address.startswith("sqlite") and not Path(file).exists():
        # Looking would make it.
        return False
    engine = sa.create_engine(address)
    try:
        with engine.connect() as connection:
            if not sa.inspect(connection).has_table("users"):
                return False
            query = sa.text("SELECT count(*) FROM users WHERE username = :name")
            return bool(connection.scalar(query, {"name": name}))
    except sa.exc.SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise BadInput(f"the database cannot be opened: {reason}") from error
    finally:
        engine.dispose()


@contextmanager
def _signals() -> Iterator[list[subprocess.Popen[bytes]]]:
    """SIGTERM and Ctrl-C are passed on to the server, which ends its requests first."""
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
    for _ in range(START * 2):
        if process.poll() is not None:
            raise BadInput(
                f"the server did not come up (exit code {process.returncode}): its last lines say why"
            )
        try:
            urllib.request.urlopen(f"{address}/ready", timeout=5).close()
            return
        except OSError:
            pass
        time.sleep(0.5)
    raise BadInput(f"the server did not answer within {START} s at {address}")


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
