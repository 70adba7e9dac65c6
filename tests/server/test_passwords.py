"""A password that was right is recognised as long as it is right, whoever changes it where."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from logins import ADMIN, NOBODY, READER, Server

from shashlik.__main__ import main

USER, FIRST, SECOND = "ada", "a first password 1", "a second password 2"


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated", "ignore:No path_separator")
def test_a_password_is_checked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # mlflow's server warns of itself when it is imported.
    from mlflow.server.auth import sqlalchemy_store

    from registry.server.passwords import Logins

    checked: list[str] = []
    check = sqlalchemy_store.check_password_hash

    def counted(stored: str, password: str) -> bool:
        checked.append(password)
        return bool(check(stored, password))

    monkeypatch.setattr(sqlalchemy_store, "check_password_hash", counted)
    one, other = Logins(), Logins()
    for store in (one, other):
        store.init_db(f"sqlite:///{tmp_path}/users.db")
    one.create_user(USER, FIRST)
    assert not one.authenticate_user(USER, SECOND)
    assert all(store.authenticate_user(USER, FIRST) for store in (one, other, one, other))
    assert checked == [SECOND, FIRST, FIRST], "each process for itself"
    other.update_user(USER, password=SECOND)
    assert not one.authenticate_user(USER, FIRST), "though it was another process that changed it"
    assert one.authenticate_user(USER, SECOND)
    other.delete_user(USER)
    assert not one.authenticate_user(USER, SECOND)
    for store in (one, other):
        store.engine.dispose()


@pytest.mark.filterwarnings("ignore:starlette.middleware.wsgi is deprecated", "ignore:No path_separator")
def test_users_are_in_a_backup(server: Server, tmp_path: Path) -> None:
    """With what they may do; the server goes on meanwhile."""
    from registry.server.passwords import Logins

    server.grant(READER, "registered_model", "kept", "EDIT")
    store, tar, target = f"sqlite:///{server.folder}/mlflow.db", tmp_path / "b.tar", tmp_path / "r.db"
    for words in (
        ["backup", f"{tar}", "--store", store, "--artifacts", f"{server.folder}/mlartifacts"],
        ["restore", f"{tar}", "--store", f"sqlite:///{target}", "--artifacts", f"{tmp_path}/artifacts"],
    ):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, done.output
    found = Logins()
    found.init_db(f"sqlite:///{target}")
    for user, password in (ADMIN, READER, NOBODY):
        assert found.authenticate_user(user, password)
        assert not found.authenticate_user(user, f"{password}?")
    assert found.get_user(ADMIN[0]).is_admin
    assert not found.get_user(READER[0]).is_admin
    granted = {one.name: one.permission for one in found.list_registered_model_permissions(READER[0])}
    assert granted["kept"] == "EDIT"
    found.engine.dispose()
