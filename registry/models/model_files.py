"""Files of a model: their hash, and a local copy by hash that nobody else writes to.

A model is never loaded where it is stored. Compiled estimators leave their machine code beside their source,
and what lies beside the source of somebody else's store would be executed unseen. In the copy it is kept by
the hash of the source, so that all models with one code compile once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["copy", "keep", "megabytes", "sha256"]

#: Written by mlflow when it fetches a model, and by interpreters; no part of the model.
_NOT_OF_THE_MODEL = {"registered_model_meta", "__pycache__"}


def _files(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and not _NOT_OF_THE_MODEL & set(path.relative_to(folder).parts)
    )


def sha256(folder: Path) -> str:
    """SHA-256 over names and content of all files of a model."""
    digest = hashlib.sha256()
    for path in _files(folder):
        name = path.relative_to(folder).as_posix()
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def megabytes(folder: Path) -> float:
    """Size of a model's files in MB."""
    return sum(path.stat().st_size for path in _files(folder)) / 1e6


def copy(folder: Path, target: Path) -> None:
    """Copy the files of a model, and nothing that lies beside them."""
    for path in _files(folder):
        made = target / path.relative_to(folder)
        made.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, made)
        # numba recognises a source by its time.
        os.utime(made, (0, 0))


def _cache() -> Path:
    """Where copies are kept: ``$XDG_CACHE_HOME/shashlik``."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "shashlik"


def keep(folder: Path) -> Path:
    """The local copy of the model in `folder`, made if need be; its hash is checked every time."""
    wanted = sha256(folder)
    kept = _cache() / "models" / wanted
    if kept.is_dir() and sha256(kept) != wanted:
        shutil.rmtree(kept)
    if not kept.is_dir():
        kept.parent.mkdir(parents=True, exist_ok=True)
        # In the same file system, so that the copy appears whole or not at all.
        scratch = Path(tempfile.mkdtemp(dir=kept.parent))
        copy(folder, scratch)
        for source in scratch.rglob("*.py"):
            code = hashlib.sha256(source.read_bytes()).hexdigest()
            compiled = _cache() / "compiled" / code
            compiled.mkdir(parents=True, exist_ok=True)
            (source.parent / "__pycache__").symlink_to(compiled)
        try:
            scratch.rename(kept)
        except OSError:
            # Another process was faster; its copy has the same hash.
            shutil.rmtree(scratch)
    return kept
