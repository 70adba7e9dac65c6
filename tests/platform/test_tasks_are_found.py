"""Tasks come in through the entry-point group, anybody's own like ours."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.metadata import EntryPoint, distribution
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOY = ROOT / "tests" / "registry" / "toy_task.py"


def install(folder: Path, name: str, entries: str) -> None:
    """What pip leaves of a package called `name`: metadata with its entry points."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entries)


def package(folder: Path, name: str, task: str = "toy") -> Path:
    """An installed package with the toy task in it; returns the task's file."""
    file = folder / name / "physics" / f"task_{task}.py"
    file.parent.mkdir(parents=True)
    (folder / name / "__init__.py").touch()
    shutil.copyfile(TOY, file)
    install(folder, name, f"[shashlik.tasks]\nany = {name}\n")
    return file


def shashlik(*words: str, path: Path, code: int = 0, cwd: Path | None = None) -> str:
    """Output of a command that finds the packages of the folder `path` before all others."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "shashlik", *words],
        cwd=cwd or path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": f"{path}{os.pathsep}{ROOT}"},
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def test_a_package_of_ones_own(tmp_path: Path) -> None:
    package(tmp_path, "my_lab")
    told = shashlik("tasks", path=tmp_path)
    assert any(line.split()[0] == "toy" for line in told.splitlines())
    assert any(line.split()[0] == "mass" for line in told.splitlines())
    file = tmp_path / "made.root"
    assert shashlik("simulate", "toy", str(file), "--events", "50", path=tmp_path).startswith(f"{file}: 50")


def test_two_tasks_of_one_name_are_refused(tmp_path: Path) -> None:
    first, second = (package(tmp_path, name) for name in ("one_lab", "other_lab"))
    for words in (("tasks",), ("run", "toy")):
        (line,) = shashlik(*words, path=tmp_path, code=2).splitlines()
        assert line.startswith("shashlik: the task 'toy' is defined twice, in ")
        assert str(first) in line
        assert str(second) in line
    assert "Transverse" not in shashlik("tasks", "mass", path=tmp_path), "other tasks are not affected"


def test_a_package_that_is_gone(tmp_path: Path) -> None:
    install(tmp_path, "gone", "[shashlik.tasks]\nold = gone.tasks\n")
    (line,) = shashlik("tasks", path=tmp_path, code=2).splitlines()
    assert line.startswith("shashlik: the entry point 'old' of gone: cannot import gone.tasks (")


def test_an_installation_older_than_the_code(tmp_path: Path) -> None:
    """An editable install keeps the entry points that it was made with."""
    install(tmp_path, "shashlik", "[console_scripts]\nshashlik = projects.__main__:main\n")
    (line,) = shashlik("tasks", path=tmp_path, code=2).splitlines()
    assert line.startswith("shashlik: this environment was installed from an older version")
    assert "run 'pip install -e .' again" in line


def test_mlproject_has_the_tasks_of_its_folder(tmp_path: Path) -> None:
    package(tmp_path, "my_lab")
    assert shashlik("mlproject", path=tmp_path) == f"wrote {tmp_path / 'MLproject'}\n"
    text = (tmp_path / "MLproject").read_text()
    assert "python -m shashlik run toy " in text
    assert "run mass" not in text
    empty = tmp_path / "empty"
    empty.mkdir()
    (line,) = shashlik("mlproject", path=tmp_path, cwd=empty, code=2).splitlines()
    assert line.startswith(f"shashlik: no installed task is below {empty}: ")


def test_a_run_has_the_commit_of_its_task(tmp_path: Path) -> None:
    from tracking.runs.provenance import checkout, commit

    inside = tmp_path / "src"
    package(inside, "my_lab")
    assert checkout(inside) is None

    def git(*words: str) -> str:
        named = ("-c", "user.name=test", "-c", "user.email=test@localhost")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *named, *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    git("init", "-q")
    (tmp_path / "README").write_text("a repository")
    git("add", "README")
    git("commit", "-qm", "first")
    assert checkout(inside) is None, "a folder that no commit holds, as an environment inside a checkout"
    git("add", "-A")
    git("commit", "-qm", "second")
    assert checkout(inside) == tmp_path
    assert commit(inside) == (git("rev-parse", "HEAD"), False)
    (inside / "more").touch()
    assert commit(inside) == (git("rev-parse", "HEAD"), True)


@pytest.mark.parametrize("door", ["projects", "shashlik"])
def test_the_old_name_of_the_program(door: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", door, "--version"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("shashlik, version ")
    note = "shashlik: 'python -m projects' is now 'python -m shashlik'\n"
    assert done.stderr == (note if door == "projects" else "")


@pytest.mark.parametrize(
    "target",
    [
        "registry.server.app:create_app",
        "registry.server.gate:gated_store",
        "tracking.experiment:EntryPointExperiment",
    ],
)
def test_plugins_of_older_installations(target: str) -> None:
    """They are what the present entry points lead to."""
    ours = {entry.value.partition(":")[2]: entry.load() for entry in distribution("shashlik").entry_points}
    assert EntryPoint("shashlik", target, "mlflow").load() is ours[target.partition(":")[2]]


@pytest.mark.parametrize("module", ["shashlik.plugins.experiment", "shashlik.plugins.server"])
def test_plugins_are_loaded_without_the_rest(module: str) -> None:
    """A folder ``tracking`` of somebody's own, in which mlflow is started, has nothing to do with ours."""
    code = f"import mlflow, sys, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & {"tracking", "registry", "projects"}
