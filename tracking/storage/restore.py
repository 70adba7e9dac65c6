"""A tracking store from its backup, in empty places, which may be others than it was in."""

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

#: Where files wait until all are there, inside the place they are for.
WAITING = ".restoring"


def check(place: Path, sha256: str = "") -> dict[str, Any]:
    """The manifest of a backup after every file was checked.

    Raises
    ------
    Refused
        If it is not complete, not what was backed up, or another one.
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
    """Where the artifacts of a backup go if nothing else is said: where mlflow, or its server, looks."""
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
    """Fill an empty store.

    Parameters
    ----------
    place : pathlib.Path
        The backup.
    store : str
        Address of an empty database, or of a SQLite file that does not exist.
    artifacts : str
        An empty folder, one that does not exist, or an empty place in S3.
    schemas : sequence of Schema
        See `tracking.storage.databases.load`.
    sha256 : str
        Of the manifest; empty where that is not known.
    served : bool or None
        Whether a tracking server will hand the artifacts out; None if that stays as it was.
    say : callable
        Told how far it is.

    Returns
    -------
    dict
        The manifest.

    Raises
    ------
    Refused
        If the backup is damaged, or a place is not empty; nothing is there then that was not before.
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
    """Columns and rows of a table, addresses of artifacts changed to where they go."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "table.gz"
        archive.extract(f"{DATABASE}/{name}.jsonl.gz", path)
        # The file stays as long as it is open.
        file = gzip.open(path, "rt", encoding="utf-8", newline="\n")  # noqa: SIM115
    names = json.loads(next(file))
    moving = [names.index(column) for table, column in COLUMNS if table == name and column in names]

    def lines() -> Iterator[str]:
        with file:
            for line in file:
                if not moving or to is None:
                    yield line.rstrip("\n")
                    continue
                values = json.loads(line)
                for index in moving:
                    values[index] = places.moved(values[index], to, served)
                yield json.dumps(values, ensure_ascii=False)

    return names, lines()


def _make_sure_of_room(to: str, folder: Path | None) -> None:
    if folder is not None:
        shutil.rmtree(folder / WAITING, ignore_errors=True)
    if there := stores.emptiness(to):
        raise Refused(f"{to} is not empty (there is {there}): give an empty place for the artifacts")


def _artifacts(archive: Archive, to: str, folder: Path | None) -> None:
    """Files into their place, all or none of them where that is a folder."""
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
    # A branch after the other, so that not all of them need room here at the same time.
    for _, branch in groupby(names, key=lambda name: name.split("/")[:3]):
        with tempfile.TemporaryDirectory() as scratch:
            for name in branch:
                archive.extract(name, Path(scratch) / name.removeprefix(f"{ARTIFACTS}/"))
            stores.put(Path(scratch), to)
