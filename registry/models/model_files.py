"""Files of a model: their hash, and a private local copy addressed by hash.

A model is never loaded from where it is stored. Compiled estimators keep machine code beside their source,
and machine code beside the source in a shared store would be executed unseen. In the local copy, machine
code is stored by the hash of the source, so that all models with the same code compile once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["copy", "keep", "megabytes", "sha256"]

#: Written by mlflow when it fetches a model, and by interpreters; not part of the model.
_NOT_OF_THE_MODEL = {"registered_model_meta", "__pycache__"}


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not _NOT_OF_THE_MODEL & set(path.relative_to(folder).parts)
    )


def sha256(folder: Path) -> str:
    """Compute the SHA-256 over names and content of all files of a model."""
    digest = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def megabytes(folder: Path) -> float:
    """Compute the size of a model's files in MB."""
    return sum(path.stat().st_size for path in _files(folder)) / 1e6


def copy(folder: Path, target: Path) -> None:
    """Copy the files of a model, and nothing else beside them."""
    for path in _files(folder):
        destination = target / path.relative_to(folder)
        destination.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, destination)
        # numba recognises a source by its modification time.
        os.utime(destination, (0, 0))


def _cache() -> Path:
    """Return the folder of the copies: ``$XDG_CACHE_HOME/shashlik``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shashlik"


def keep(folder: Path) -> Path:
    """Return the local copy of the model in `folder`; create it if needed, and check its hash every time."""
    digest = sha256(folder)
    local = _cache() / "models" / digest
    if local.is_dir() and sha256(local) != digest:
        shutil.rmtree(local)
    if not local.is_dir():
        local.parent.mkdir(parents=True, exist_ok=True)
        # Use the same file system, so that the copy appears whole or not at all.
        scratch = Path(tempfile.mkdtemp(dir=local.parent))
        copy(folder, scratch)
        for source in scratch.rglob("*.py"):
            code = hashlib.sha256(source.read_bytes()).hexdigest()
            compiled = _cache() / "compiled" / code
            compiled.mkdir(parents=True, exist_ok=True)
            (source.parent / "__pycache__").symlink_to(compiled)
        try:
            scratch.rename(local)
        except OSError:
            # Another process was faster; its copy has the same hash.
            shutil.rmtree(scratch)
    return local
