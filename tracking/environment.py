"""Python environment that ``mlflow run`` uses for this project.

``mlflow run`` needs a separate environment for every project: it builds one with pyenv (or uv) below
``MLFLOW_ENV_ROOT``, in a folder named by a hash of ``python_env.yaml``, and sources ``bin/activate`` there.
It uses an existing folder of that name unchanged. `adopt` writes a short ``bin/activate`` there that
activates an environment with Shashlik, so that nothing is installed twice and neither pyenv nor uv is needed.
Docs: ``docs/decisions/0003-environment-of-mlflow-run.md``.
"""

from __future__ import annotations

import shlex
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from packaging.requirements import Requirement

__all__ = ["adopt", "folder", "unmet"]

_ACTIVATE = """\
# Written by `shashlik setup`; sourced by `mlflow run` before an entry point of Shashlik starts.
# The active environment serves if Shashlik is installed in it, else the one that was set up last.
for environment in "${{VIRTUAL_ENV:-}}" "${{CONDA_PREFIX:-}}" {prefix}; do
    if [ -x "$environment/bin/shashlik" ] && [ -x "$environment/bin/python" ]; then
        export PATH="$environment/bin:$PATH"
        unset PYTHONHOME
        return 0
    fi
done
echo "shashlik: the environment "{prefix}" that 'mlflow run' should use is gone:" \\
    "activate one in which Shashlik is installed and run 'shashlik setup' there" >&2
return 1
"""


def _of_clone(project: Path, name: str) -> Path:
    """Find a file that every clone of Shashlik contains."""
    if not (project / name).is_file():
        raise FileNotFoundError(
            f"no {name} in {project.resolve()}: run 'shashlik setup' in a clone of Shashlik"
        )
    return project / name


def folder(project: Path) -> Path:
    """Find the folder where ``mlflow run`` looks for the environment of a project.

    Parameters
    ----------
    project : pathlib.Path
        Folder that holds ``MLproject`` and ``python_env.yaml``.

    Raises
    ------
    FileNotFoundError
        If there is no ``python_env.yaml`` in `project`.
    """
    # mlflow has no public function for this name; tests/platform/test_mlflow_run.py checks it.
    from mlflow.environment_variables import MLFLOW_ENV_ROOT
    from mlflow.utils.environment import _PythonEnv
    from mlflow.utils.virtualenv import _get_virtualenv_name

    specification = _PythonEnv.from_yaml(_of_clone(project, "python_env.yaml"))
    return Path(MLFLOW_ENV_ROOT.get()) / _get_virtualenv_name(specification, project)


def adopt(project: Path, prefix: Path = Path(sys.prefix)) -> Path:
    """Let ``mlflow run`` use the environment `prefix` for `project`.

    Only ``bin/activate`` in the environment's folder is written: an existing environment of mlflow keeps its
    other files. A symbolic link of that name is replaced, so that its target stays unchanged.

    Parameters
    ----------
    project : pathlib.Path
        Folder that holds ``MLproject`` and ``python_env.yaml``.
    prefix : pathlib.Path
        Environment in which Shashlik is installed; the running one by default.

    Returns
    -------
    pathlib.Path
        Path of the written file.

    Raises
    ------
    FileNotFoundError
        If `project` has no ``python_env.yaml``, or `prefix` no ``bin/shashlik`` and ``bin/python``.
    """
    for program in ("python", "shashlik"):
        if not (prefix / "bin" / program).exists():
            raise FileNotFoundError(
                f"the environment {prefix} has no bin/{program}: make one with 'python3.11 -m venv .venv', "
                "activate it, run 'pip install -e .' and then 'shashlik setup'"
            )
    home = folder(project)
    if home.is_symlink():
        home.unlink()
    script = home / "bin" / "activate"
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(_ACTIVATE.format(prefix=shlex.quote(str(prefix))))
    return script


def unmet(project: Path) -> tuple[str, ...]:
    """List the dependencies in ``pyproject.toml`` that the running environment does not meet.

    A clone that was updated after ``pip install`` may have new dependencies.

    Raises
    ------
    FileNotFoundError
        If `project` has no ``pyproject.toml``.
    """
    requirements = tomllib.loads(_of_clone(project, "pyproject.toml").read_text())["project"]["dependencies"]
    problems = []
    for requirement in map(Requirement, requirements):
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            problems.append(f"{requirement} (not installed)")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            problems.append(f"{requirement} (installed: {installed})")
    return tuple(problems)
