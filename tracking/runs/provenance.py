"""Provenance of a run: the commit of the code and the versions of its dependencies."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["checkout", "commit", "versions"]

#: Folder that this code is imported from.
HERE = Path(__file__).parents[2]
PACKAGES = ("shashlik", "numpy", "scipy", "numba", "tensorflow", "keras", "mlflow")


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=30
    ).stdout.strip()


def checkout(folder: Path = HERE) -> Path | None:
    """Find the top of the git checkout that contains a folder; None if no commit contains it."""
    try:
        # An installed package may lie inside a checkout that does not track it.
        if not _git(folder, "ls-tree", "--name-only", "HEAD", "./"):
            return None
        return Path(_git(folder, "rev-parse", "--show-toplevel"))
    except (OSError, subprocess.SubprocessError):
        return None


def commit(folder: Path = HERE) -> tuple[str, bool] | None:
    """Find the commit of the checkout that contains a folder, and whether there are uncommitted changes.

    Returns
    -------
    tuple of str and bool, or None
        Commit and flag; None if no commit contains the folder.
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
    """Collect the installed versions of the packages that produce the numbers, and of Python."""
    installed = {"python": platform.python_version()}
    for name in packages:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed
