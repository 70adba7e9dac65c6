"""Write estimators that predict without this repository: several modules joined into one file."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

__all__ = ["join"]

_HEAD = '''\
"""An estimator of Shashlik, joined from its modules; it needs only its listed requirements."""

from __future__ import annotations'''


#: Packages whose modules are joined into a model, beside those of the task itself.
PLATFORM = {"shashlik", "registry", "tracking"}


def _stands(node: ast.stmt, packages: set[str]) -> bool:
    """Tell whether a statement is kept, unlike imports from `packages` or from ``__future__``."""
    if isinstance(node, ast.ImportFrom):
        return (node.module or "").split(".")[0] not in packages | {"__future__"}
    if isinstance(node, ast.Import):
        return not any(name.name.split(".")[0] in packages for name in node.names)
    return not (
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == "__all__" for target in node.targets)
    )


def join(modules: Sequence[ModuleType], folder: Path) -> Path:
    """Join several modules into one self-contained Python file.

    Imports among the modules are dropped, so they must be written as ``from package.x import name`` and their
    top-level names must differ. All other imported packages must be requirements of the model.

    Parameters
    ----------
    modules : sequence of module
        Modules, each of which needs only those before it; the last one defines ``load``.
    folder : pathlib.Path
        Folder for the file ``estimator.py``.

    Raises
    ------
    ValueError
        When two modules define the same top-level name.
    """
    packages = PLATFORM | {module.__name__.partition(".")[0] for module in modules}
    owners: dict[str, str] = {}
    parts = [_HEAD]
    for module in modules:
        source = Path(module.__file__ or "").read_text()
        lines = source.splitlines()
        statements = [f"# --- {module.__name__}"]
        for index, node in enumerate(ast.parse(source).body):
            docstring = index == 0 and isinstance(node, ast.Expr)
            if docstring or not _stands(node, packages):
                continue
            for name in _defined(node):
                if owners.setdefault(name, module.__name__) != module.__name__:
                    raise ValueError(f"{module.__name__} and {owners[name]} both define {name!r}: rename one")
            decorators = getattr(node, "decorator_list", [])
            start = min([node.lineno, *(decorator.lineno for decorator in decorators)])
            statements.append("\n".join(lines[start - 1 : node.end_lineno]))
        parts.append("\n\n".join(statements))
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "estimator.py"
    path.write_text("\n\n".join(parts) + "\n")
    return path


def _defined(node: ast.stmt) -> list[str]:
    """List the names that a top-level statement defines; imports may repeat."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id]
    return []
