"""Options of ``shashlik server``, and the configuration of its logins."""

from __future__ import annotations

import getpass
import os
import secrets
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from shashlik.exceptions import BadInput

__all__ = ["PERMISSIONS", "Options", "logins"]

#: Default permissions of users where they have no explicit one.
PERMISSIONS = ("NO_PERMISSIONS", "READ", "USE", "EDIT", "MANAGE")
#: Minimum length of an administrator's password, the same as mlflow's.
SHORTEST = 12


@dataclass(frozen=True)
class Options:
    """Options of the server.

    Parameters
    ----------
    backend_store_uri : str
        ``sqlite:///...`` or ``postgresql://...``; holds everything except artifacts.
    artifacts_destination : str
        A folder or ``s3://bucket/...``; clients reach it through the server.
    host : str
    port : int
    workers : int
    auth : bool
        Whether users must log in.
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


def logins(options: Options, address: str, scratch: Path, say: Callable[[str], object]) -> Mapping[str, str]:
    """Configure mlflow's basic auth, with a first password if there is no administrator yet."""
    if options.default_permission not in PERMISSIONS:
        raise BadInput(
            f"--default-permission {options.default_permission!r} is not one of {', '.join(PERMISSIONS)}"
        )
    settings = scratch / "auth.ini"
    settings.touch(0o600)
    # `%` starts a variable in an .ini file.
    lines = {
        "default_permission": options.default_permission,
        "database_uri": address.replace("%", "%%"),
        "admin_username": options.admin,
        "grant_default_workspace_access": "false",
        # `registry.server.passwords` caches valid passwords consistently for all workers.
        "auth_cache_ttl_seconds": "0",
    }
    settings.write_text("[mlflow]\n" + "".join(f"{name} = {value}\n" for name, value in lines.items()))
    environment = {
        "SHASHLIK_AUTH": "basic",
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        # Signs only the forms of the sign-up page.
        "MLFLOW_FLASK_SERVER_SECRET_KEY": os.environ.get("MLFLOW_FLASK_SERVER_SECRET_KEY")
        or secrets.token_hex(32),
        "MLFLOW_BASIC_AUTH_FAIL_CLOSED": "true",
    }
    if not _has_user(address, options.admin):
        environment["MLFLOW_AUTH_ADMIN_PASSWORD"] = _first_password(options, say)
    return environment


def _first_password(options: Options, say: Callable[[str], object]) -> str:
    """Read the password from the file, the environment or a prompt; else generate and show it once."""
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
        # A connection would create the file.
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
