"""The run of a version once more: by its own commit the numbers come back, by changed code they do not."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow
import pytest
from mlflow.tracking import MlflowClient

from tracking.evidence.agreement import Difference, differences
from tracking.evidence.resolution import Evidence

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("numbers", "pull"),
    [
        ((1.0, 0.3, 1.0, 0.4), 0.0),
        ((1.0, 0.3, 2.0, 0.4), 2.0),
        ((2.0, 0.3, 0.0, 0.4), -4.0),
        ((1.0, 0.0, 1.1, 0.0), math.inf),
        ((math.nan, 0.1, math.nan, 0.1), 0.0),
        ((1.0, 0.1, math.nan, 0.1), math.inf),
        ((1.0, math.nan, 1.0, math.nan), 0.0),
    ],
)
def test_pulls(numbers: tuple[float, ...], pull: float) -> None:
    one = Difference("n", *numbers)
    assert one.pull == pytest.approx(pull)
    assert one.agrees == (abs(pull) <= 3)


def test_evidence_agrees_with_itself_and_not_with_less(evidence: Evidence) -> None:
    found = differences(evidence, evidence)
    assert {one.pull for one in found} == {0.0}
    assert {one.name for one in found} >= {f"network/{q.name}/sigma" for q in evidence.quantities}
    less = replace(
        evidence,
        rows=tuple(row for row in evidence.rows if row.estimator != "fit"),
        counts=tuple(count for count in evidence.counts if count.estimator != "fit"),
    )
    assert {one.name for one in differences(evidence, less) if not one.agrees} == {
        one.name for one in found if one.name.startswith("fit/")
    }


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    return subprocess.run(
        ["git", "-C", str(folder), *named, *words], capture_output=True, text=True, check=True
    ).stdout


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory, empty_store: Path) -> Path:
    """This repository as it is now, with the toy task, as a repository of one commit; beside it a store."""
    place = tmp_path_factory.mktemp("rerun")
    listed = subprocess.run(
        [
            "git",
            "-C",
            str(ROOT),
            "ls-files",
            "-co",
            "--exclude-standard",
            "projects",
            "registry",
            "shashlik",
            "tracking",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    made = place / "clone"
    for name in listed:
        if (ROOT / name).exists():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, made / name)
    toy = made / "projects" / "toy" / "task_toy.py"
    toy.parent.mkdir()
    shutil.copyfile(Path(__file__).with_name("toy_task.py"), toy)
    (made / ".gitignore").write_text("__pycache__/\n")
    git(made, "init", "-q")
    git(made, "add", "-A")
    git(made, "commit", "-qm", "first")
    shutil.copyfile(empty_store, place / "mlflow.db")
    return made


def shashlik(clone: Path, *words: str, code: int = 0) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_RUN")}
    environment |= {
        "PYTHONPATH": str(clone),
        "MLFLOW_TRACKING_URI": f"sqlite:///{clone.parent / 'mlflow.db'}",
    }
    done = subprocess.run(
        [sys.executable, "-P", "-W", "ignore", "-m", "shashlik", *words],
        cwd=clone.parent,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_recorded_commit_repeats_its_numbers(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shashlik(clone, "run", "toy", "--seed", "5")
    first = git(clone, "rev-parse", "HEAD").strip()
    toy = clone / "projects" / "toy" / "task_toy.py"
    toy.write_text(toy.read_text().replace('return {"t": (a + b) / 2}', 'return {"t": (a + b) / 2 + 0.2}'))
    git(clone, "commit", "-qam", "another centre")

    told = shashlik(clone, "rerun", "1", "--task", "toy")
    assert f"commit {first[:12]} in a temporary worktree" in told
    assert "judged on the same events; of 10 numbers 10 are equal to the last bit, 0 differ" in told
    assert len(git(clone, "worktree", "list").splitlines()) == 1, "the worktree is gone"

    told = shashlik(clone, "rerun", "v1", "--task", "toy", "--here", code=1)
    assert f"recorded is {first[:12]}" in told
    (line,) = [line for line in told.splitlines() if line.startswith("network/t/mu")]
    assert line.endswith("differs")
    (line,) = [line for line in told.splitlines() if line.startswith("first/t/mu")]
    assert not line.endswith("differs")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{clone.parent / 'mlflow.db'}")
    (version,) = MlflowClient().search_model_versions("name='toy'")
    assert version.tags["rerun"].startswith("differs ")
    kept = MlflowClient().list_artifacts(version.run_id, "reruns")
    assert len(kept) == 2
    assert "now - then" in mlflow.artifacts.load_text(f"runs:/{version.run_id}/{kept[0].path}")

    MlflowClient().set_tag(version.run_id, "git.commit", "ab" * 20)
    told = shashlik(clone, "rerun", "1", "--task", "toy", code=2)
    assert "commit abababababab cannot be checked out" in told
    assert "or use --here" in told
