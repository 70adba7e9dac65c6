"""docs/write-your-own-task.md, followed word for word in a copy of the repository."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from mlflow.tracking import MlflowClient

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "write-your-own-task.md").read_text()
NAME = "transverse_mass"


def blocks(language: str) -> list[list[str]]:
    """Lines of the page's code blocks of one language."""
    found = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)
    return [text.splitlines() for text in found]


def changes() -> list[tuple[str, str]]:
    """Lines to replace, and what by."""
    (lines,) = blocks("diff")
    old, new = lines[0::2], lines[1::2]
    assert all(line.startswith("-") for line in old)
    assert all(line.startswith("+") for line in new)
    return [(before[1:], after[1:]) for before, after in zip(old, new, strict=True)]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's code with the new task in it, made as the page says."""
    folder = tmp_path_factory.mktemp("project")
    for package in ("projects", "registry", "shashlik", "tracking"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("MLproject", "python_env.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, folder)
    (copy,) = blocks("bash")[0]
    command, source, target = copy.split()
    assert command == "cp"
    text = (folder / source).read_text()
    for before, after in changes():
        assert text.count(f"{before}\n") == 1, f"the page changes {before!r}; the template has no such line"
        text = text.replace(before, after)
    (folder / target).write_text(text)
    return folder


def test_ten_lines_are_enough() -> None:
    assert 0 < len(changes()) <= 10


def follow(project: Path, command: str) -> str:
    """Give one command of the page, to the copy's code; what it printed."""
    door, *words = shlex.split(command)
    assert door == "shashlik"
    variables = {
        name: value for name, value in os.environ.items() if name not in ("MLFLOW_RUN_ID", "PYTHONPATH")
    }
    variables["MLFLOW_TRACKING_URI"] = f"sqlite:///{project / 'mlflow.db'}"
    done = subprocess.run(
        [sys.executable, "-m", "shashlik", *words], cwd=project, env=variables, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_new_task_works(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = blocks("bash")[1]
    told = {command: follow(project, command) for command in commands}
    assert f"{NAME}: Transverse mass" in told[f"shashlik tasks {NAME}"]
    entry_points = yaml.safe_load((project / "MLproject").read_text())["entry_points"]
    assert entry_points[NAME]["command"].startswith(f"python -m shashlik run {NAME} ")
    assert set(entry_points) > {"mass", NAME}

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    mlflow.set_tracking_uri(None)
    client = MlflowClient()
    experiment = client.get_experiment_by_name(NAME)
    assert experiment is not None
    all_runs = client.search_runs([experiment.experiment_id])
    runs = [
        run for run in all_runs if "network/success" in run.data.metrics and "search" not in run.data.tags
    ]
    assert len(runs) == sum(command.startswith("shashlik run") for command in commands)
    assert {run.data.params["cfg.basis"] for run in runs} == {"cartesian", "polar"}
    for run in runs:
        assert run.info.status == "FINISHED"
        # 2000 events: all are right, up to what a counting error of some allows.
        assert run.data.metrics["closed-form/success"] > 0.999
        assert run.data.metrics["network/success"] > 0.99
    # The search: two trials, and the better one trained again as a candidate.
    (search,) = (command for command in commands if command.startswith("shashlik tune"))
    assert "2 of 2 trials finished" in told[search]
    kinds = [run.data.tags["trial.kind"] for run in all_runs if "search" in run.data.tags]
    assert sorted(kinds) == ["final", "search", "search"]
    assert len(client.search_model_versions(f"name='{NAME}'")) == len(runs) + 1
    (compare,) = (command for command in commands if command.startswith("shashlik compare"))
    assert "v3-network" in told[compare]
    assert "20000 events" in told[compare]
