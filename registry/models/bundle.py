"""Bundles: a version with everything that belongs to it, as files listed with their SHA-256."""

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

#: Version of the format; increased by every change of it.
FORMAT = 1
MANIFEST = "manifest.json"
NETWORK, CARD, DESCRIPTION = "network.onnx", "card.md", "description.md"
MODEL, EVIDENCE, GOLDEN, VERDICT = "model", "evidence", "golden", "verdict"
#: Files that every bundle has.
PARTS = (
    NETWORK,
    CARD,
    DESCRIPTION,
    "README.md",
    f"{MODEL}/MLmodel",
    f"{EVIDENCE}/evidence.json",
    f"{GOLDEN}/usable.npy",
)
#: Other fields of every manifest.
FACTS = ("task", "version", "store", "run", "tags", "frozen", "unseen", "verdict", "network", "parity")


class Damaged(RuntimeError):
    """A folder is not a valid bundle.

    The text of the exception is the one line shown to users.
    """


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _present(folder: Path) -> dict[str, Path]:
    """List the files of a folder by name, without the manifest."""
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if not path.is_dir()}
    return {name: paths[name] for name in sorted(paths) if name != MANIFEST}


def seal(folder: Path, facts: Mapping[str, Any]) -> str:
    """Write the manifest of a complete folder: `facts` and the hash of every file.

    Returns
    -------
    str
        SHA-256 of the manifest, which identifies the whole bundle.

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
    """Check every file of a bundle; return its manifest and the SHA-256 of the manifest.

    Parameters
    ----------
    folder : pathlib.Path
        The bundle.
    sha256 : str
        Expected hash of the manifest; empty if it is not known.

    Raises
    ------
    Damaged
        Names the file that is missing, changed or added, or describes the other error.
    """
    path = folder / MANIFEST
    try:
        content = path.read_bytes()
        manifest = json.loads(content)
        version, files = manifest["format"], dict(manifest["files"])
    except OSError as error:
        raise Damaged(
            f"{folder} is no bundle ({MANIFEST}: {error.strerror}): give the folder of one"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise Damaged(f"{path} is not a manifest of a bundle: export the version again") from error
    digest = hashlib.sha256(content).hexdigest()
    if sha256 and digest != sha256:
        raise Damaged(f"{path} has the SHA-256 {digest}, not {sha256}: it is not the bundle that you expect")
    if version != FORMAT:
        raise Damaged(
            f"{folder} has format {version}, and this program reads {FORMAT}: use the one that wrote it"
        )
    if missing := [name for name in FACTS if name not in manifest]:
        raise Damaged(f"{path} does not say {missing[0]!r}: export the version again")
    _complete(folder, files)
    present = _present(folder)
    for name, expected in files.items():
        if name not in present:
            raise Damaged(f"{folder} lacks the file {name}: copy the whole bundle again")
        if present[name].is_symlink() or _sha256(present[name]) != expected:
            raise Damaged(f"{folder / name} is not the file that was exported: its SHA-256 differs")
    for name in present:
        if name not in files:
            raise Damaged(f"{folder / name} is no part of the bundle: remove it")
    return manifest, digest


def _complete(folder: Path, files: Mapping[str, str]) -> None:
    for name in PARTS:
        if name not in files:
            raise Damaged(f"{folder} lacks {name}, which every bundle has")
