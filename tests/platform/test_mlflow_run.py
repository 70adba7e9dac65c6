"""``mlflow run`` uses the environment that `shashlik setup` left, and never builds one.

The project run here is a small copy: the repository's own ``python_env.yaml`` with an entry point that
tells which interpreter it got. Its environment is an empty one, so that nothing else can be meant.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import mlflow
import mlflow.cli
import pytest
from mlflow.exceptions import ExecutionException
from mlflow.tracking import MlflowClient

from shashlik.plugins.experiment import EntryPointExperiment
from tracking import environment

ROOT = Path(__file__).parents[2]
PROBE = """\
name: shashlik
python_env: python_env.yaml
entry_points:
  probe:
    parameters:
      answer: string
    command: python -c 'import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.prefix)' {answer}
"""
ADVICE = (
    "mlflow no longer looks where tracking/environment.py writes: compare LocalBackend.run in "
    "mlflow/projects/backend/local.py with tracking.environment.folder; "
    "until then 'mlflow run --env-manager local' still works"
)


def empty_environment(folder: Path) -> Path:
    """A virtual environment that passes for one in which Shashlik is installed."""
    venv.create(folder, symlinks=True, with_pip=False)
    script = folder / "bin" / "shashlik"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def tracking_uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


@pytest.fixture
def project(tmp_path: Path, tracking_uri: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project, with a PATH that holds neither pyenv nor uv nor an active environment."""
    monkeypatch.setenv("MLFLOW_ENV_ROOT", str(tmp_path / "envs"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in (
        "VIRTUAL_ENV",
        "CONDA_PREFIX",
        "MLFLOW_RUN_ID",
        "MLFLOW_EXPERIMENT_ID",
        "MLFLOW_EXPERIMENT_NAME",
    ):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy(ROOT / "python_env.yaml", folder)
    (folder / "MLproject").write_text(PROBE)
    return folder


@pytest.fixture
def installed(project: Path, tmp_path: Path) -> Path:
    """The environment that was set up for the project."""
    prefix = empty_environment(tmp_path / "installed")
    environment.adopt(project, prefix)
    return prefix


@pytest.fixture
def builders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pyenv and uv on the PATH; the file they would leave if somebody called them."""
    called = tmp_path / "called"
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("pyenv", "uv"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>"{called}"\nexit 1\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return called


def answer(project: Path, manager: str | None) -> Path:
    """The environment in which the entry point ran."""
    told = project / "answer"
    told.unlink(missing_ok=True)
    mlflow.projects.run(str(project), "probe", parameters={"answer": str(told)}, env_manager=manager)
    return Path(told.read_text())


@pytest.mark.parametrize("manager", [None, "virtualenv", "uv"])
def test_runs_in_the_installed_environment(project: Path, installed: Path, manager: str | None) -> None:
    assert answer(project, manager) == installed, ADVICE


@pytest.mark.parametrize("manager", [None, "uv"])
def test_does_not_ask_pyenv_or_uv(
    project: Path, installed: Path, builders: Path, manager: str | None
) -> None:
    assert answer(project, manager) == installed, ADVICE
    assert not builders.exists(), f"{builders.read_text()} was called; {ADVICE}"


def test_a_folder_of_another_name_would_not_do(project: Path, installed: Path, builders: Path) -> None:
    """The tests above can fail: without the folder mlflow does call the programs that build environments."""
    shutil.rmtree(environment.folder(project))
    with pytest.raises(Exception, match="pyenv"):
        answer(project, None)
    assert "pyenv install" in builders.read_text()


def test_local_manager(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    active = empty_environment(tmp_path / "active")
    monkeypatch.setenv("PATH", f"{active / 'bin'}:{os.environ['PATH']}")
    assert answer(project, "local") == active


def test_verbatim_command(project: Path, installed: Path) -> None:
    """The command line itself; its run is found in the experiment named as the entry point."""
    told = project / "answer"
    command = [Path(sys.executable).with_name("mlflow"), "run", ".", "-e", "probe", "-P", f"answer={told}"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert Path(told.read_text()) == installed, ADVICE
    experiment = MlflowClient().get_experiment_by_name("probe")
    assert experiment is not None, (
        "the plugin in shashlik/plugins/experiment.py was not asked: pip install -e . again"
    )
    assert len(MlflowClient().search_runs([experiment.experiment_id])) == 1


def test_other_projects_keep_their_experiment(project: Path) -> None:
    (project / "MLproject").write_text(PROBE.replace("name: shashlik", "name: other"))
    provider = EntryPointExperiment()
    with mlflow.cli.run.make_context("run", [str(project), "-e", "probe"]):
        assert not provider.in_context()
    (project / "MLproject").write_text(PROBE)
    with mlflow.cli.run.make_context("run", [str(project), "-e", "probe"]):
        assert provider.in_context()
    with mlflow.cli.run.make_context("run", [str(project), "-e", "misspelt"]):
        assert not provider.in_context(), "a misspelt task must not leave an experiment behind"
    assert not provider.in_context()


def test_active_environment_comes_first(
    project: Path, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    active = empty_environment(tmp_path / "active")
    monkeypatch.setenv("VIRTUAL_ENV", str(active))
    assert answer(project, None) == active
    (active / "bin" / "shashlik").unlink()
    assert answer(project, None) == installed


def test_moved_environment_says_what_to_do(
    project: Path, installed: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    installed.rename(installed.with_name("moved"))
    with pytest.raises(ExecutionException, match="failed"):
        answer(project, None)
    told = capfd.readouterr().err
    assert f"the environment {installed} that 'mlflow run' should use is gone" in told
    assert "run 'shashlik setup'" in told
    newest = MlflowClient().search_runs(["0"], max_results=1)[0]
    assert newest.info.status == "FAILED"


def test_adopting_leaves_other_environments_alone(project: Path, tmp_path: Path) -> None:
    """A link to an environment is replaced, not written through; one that mlflow built keeps its files."""
    first, second = empty_environment(tmp_path / "first"), empty_environment(tmp_path / "second")
    before = (first / "bin" / "activate").read_text()
    home = environment.folder(project)
    home.parent.mkdir(parents=True)
    home.symlink_to(first)
    environment.adopt(project, second)
    assert (first / "bin" / "activate").read_text() == before
    assert answer(project, None) == second

    built = empty_environment(tmp_path / "built")
    shutil.rmtree(home)
    shutil.copytree(built, home, symlinks=True)
    environment.adopt(project, first)
    assert (home / "pyvenv.cfg").exists()
    assert answer(project, None) == first


def test_odd_paths(project: Path, tmp_path: Path) -> None:
    prefix = empty_environment(tmp_path / 'it\'s a $HOME "folder"')
    environment.adopt(project, prefix)
    assert answer(project, None) == prefix


def test_setup_outside_of_a_clone(tmp_path: Path) -> None:
    prefix = empty_environment(tmp_path / "installed")
    with pytest.raises(FileNotFoundError, match=r"no python_env.yaml in .*: run 'shashlik setup' in a clone"):
        environment.adopt(tmp_path, prefix)
    with pytest.raises(FileNotFoundError, match=r"no pyproject.toml in .*: run 'shashlik setup' in a clone"):
        environment.unmet(tmp_path)


def test_setup_without_installing_first(project: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "bare", symlinks=True, with_pip=False)
    with pytest.raises(FileNotFoundError, match=r"has no bin/shashlik: .*pip install -e \."):
        environment.adopt(project, tmp_path / "bare")


def test_unmet_dependencies(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["numpy>=2", "mlflow<1", "no-such-package>=3"]\n'
    )
    assert environment.unmet(tmp_path) == (
        f"mlflow<1 (installed: {mlflow.__version__})",
        "no-such-package>=3 (not installed)",
    )
    assert environment.unmet(ROOT) == ()


def test_the_environment_file_names_the_project_itself() -> None:
    """Without `shashlik setup`, mlflow builds the project itself, dependencies included."""
    assert "dependencies:\n  - .\n" in (ROOT / "python_env.yaml").read_text()
