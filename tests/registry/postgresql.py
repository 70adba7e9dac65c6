"""A real PostgreSQL of the tests' own, where its programs are installed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

__all__ = ["fresh", "running"]

#: Debian keeps the server's programs off the PATH.
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; the user to run it as, None where that is ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@contextmanager
def running() -> Iterator[str]:
    """Address of a PostgreSQL server, without a database's name."""
    initdb = shutil.which("initdb") or (str(DEBIAN[-1]) if DEBIAN else None)
    if initdb is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: .ci/run should have done that")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    # Not below tmp_path, which is closed to the user that it runs as.
    folder = Path(tempfile.mkdtemp(prefix="shashlik-postgres-"))
    try:
        with _started(Path(initdb).resolve().parent, folder) as address:
            yield address
    finally:
        shutil.rmtree(folder)


@contextmanager
def _started(programs: Path, folder: Path) -> Iterator[str]:
    user = _unprivileged()
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {"user": user, "cwd": folder}
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "shashlik", "--auth=trust", "-E", "UTF8", "-N"],
        check=True,
        capture_output=True,
        **home,
    )
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [
                programs / "postgres",
                "-D",
                folder / "data",
                "-p",
                str(port),
                "-k",
                folder,
                "-F",
                "-c",
                "listen_addresses=127.0.0.1",
            ],
            stdout=log,
            stderr=log,
            **home,
        )
    address = f"postgresql+psycopg://shashlik@127.0.0.1:{port}"
    try:
        _wait(f"{address}/postgres", server, folder / "log")
        yield address
    finally:
        _stop(server)


def _wait(address: str, server: subprocess.Popen, log: Path) -> None:
    engine = sa.create_engine(address)
    for _ in range(300):
        try:
            engine.connect().close()
            engine.dispose()
            return
        except sa.exc.OperationalError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(f"PostgreSQL does not answer: {log.read_text()}")


def _stop(server: subprocess.Popen) -> None:
    """Fast shutdown, as the polite one waits for connections that mlflow keeps in its pool; else at once."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        server.send_signal(number)
        try:
            server.wait(60)
            return
        except subprocess.TimeoutExpired:
            continue
    server.kill()
    server.wait(60)


def fresh(server: str, like: str = "template1") -> str:
    """Address of a new database of a PostgreSQL server, a copy of another that nobody is connected to."""
    name = f"test_{uuid4().hex}"
    engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} TEMPLATE {like}"))
    engine.dispose()
    return f"{server}/{name}"
