"""A real PostgreSQL for the tests of the registry, where its programs are installed."""

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
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

#: Debian keeps the server's programs off the PATH.
DEBIAN = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


def _unprivileged() -> str | None:
    """PostgreSQL refuses to run as root; the user to run it as, None where that is ourselves."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Address of a PostgreSQL server of this test session, without a database's name."""
    initdb = shutil.which("initdb") or (str(DEBIAN[-1]) if DEBIAN else None)
    if initdb is None:
        if os.environ.get("CI"):
            pytest.fail("PostgreSQL is not installed: .ci/run should have done that")
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    programs, user = Path(initdb).resolve().parent, _unprivileged()
    folder = Path(tempfile.mkdtemp(prefix="shashlik-postgres-"))
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, pwd.getpwnam(user).pw_gid)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home = {"user": user, "cwd": folder}
    subprocess.run(
        [programs / "initdb", "-D", folder / "data", "-U", "shashlik", "--auth=trust", "-E", "UTF8", "-N"],
        check=True, capture_output=True, **home,
    )  # fmt: skip
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", "-p", str(port), "-k", folder, "-F",
             "-c", "listen_addresses=127.0.0.1"],
            stdout=log, stderr=log, **home,
        )  # fmt: skip
    address = f"postgresql+psycopg://shashlik@127.0.0.1:{port}"
    try:
        _wait(f"{address}/postgres", server, folder / "log")
        yield address
    finally:
        # Fast shutdown: the polite one waits for connections that mlflow keeps in its pool.
        server.send_signal(signal.SIGINT)
        server.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


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


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    return fresh(request.getfixturevalue("postgres"))


def fresh(server: str) -> str:
    """Address of a new database of a PostgreSQL server."""
    name = f"test_{uuid4().hex}"
    engine = sa.create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"
