"""Artifacts of mlflow as trees of files, in a folder, in S3 or in any other store of mlflow."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from tracking.exceptions import Refused
from tracking.runs.lifecycle import one_line

__all__ = ["emptiness", "files", "local", "put"]


def local(address: str) -> Path | None:
    """Find the folder of an address; None if it is not on this machine."""
    if address.startswith("file:"):
        return Path(unquote(urlsplit(address).path))
    return None if ":" in address.partition("/")[0] else Path(address)


def files(address: str, scratch: Path) -> Iterator[tuple[str, Path]]:
    """Yield all files of a tree: name below its address, and a local path valid until the next iteration.

    A remote tree is fetched into `scratch` branch by branch, in parallel within a branch. Files that are not
    plain files, or were removed meanwhile, are skipped.

    Raises
    ------
    Refused
        If the store does not answer.
    """
    folder = local(address)
    if folder is not None:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield path.relative_to(folder).as_posix(), path
        return
    try:
        repository = get_artifact_repository(address)
        for branch in repository.list_artifacts():
            with tempfile.TemporaryDirectory(dir=scratch) as fetched:
                repository.download_artifacts(branch.path, dst_path=fetched)
                for path in sorted(Path(fetched).rglob("*")):
                    if path.is_file():
                        yield path.relative_to(fetched).as_posix(), path
    except Exception as error:
        raise _inaccessible(address, "read", error) from error


def emptiness(address: str) -> str:
    """Name a file at an address that should be empty; an empty text if there is none.

    Raises
    ------
    Refused
        If the store does not answer.
    """
    folder = local(address)
    if folder is not None:
        return next((path.name for path in sorted(folder.glob("*"))), "") if folder.is_dir() else ""
    try:
        return next((entry.path for entry in get_artifact_repository(address).list_artifacts()), "")
    except Exception as error:
        raise _inaccessible(address, "read", error) from error


def put(folder: Path, address: str) -> None:
    """Upload the files of a local folder to a remote address.

    Raises
    ------
    Refused
        If the store does not accept them.
    """
    try:
        get_artifact_repository(address).log_artifacts(str(folder))
    except Exception as error:
        raise _inaccessible(address, "written", error) from error


def _inaccessible(address: str, how: str, error: Exception) -> Refused:
    """Convert an error of any storage library to `Refused`."""
    hint = "is the address right, does it answer, and are its credentials in the environment?"
    if isinstance(error, ModuleNotFoundError):
        hint = "pip install 'shashlik[s3]'"
    return Refused(f"the artifacts at {address} cannot be {how} ({one_line(error)}): {hint}")
