"""Jobs in Kubernetes: mlflow's own functions fill the template, and what they make of a command runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlflow.projects import _parse_kubernetes_config
from mlflow.projects.docker import validate_docker_env
from mlflow.projects.utils import get_entry_point_command, get_run_env_vars, load_project

from shashlik.__main__ import main
from shashlik.task import catalog

kubernetes = pytest.importorskip("kubernetes")

from mlflow.projects import kubernetes as backend  # noqa: E402

ROOT = Path(__file__).parents[2]
FOLDER = "docker/kubernetes"
IMAGE = "registry.example/shashlik/trainer:0.1.0"


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clone with the file that is written for an image."""
    shutil.copytree(ROOT / FOLDER, tmp_path / FOLDER, ignore=shutil.ignore_patterns("MLproject"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["mlproject", "--image", IMAGE])
    assert done.output == f"wrote {tmp_path / FOLDER}/MLproject\n"
    return tmp_path


def job(parameters: dict[str, str]) -> dict[str, Any]:
    """What mlflow would send for a run of the task mass."""
    project = load_project(str(Path(FOLDER).resolve()))
    validate_docker_env(project)
    assert project.docker_env["image"] == IMAGE
    config = _parse_kubernetes_config(json.loads(Path(FOLDER, "backend.json").read_text()))
    return backend._get_kubernetes_job_definition(
        project.name,
        f"{config['repository-uri']}:abc",
        "sha256:" + "0" * 64,
        backend._get_run_command(get_entry_point_command(project, "mass", parameters, None)),
        get_run_env_vars(run_id="1" * 32, experiment_id="3"),
        config["kube-job-template"],
    )


def test_the_filled_template_is_a_job(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBE_MLFLOW_TRACKING_URI", "http://shashlik:5000")
    filled = job({"preset": "smoke"})

    class Answer:
        data = json.dumps(filled)

    client = kubernetes.client.ApiClient()
    made = client.deserialize(Answer, "V1Job")
    assert client.sanitize_for_serialization(made) == filled, "nothing in it that Kubernetes does not know"
    assert made.metadata.name.startswith("shashlik-20")
    assert len(made.metadata.name) <= 63
    pod = made.spec.template.spec
    (container,) = pod.containers
    assert container.image == "registry.example/shashlik/jobs:abc@sha256:" + "0" * 64
    variables = {item.name: item.value for item in container.env}
    assert variables["MLFLOW_TRACKING_URI"] == "http://shashlik:5000"
    assert variables["MLFLOW_RUN_ID"] == "1" * 32
    assert pod.security_context.run_as_non_root is True
    assert container.security_context.read_only_root_filesystem is True
    assert made.spec.backoff_limit == 0
    assert "filled in" not in json.dumps(filled)


def test_its_command_runs_without_a_shell(clone: Path, store: str) -> None:
    """mlflow quotes each word, as for a shell; Kubernetes starts the program with these words as they are."""
    parameters = {"preset": "smoke", "train_events": "banana split's"}
    words = job(parameters)["spec"]["template"]["spec"]["containers"][0]["command"]
    assert "''" in words, "what is not given comes as two quotes"
    assert words[:3] == ["python", "-m", "shashlik"]
    done = CliRunner().invoke(main, words[3:])
    assert done.exit_code == 2, done.output
    assert f"train_events={parameters['train_events']!r}" in done.output.splitlines()[-1]


def test_it_has_the_entry_points_of_the_other_file(clone: Path) -> None:
    ours, theirs = load_project(str(ROOT)), load_project(str(clone / FOLDER))
    assert ours._entry_points.keys() == theirs._entry_points.keys() > set(catalog.names())
    for name, entry in ours._entry_points.items():
        assert entry.parameters.keys() == theirs._entry_points[name].parameters.keys()
        assert theirs._entry_points[name].command == entry.command.replace(
            "shashlik ", "shashlik unquoted ", 1
        )
