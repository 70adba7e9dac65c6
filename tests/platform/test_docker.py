"""What can be known of docker/ without Docker: that files exist, options are understood, and versions fit."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sqlalchemy.engine import make_url

from shashlik.__main__ import main

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
IMAGES = {name: (DOCKER / f"Dockerfile.{name}").read_text() for name in ("server", "trainer")}
COMPOSE = yaml.safe_load((DOCKER / "compose.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = dict(
    line.split("==") for line in (DOCKER / "constraints.txt").read_text().splitlines() if line[0] != "#"
)
each_image = pytest.mark.parametrize("image", IMAGES)


def instruction(text: str, name: str) -> str:
    """What follows an instruction that is there once, continued lines joined."""
    (found,) = re.findall(rf"^{name} (.+)$", text.replace("\\\n", " "), re.M)
    return found


@each_image
def test_copies_what_the_package_is_built_from(image: str) -> None:
    lines = re.findall(r"^COPY (.+) \S+$", IMAGES[image], re.M)
    copied = {name for line in lines for name in line.split()}
    assert copied == {
        "pyproject.toml",
        "README.md",
        "LICENSE",
        *("projects", "registry", "shashlik", "tracking"),
        *("docker/constraints.txt", "docker/entrypoint.sh"),
    }
    assert all((ROOT / name).exists() for name in copied)
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"][
        "wheel"
    ]
    assert set(packages["packages"]) < copied


@each_image
def test_installs_pinned_versions_that_fit(image: str) -> None:
    """The install line names extras that exist, and all their requirements have a version that fits."""
    words = instruction(IMAGES[image], r"RUN pip").split()
    assert words[:-1] == ["install", "--no-cache-dir", "--constraint", "constraints.txt"]
    extras = re.fullmatch(r'"\.\[([\w,]+)\]"', words[-1])
    assert extras
    wanted = [
        *PROJECT["dependencies"],
        *(line for extra in extras[1].split(",") for line in PROJECT["optional-dependencies"][extra]),
    ]
    pinned = {canonicalize_name(name): version for name, version in PINNED.items()}
    for requirement in map(Requirement, wanted):
        assert pinned[canonicalize_name(requirement.name)] in requirement.specifier, str(requirement)
    assert len(pinned) > len(wanted), "what they need themselves is pinned too"


@each_image
def test_image_is_pinned_and_nobody_is_root(image: str) -> None:
    assert re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", instruction(IMAGES[image], "FROM"))
    assert "3.11" in PROJECT["requires-python"]
    assert instruction(IMAGES[image], "USER") == "10001"
    lines = IMAGES[image].splitlines()
    assert lines.index("USER 10001") > max(i for i, line in enumerate(lines) if line.startswith("RUN"))


def understood(words: list[str]) -> dict:
    """Options of a command, as it reads them."""
    assert words[0] == "shashlik"
    name, command, rest = main.resolve_command(
        main.make_context("shashlik", ["--help"], resilient_parsing=True), words[1:]
    )
    return command.make_context(name, rest).params


def test_server_commands() -> None:
    alone = understood(json.loads(instruction(IMAGES["server"], "CMD")))
    composed = understood(COMPOSE["services"]["server"]["command"])
    for options in (alone, composed):
        assert (options["host"], options["port"], options["auth"]) == ("0.0.0.0", 5000, True)
    assert (
        composed["artifacts_destination"]
        == COMPOSE["services"]["server"]["environment"]["MLFLOW_ARTIFACTS_DESTINATION"]
    )
    assert "server:5000" in composed["allowed_hosts"].split(",")
    health = instruction(IMAGES["server"], "HEALTHCHECK")
    assert "http://127.0.0.1:5000/ready" in health
    assert json.loads(health.partition("CMD ")[2])[0] == "python"


def test_compose_file_is_one() -> None:
    """Against the specification's own types; by Docker itself where it is."""
    defaults = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", (DOCKER / "compose.yaml").read_text())
    spec = PyCompose.from_yaml(defaults).to_spec()
    assert set(spec.services or {}) == {"postgres", "objects", "server", "operate", "trainer"}
    if (
        shutil.which("docker")
        and subprocess.run(["docker", "compose", "version"], capture_output=True).returncode == 0
    ):
        command = ["docker", "compose", "-f", str(DOCKER / "compose.yaml"), "config", "--quiet"]
        subprocess.run(command, check=True)


def test_services_fit_together() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert re.search(r":\d[\w.-]*$", service["image"]), f"the image of {name} is pinned"
        for secret in service.get("secrets", ()):
            assert secret in COMPOSE["secrets"]
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in COMPOSE["volumes"]
        for network in service["networks"]:
            assert network in COMPOSE["networks"]
        for other, what in service.get("depends_on", {}).items():
            assert what == {"condition": "service_healthy"}
            dockerfile = services[other].get("build", {}).get("dockerfile")
            healthy = (ROOT / dockerfile).read_text() if dockerfile else str(services[other])
            assert "healthcheck" in healthy.lower()
        if "build" in service:
            assert (DOCKER / service["build"]["context"] / service["build"]["dockerfile"]).exists()
            assert service["cap_drop"] == ["ALL"]
            assert service["read_only"] is True
        for name, value in service.get("environment", {}).items():
            assert ("PASSWORD" not in name and "SECRET" not in name) or value.startswith("/run/secrets/"), (
                name
            )
            if name.endswith("_FILE"):
                assert value.removeprefix("/run/secrets/") in service["secrets"]
    assert (
        make_url(services["server"]["environment"]["MLFLOW_BACKEND_STORE_URI"]).get_driver_name() == "psycopg"
    )
    assert make_url(services["server"]["environment"]["MLFLOW_BACKEND_STORE_URI"]).host in services
    assert services["server"]["ports"] == ["${SHASHLIK_ADDRESS:-127.0.0.1}:5000:5000"]
    assert COMPOSE["networks"]["inside"] == {"internal": True}


def test_secrets_come_from_files(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("with blanks, $signs and 'quotes'\n")
    environment = os.environ | {
        "PGPASSWORD_FILE": str(tmp_path / "password"),
        "AWS_ACCESS_KEY_ID": "as it was",
    }
    words = [
        str(DOCKER / "entrypoint.sh"),
        "sh",
        "-c",
        'printf "%s|%s|%s" "$PGPASSWORD" "$AWS_ACCESS_KEY_ID" "$1"',
        "-",
        "a b",
    ]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "with blanks, $signs and 'quotes'|as it was|a b"
    gone = subprocess.run(
        words, env=environment | {"PGPASSWORD_FILE": "/nowhere"}, capture_output=True, text=True
    )
    assert gone.returncode == 2
    assert gone.stderr.splitlines()[-1] == "shashlik: PGPASSWORD_FILE=/nowhere cannot be read"


def test_random_secrets(tmp_path: Path) -> None:
    shutil.copy(DOCKER / "secrets.sh", tmp_path)
    seen = []
    for _ in range(2):
        subprocess.run([tmp_path / "secrets.sh"], check=True)
        seen.append({path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()})
    before, made = seen
    assert made == before, "what is there stays"
    assert set(made) == set(COMPOSE["secrets"])
    assert len(set(made.values())) == len(made) - 1, "the first user is the administrator"
    assert all(len(value.strip()) == 32 for value in made.values())
