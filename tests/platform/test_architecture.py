"""The rules of docs/architecture.md on who may import whom, read from the source of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("projects", "registry", "shashlik", "tracking")

#: The only modules that may import mlflow: the sides of tracking and registry that face it.
FACING_MLFLOW = {
    "registry.purge",
    "registry.models.frozen_sample",
    "registry.models.lineage",
    "registry.server.access",
    "registry.server.app",
    "registry.server.gated_store",
    "registry.server.pages.search.searches",
    "registry.server.pages.artifacts",
    "registry.server.passwords",
    "registry.server.routes",
    "registry.models.registration",
    "registry.models.versions",
    "tracking.runs.datasets",
    "tracking.environment",
    "tracking.experiment",
    "tracking.runs.indexing",
    "tracking.runs.models",
    "tracking.runs.packing",
    "tracking.runs.reader",
    "tracking.runs.recorder",
    "tracking.runs.rest_client",
    "tracking.runs.lifecycle",
    "tracking.storage.artifacts",
    "tracking.storage.mlflow_schemas",
}
#: The doors are imported by nobody.
DOORS = {"shashlik.__main__", "registry.__main__"}
#: Together with the doors the only modules of projects that see tracking's mlflow side and the registry.
COMPOSERS = DOORS | {
    "shashlik.evaluation.frozen_evaluation", "shashlik.cli.mlproject", "shashlik.evaluation.run",
    "shashlik.search.outcome",
    "shashlik.search.trial", "shashlik.search.tune", "shashlik.ablation.run", "shashlik.ablation.training",
}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


#: So does every command of the registry.
COMMANDS = "shashlik.commands."
SOURCES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
COMPOSERS |= {name for name in SOURCES if name.startswith(COMMANDS)}
MODULES = sorted(name for name in SOURCES if SOURCES[name].stat().st_size > 0)
TASKS = {name for name in MODULES if name.rpartition(".")[2].startswith("task_")}


def imported(name: str) -> Iterator[str]:
    """Every dotted name that the module imports, inside functions too; relative imports made absolute."""
    package = name.split(".") if SOURCES[name].name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(SOURCES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def imports(name: str, *forbidden: str) -> set[str]:
    """Those imports of a module that are, or lie below, one of the forbidden names."""
    return {
        found
        for found in imported(name)
        for rule in forbidden
        if found == rule or found.startswith(f"{rule}.")
    }


def test_reads_every_kind_of_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules below can fail: imports are found wherever and however they are written."""
    source = tmp_path / "sample.py"
    source.write_text(
        "import a.b\nfrom c import d\nfrom . import e\nfrom ..f import g\n"
        "def h():\n    if True:\n        import i as j\n"
    )
    monkeypatch.setitem(SOURCES, "projects.ecal.sample", source)
    assert set(imported("projects.ecal.sample")) == {
        "a.b", "c", "c.d", "projects.ecal", "projects.ecal.e", "projects.f", "projects.f.g", "i",
    }  # fmt: skip
    assert imports("projects.ecal.sample", "a", "projects.f") == {"a.b", "projects.f", "projects.f.g"}


@pytest.mark.parametrize("name", MODULES)
def test_mlflow_stays_behind_its_doors(name: str) -> None:
    if name not in FACING_MLFLOW:
        assert not imports(name, "mlflow"), f"only {sorted(FACING_MLFLOW)} may import mlflow"


@pytest.mark.parametrize("name", MODULES)
def test_packages_depend_one_way(name: str) -> None:
    package = name.partition(".")[0]
    forbidden = {"tracking": ("projects", "registry"), "registry": ("projects",), "projects": ("registry",)}
    if name not in COMPOSERS:
        assert not imports(name, *forbidden[package])


@pytest.mark.parametrize("name", MODULES)
def test_tasks_and_doors_are_imported_by_nobody(name: str) -> None:
    assert not imports(name, *TASKS, *DOORS)


@pytest.mark.parametrize("name", MODULES)
def test_physics_does_not_know_where_it_is_recorded(name: str) -> None:
    if name.startswith("projects.") and name not in COMPOSERS:
        assert not imports(name, *FACING_MLFLOW, *COMPOSERS)


def bound(tree: ast.Module) -> set[str]:
    """Names that a module binds at its top level."""
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(
                part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)
            )
    return names


@pytest.mark.parametrize("name", sorted(set(MODULES) - DOORS))
def test_says_what_it_offers(name: str) -> None:
    """A docstring, and an ``__all__`` with every public function and class; a task offers itself."""
    tree = ast.parse(SOURCES[name].read_text())
    assert ast.get_docstring(tree), "a module starts with what it is for"
    lists = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
    ]
    assert len(lists) == 1, "a module lists its public names in __all__"
    offered = set(lists[0])
    if name in TASKS:
        assert "TASK" in offered
        return
    assert offered <= bound(tree)
    public = {
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    }
    assert public <= offered, "what is not for others starts with an underscore"


def loaded_by(module: str) -> set[str]:
    """Top-level packages that importing a module loads, in a fresh interpreter."""
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_catalog_is_light() -> None:
    assert not loaded_by("shashlik.task.catalog") & {"tensorflow", "keras", "mlflow"}


def test_top_level_is_documented() -> None:
    """The layout in the README names every file and folder of the top level, and nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    present = {line.partition("/")[0] + ("/" if "/" in line else "") for line in listed.stdout.splitlines()}
    layout = (ROOT / "README.md").read_text().partition("<!-- layout -->")[2].partition("<!-- end -->")[0]
    documented = {line.split()[0] for line in layout.splitlines() if line and line[0] not in " `"}
    assert documented == {name for name in present if (ROOT / name).exists()}
