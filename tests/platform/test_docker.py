"""What can be known of docker/ without Docker: files that exist, options that mlflow has."""

from __future__ import annotations

import json
import re
from pathlib import Path

import mlflow.cli
import yaml
from sqlalchemy.engine import make_url

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())


def test_copies_what_the_package_is_built_from() -> None:
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", DOCKERFILE, re.M) for name in line.split()}
    assert copied == {"pyproject.toml", "README.md", "LICENSE", "projects", "registry", "tracking"}
    assert all((ROOT / name).exists() for name in copied)


def test_server_command() -> None:
    words = json.loads(DOCKERFILE.partition("CMD ")[2].replace("\\\n", ""))
    assert words[:2] == ["mlflow", "server"]
    options = mlflow.cli.server.make_context("server", words[2:]).params
    assert options["port"] == 5000
    assert options["serve_artifacts"] is True


def test_database_address() -> None:
    server = COMPOSE["services"]["server"]
    address = server["environment"]["MLFLOW_BACKEND_STORE_URI"].replace("${POSTGRES_PASSWORD}", "secret")
    assert make_url(address).get_driver_name() == "psycopg"
    assert make_url(address).host in COMPOSE["services"]
    assert server["ports"] == ["127.0.0.1:5000:5000"], "no passwords: not for other machines"
