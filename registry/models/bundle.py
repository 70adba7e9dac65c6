"""Bundles: a version with all that belongs to it as files, every one of which is named by its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = [
    "CARD",
    "DESCRIPTION",
    "EVIDENCE",
    "FORMAT",
    "GOLDEN",
    "MANIFEST",
    "MODEL",
    "NETWORK",
    "VERDICT",
    "Damaged",
    "seal",
    "sealed",
]

#: A later program that writes other bundles counts on.
FORMAT = 1
MANIFEST = "manifest.json"
NETWORK, CARD, DESCRIPTION = "network.onnx", "card.md", "description.md"
MODEL, EVIDENCE, GOLDEN, VERDICT = "model", "evidence", "golden", "verdict"
#: Without these it is none.
PARTS = (
    NETWORK,
    CARD,
    DESCRIPTION,
    "README.md",
    f"{MODEL}/MLmodel",
    f"{EVIDENCE}/evidence.json",
    f"{GOLDEN}/usable.npy",
)
#: What else every manifest says.
FACTS = ("task", "version", "store", "run", "tags", "frozen", "unseen", "verdict", "network", "parity")


class Damaged(RuntimeError):
    """A folder is not the bundle it should be. Its text is the one line that a user reads."""


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _present(folder: Path) -> dict[str, Path]:
    """Files of a folder by name, the manifest left out."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    return {name: found[name] for name in sorted(found) if name != MANIFEST}


def seal(folder: Path, facts: Mapping[str, Any]) -> str:
    """Write the manifest of a complete folder: `facts` and the hash of every file.

    Returns
    -------
    str
        SHA-256 of the manifest, which names the whole bundle.

    Raises
    ------
    Damaged
        If a part is missing.
    """
    files = {name: _sha256(path) for name, path in _present(folder).items()}
    _complete(folder, files)
    text = json.dumps({"format": FORMAT, **facts, "files": files}, indent=1, allow_nan=False) + "\n"
    (folder / MANIFEST).write_text(text)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(folder: Path, sha256: str = "") -> tuple[dict[str, Any], str]:
    """The manifest of a bundle and its SHA-256, after every file was checked.

    Parameters
    ----------
    folder : pathlib.Path
        The bundle.
    sha256 : str
        What the manifest's hash should be; empty where that is not known.

    Raises
    ------
    Damaged
        Names the file that is missing, was changed or added, or says what else is wrong.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
        known, files = manifest["format"], dict(manifest["files"])
    except OSError as error:
        raise Damaged(
            f"{folder} is no bundle ({MANIFEST}: {error.strerror}): give the folder of one"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is not a manifest of a bundle: export the version again") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise Damaged(f"{path} has the SHA-256 {found}, not {sha256}: it is not the bundle that you expect")
    if known != FORMAT:
        raise Damaged(
            f"{folder} has format {known}, and this program reads {FORMAT}: use the one that wrote it"
        )
    if missing := [name for name in FACTS if name not in manifest]:
        raise Damaged(f"{path} does not say {missing[0]!r}: export the version again")
    _complete(folder, files)
    present = _present(folder)
    for name, wanted in files.items():
        if name not in present:
            raise Damaged(f"{folder} lacks the file {name}: copy the whole bundle again")
        if present[name].is_symlink() or _sha256(present[name]) != wanted:
            raise Damaged(f"{folder / name} is not the file that was exported: its SHA-256 differs")
    for name in present:
        if name not in files:
            raise Damaged(f"{folder / name} is no part of the bundle: remove it")
    return manifest, found


def _complete(folder: Path, files: Mapping[str, str]) -> None:
    for name in PARTS:
        if name not in files:
            raise Damaged(f"{folder} lacks {name}, which every bundle has")
