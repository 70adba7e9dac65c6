"""Where a run comes from: the commit of the code and the versions of what it stands on."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["checkout", "commit", "versions"]

#: Where this code is imported from.
HERE = Path(__file__).parents[2]
PACKAGES = ("shashlik", "numpy", "scipy", "numba", "tensorflow", "keras", "mlflow")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


def checkout(folder: Path = HERE) -> Path | None:
    """The top of the git checkout that holds the content of a folder; None if no commit holds it."""
    try:
        # An installed package may lie inside a checkout that knows nothing of it.
        if not _git(folder, "ls-tree", "--name-only", "HEAD", "./"):
            return None
        return Path(_git(folder, "rev-parse", "--show-toplevel"))
    except (OSError, subprocess.SubprocessError):
        return None


def commit(folder: Path = HERE) -> tuple[str, bool] | None:
    """The commit of the checkout that holds a folder, and whether there are uncommitted changes.

    Returns
    -------
    tuple of str and bool, or None
        None if no commit holds the folder.
    """
    top = checkout(folder)
    try:
        return (
            None
            if top is None
            else (_git(top, "rev-parse", "HEAD"), bool(_git(top, "status", "--porcelain")))
        )
    except (OSError, subprocess.SubprocessError):
        return None


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Installed versions of the packages that make the numbers, and of Python."""
    found = {"python": platform.python_version()}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
