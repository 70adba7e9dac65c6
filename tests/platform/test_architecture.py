"""The rules of docs/architecture.md on who may import whom, read from the source of every module."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("projects", "shashlik", "registry", "tracking")
#: What a package must not import. Three old places of mlflow's plugins lead to the new ones.
FORBIDDEN = {
    "projects": ("registry", "tracking"),
    "shashlik": ("projects",),
    "registry": ("projects", "shashlik"),
    "tracking": ("projects", "shashlik", "registry"),
}
STUBS = {"registry.server.app", "registry.server.gate", "tracking.experiment"}
#: Folders in which modules may import mlflow, those below them not included, and two single modules.
FACING_MLFLOW = {
    "registry.models",
    "registry.server",
    "registry.server.pages",
    "registry.server.pages.search",
    "shashlik.plugins",
    "tracking.runs",
    "tracking.storage",
    "registry.purge",
    "tracking.environment",
}
#: Folders that can be used and tested without a store: whatever their modules import, and those again, mlflow
#: is not among it.
PURE = (
    "projects",
    "registry.gate",
    "shashlik.estimators",
    "shashlik.figures",
    "shashlik.statistics",
    "shashlik.task",
    "tracking.evidence",
    "tracking.figures",
    "tracking.index",
    "tracking.report",
    "tracking.statistics",
)
#: The programs are imported by nobody, but for the old name of the present one.
DOORS = {"projects.__main__", "shashlik.__main__"}
#: Entries of a folder that a reader can take in.
MOST_ENTRIES = 15


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
MODULES = sorted(name for name in SOURCES if SOURCES[name].stat().st_size > 0)
TASKS = {name for name in MODULES if name.rpartition(".")[2].startswith("task_")}


def below(name: str, folders: Iterable[str]) -> bool:
    return any(name == folder or name.startswith(f"{folder}.") for folder in folders)


@cache
def imported(name: str) -> frozenset[str]:
    """Every dotted name that the module imports, inside functions too; relative imports made absolute."""
    found: set[str] = set()
    package = name.split(".") if SOURCES[name].name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(SOURCES[name].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            found.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
    return frozenset(found)


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
    assert imported("projects.ecal.sample") == {
        "a.b",
        "c",
        "c.d",
        "projects.ecal",
        "projects.ecal.e",
        "projects.f",
        "projects.f.g",
        "i",
    }
    assert imports("projects.ecal.sample", "a", "projects.f") == {"a.b", "projects.f", "projects.f.g"}


@pytest.mark.parametrize("name", MODULES)
def test_packages_depend_one_way(name: str) -> None:
    found = imports(name, *FORBIDDEN[name.partition(".")[0]])
    if name in STUBS:
        found -= imports(name, "shashlik.plugins")
    assert not found


@pytest.mark.parametrize("name", MODULES)
def test_tasks_and_doors_are_imported_by_nobody(name: str) -> None:
    doors = DOORS - ({"shashlik.__main__"} if name == "projects.__main__" else set())
    assert not imports(name, *TASKS, *doors)


@pytest.mark.parametrize(
    "name", [name for name in MODULES if name.count(".") > 1 and below(name, ["projects"])]
)
def test_areas_of_physics_do_not_know_each_other(name: str) -> None:
    area = ".".join(name.split(".")[:2])
    assert not {one for one in imports(name, "projects") if one != "projects" and not below(one, [area])}


@pytest.mark.parametrize("name", MODULES)
def test_mlflow_stays_behind_its_doors(name: str) -> None:
    if name not in FACING_MLFLOW and name.rpartition(".")[0] not in FACING_MLFLOW:
        assert not imports(name, "mlflow"), f"only modules of {sorted(FACING_MLFLOW)} may import mlflow"


def reached(name: str) -> set[str]:
    """Modules of ours that a module needs, itself or through others, inside functions too."""
    seen: set[str] = set()
    coming = [name]
    while coming:
        module = coming.pop()
        if module not in seen:
            seen.add(module)
            parents = {module.rsplit(".", depth)[0] for depth in range(1, module.count(".") + 1)}
            coming += [one for one in {*imported(module), *parents} if one in SOURCES]
    return seen


@pytest.mark.parametrize("name", [name for name in MODULES if below(name, PURE) and name not in DOORS])
def test_statistics_physics_and_gate_need_no_store(name: str) -> None:
    found = reached(name)
    assert not {one for one in found if imports(one, "mlflow")}
    if not below(name, ["registry"]):
        assert not {one for one in found if below(one, ["registry"])}


def while_loading(body: Iterable[ast.stmt]) -> Iterator[ast.Import | ast.ImportFrom]:
    """Imports that a module makes while it is loaded itself."""
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from while_loading([*node.body, *node.orelse])
        elif isinstance(node, ast.Try | ast.With | ast.ClassDef):
            yield from while_loading(node.body)


def circles(needs: Mapping[str, set[str]]) -> list[set[str]]:
    """Groups of names that need each other, by Tarjan's strongly connected components."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    path: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        order[name] = lowest[name] = len(order)
        path.append(name)
        for other in needs[name]:
            if other not in order:
                visit(other)
            if other in path:
                lowest[name] = min(lowest[name], lowest[other])
        if lowest[name] == order[name]:
            start = path.index(name)
            group, path[start:] = set(path[start:]), []
            if len(group) > 1 or name in needs[name]:
                found.append(group)

    for name in needs:
        if name not in order:
            visit(name)
    return found


def test_sees_a_circle() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d", "a"}}) == [{"b", "c"}, {"d"}]


def test_no_circle_of_imports() -> None:
    needs: dict[str, set[str]] = {}
    for name in SOURCES:
        needs[name] = set()
        for node in while_loading(ast.parse(SOURCES[name].read_text()).body):
            names = [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom):
                assert not node.level, "imports are absolute"
                names = [f"{node.module}.{one}" for one in names] + [node.module or ""]
            needs[name].update(one for one in names if one in SOURCES)
    assert circles(needs) == []


@pytest.mark.parametrize("folder", sorted({path.parent for path in SOURCES.values()}), ids=str)
def test_a_folder_can_be_taken_in(folder: Path) -> None:
    entries = {path.name for path in folder.iterdir()} - {"__init__.py", "__pycache__"}
    assert len(entries) <= MOST_ENTRIES, "put what belongs together into a folder of its own"


def bound(tree: ast.Module) -> set[str]:
    """Names that a module binds at its top level."""
    names: set[str] = set()
    inside = (part for branch in tree.body if isinstance(branch, ast.If) for part in branch.body)
    for node in [*tree.body, *inside]:
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


@pytest.mark.parametrize("module", ["shashlik.task.catalog", "shashlik.__main__"])
def test_listing_tasks_is_light(module: str) -> None:
    assert not loaded_by(module) & {"tensorflow", "keras", "mlflow", "projects"}


def test_top_level_is_documented() -> None:
    """The layout in the README names every file and folder of the top level, and nothing else."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    present = {line.partition("/")[0] + ("/" if "/" in line else "") for line in listed.stdout.splitlines()}
    layout = (ROOT / "README.md").read_text().partition("<!-- layout -->")[2].partition("<!-- end -->")[0]
    documented = {line.split()[0] for line in layout.splitlines() if line and line[0] not in " `"}
    assert documented == {name for name in present if (ROOT / name).exists()}
