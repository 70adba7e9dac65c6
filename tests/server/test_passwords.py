"""A password that was right is recognised as long as it is right, whoever changes it where."""

from __future__ import annotations

from pathlib import Path

import pytest

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
