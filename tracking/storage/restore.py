"""Restore of a tracking store from its backup into an empty database and an empty artifact location."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tracking.exceptions import Refused
from tracking.schema import Schema
from tracking.storage import artifacts as stores
from tracking.storage.archive import Archive, opened
from tracking.storage.backup import ARTIFACTS, DATABASE
from tracking.storage.databases import Load, load, new
from tracking.storage.places import COLUMNS, SERVED, Places

__all__ = ["check", "destination", "restore"]

#: Folder for incoming files inside their target, until all have arrived.
WAITING = ".restoring"


def check(place: Path, sha256: str = "") -> dict[str, Any]:
    """Verify every file of a backup and return its manifest.

    Raises
    ------
    Refused
        If the backup is incomplete, corrupted, or another one.
    """
    with _checked(place, sha256) as archive:
        return archive.manifest


@contextmanager
def _checked(place: Path, sha256: str) -> Iterator[Archive]:
    with opened(place) as archive:
        if sha256 and archive.sha256 != sha256:
            raise Refused(
                f"the manifest of {place} has the SHA-256 {archive.sha256}, not {sha256}: another backup"
            )
        archive.verify()
        yield archive


def destination(place: Path, served: bool | None = None) -> str:
    """Choose the default location of restored artifacts: where mlflow, or its server, looks for them."""
    if served is None:
        with opened(place) as archive:
            served = SERVED in archive.manifest["places"]["roots"]
    return "mlartifacts" if served else "mlruns"


def restore(
    place: Path,
    store: str,
    artifacts: str,
    schemas: Sequence[Schema],
    *,
    sha256: str = "",
    served: bool | None = None,
    say: Callable[[str], object] = print,
) -> dict[str, Any]:
    """Restore a backup into an empty store.

    Parameters
    ----------
    place : pathlib.Path
        Folder or tar file of the backup.
    store : str
        Address of an empty database, or of a new SQLite file.
    artifacts : str
        Empty or new folder, or an empty location in S3.
    schemas : sequence of Schema
        See `tracking.storage.databases.load`.
    sha256 : str
        Expected SHA-256 of the manifest; empty if unknown.
    served : bool or None
        Whether a tracking server will serve the artifacts; None to keep the present setting.
    say : callable
        Function that reports progress.

    Returns
    -------
    dict
        Manifest of the backup.

    Raises
    ------
    Refused
        If the backup is corrupted, or a target is not empty; no partial restore remains.
    """
    with _checked(place, sha256) as archive:
        manifest = archive.manifest
        say(f"{place}: {len(archive.files)} files are what was backed up at {manifest['made']}")
        places = Places(**manifest["places"])
        folder = stores.local(artifacts)
        to = str(folder.resolve()) if folder else artifacts.rstrip("/")
        if manifest["artifacts"]:
            _make_sure_of_room(to, folder)
        with new(store) as connection:
            tables = {
                name: partial(_rows, archive, name, places, to if manifest["artifacts"] else None, served)
                for name in manifest["tables"]
            }
            load(connection, schemas, manifest["revisions"], tables, say)
            if manifest["artifacts"]:
                _artifacts(archive, to, folder)
                say(f"artifacts: {sum(name.startswith(ARTIFACTS) for name in archive.files)} files in {to}")
        return manifest


def _rows(archive: Archive, name: str, places: Places, to: str | None, served: bool | None) -> Load:
    """Read columns and rows of a table, with the addresses of artifacts changed to their new location."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "table.gz"
        archive.extract(f"{DATABASE}/{name}.jsonl.gz", path)
        # The file remains readable while it is open.
        file = gzip.open(path, "rt", encoding="utf-8", newline="\n")  # noqa: SIM115
    names = json.loads(next(file))
    address_columns = [names.index(column) for table, column in COLUMNS if table == name and column in names]

    def lines() -> Iterator[str]:
        with file:
            for line in file:
                if not address_columns or to is None:
                    yield line.rstrip("\n")
                    continue
                values = json.loads(line)
                for index in address_columns:
                    values[index] = places.moved(values[index], to, served)
                yield json.dumps(values, ensure_ascii=False)

    return names, lines()


def _make_sure_of_room(to: str, folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder / WAITING, ignore_errors=True)
    if obstacle := stores.emptiness(to):
        raise Refused(f"{to} is not empty (there is {obstacle}): give an empty place for the artifacts")


def _artifacts(archive: Archive, to: str, folder: Path | None) -> None:
    """Extract the artifacts to their location; in a folder all of them or none."""
    names = sorted(name for name in archive.files if name.startswith(f"{ARTIFACTS}/"))
    if folder is not None:
        waiting = folder / WAITING
        try:
            for name in tqdm(names, desc="artifacts", unit=" files", disable=None, leave=False):
                archive.extract(name, waiting / name.removeprefix(f"{ARTIFACTS}/"))
            for tree in sorted(waiting.glob("*")):
                tree.rename(folder / tree.name)
        finally:
            shutil.rmtree(waiting, ignore_errors=True)
        return
    # Branch by branch, so that they do not all need disk space here at the same time.
    for _, branch in groupby(names, key=lambda name: name.split("/")[:3]):
        with tempfile.TemporaryDirectory() as scratch:
            for name in branch:
                archive.extract(name, Path(scratch) / name.removeprefix(f"{ARTIFACTS}/"))
            stores.put(Path(scratch), to)
