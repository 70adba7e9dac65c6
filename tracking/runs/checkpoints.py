"""Checkpoints as one verifiable file per folder, safe against a kill during writing."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

__all__ = ["pack", "unpack"]


def pack(folder: Path, archive: Path) -> str:
    """Pack everything below `folder` into one uncompressed zip file and return its SHA-256."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                packed.write(path, path.relative_to(folder))
    return _sha256(archive)


def unpack(archive: Path, sha256: str, folder: Path) -> None:
    """Unpack the content of `archive` below `folder`.

    Raises
    ------
    ValueError
        If the file does not have the SHA-256 of the packed one.
    """
    if _sha256(archive) != sha256:
        raise ValueError(f"checkpoint {archive.name} is damaged: its SHA-256 is not {sha256[:12]}...")
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(folder)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
