"""``shashlik server`` with options that cannot be used: one line, and nothing is started."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from shashlik.__main__ import main
from shashlik.commands.logins import Options, logins
from shashlik.commands.serve import _ended


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ["--backend-store-uri", "mysql://a@b/c"],
            "--backend-store-uri 'mysql://a@b/c' is neither sqlite:///<file> nor postgresql://",
        ),
        (["--backend-store-uri", "banana"], "--backend-store-uri 'banana' is neither"),
        (
            ["--auth", "--default-permission", "ALL"],
            "--default-permission 'ALL' is not one of NO_PERMISSIONS, READ, USE, EDIT, MANAGE",
        ),
        (
            ["--auth", "--admin-password-file", "nowhere"],
            "--admin-password-file nowhere: No such file or directory",
        ),
        (
            ["--auth", "--admin-password-file", "short"],
            "the first password of admin has fewer than 12 characters",
        ),
        (
            ["--auth", "--backend-store-uri", "postgresql://a@127.0.0.1:9/c"],
            "the database cannot be opened: ",
        ),
        (["--host", "192.0.2.1"], "cannot listen at 192.0.2.1:"),
        (["--port", "99999"], "--port 99999 is out of range"),
        (["--port", "banana"], "port='banana' is not a int"),
    ],
)
def test_what_cannot_be_served(
    words: list[str], line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_AUTH_ADMIN_PASSWORD", raising=False)
    (tmp_path / "short").write_text("secret\n")
    port = [] if "--port" in words else ["--port", "0"]
    done = CliRunner().invoke(main, ["server", *port, *words])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"shashlik: {line}")
    assert len(done.stderr.strip().splitlines()) == 1
    assert not list(tmp_path.glob("*.db"))


def test_a_port_that_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        done = CliRunner().invoke(main, ["server", "--port", str(port)])
    assert done.exit_code == 2
    line = f"cannot listen at 127.0.0.1:{port} (Address already in use): choose another --port or --host"
    assert done.stderr == f"shashlik: {line}\n"


@pytest.mark.parametrize(("begun_by_mlflow", "code"), [(True, -signal.SIGTERM), (False, 7)])
def test_it_ends_with_the_mlflow_run_that_began_it(
    begun_by_mlflow: bool, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`mlflow run` dies of SIGTERM and tells nobody; a shell that began a server may go, and it stays."""
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    if begun_by_mlflow:
        monkeypatch.setenv("MLFLOW_RUN_ID", "ab" * 16)
    program = f"import sys, time; time.sleep({60 if begun_by_mlflow else 0}); sys.exit(7)"
    gone = -1
    assert _ended(subprocess.Popen([sys.executable, "-c", program]), gone) == code


def test_the_password_is_asked_for_once(tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/mlflow.db"
    told: list[str] = []
    first = logins(Options(auth=True), address, tmp_path, told.append)
    assert first["MLFLOW_AUTH_ADMIN_PASSWORD"] in told[0]
    engine = sa.create_engine(address)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE users (username TEXT)"))
        connection.execute(sa.text("INSERT INTO users VALUES ('admin')"))
    engine.dispose()
    again = logins(Options(auth=True), address, tmp_path, told.append)
    assert "MLFLOW_AUTH_ADMIN_PASSWORD" not in again
    assert len(told) == 1
    settings = (tmp_path / "auth.ini").read_text()
    assert "default_permission = NO_PERMISSIONS" in settings
    assert (tmp_path / "auth.ini").stat().st_mode & 0o777 == 0o600
