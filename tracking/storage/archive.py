"""Backups as files: a folder or a tar file whose manifest lists every file with its SHA-256.

The manifest is written last, and the whole backup has another name until it is complete: an interrupted
backup cannot be mistaken for a complete one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Protocol

from tracking.exceptions import Refused

__all__ = ["MANIFEST", "Archive", "Writer", "opened", "writing"]

#: Version of the format; increased when the layout of backups changes.
FORMAT = 1
MANIFEST = "manifest.json"
TAR = ".tar"
CHUNK = 1 << 20
#: Largest number of corrupted files in an error message.
NAMED = 3


class _Hashing:
    """Stream of at most `most` bytes that is hashed while it is read."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream, self.left, self.digest = stream, most, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        chunk = self.stream.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(chunk)
        self.digest.update(chunk)
        return chunk


class _Sink(Protocol):
    """Destination of files."""

    def put(self, name: str, stream: _Hashing, size: int) -> None: ...


class _ToFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, stream: _Hashing, size: int) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as target:
            shutil.copyfileobj(stream, target, CHUNK)


class _ToTar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar

    def put(self, name: str, stream: _Hashing, size: int) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        self.tar.addfile(entry, stream)


class Writer:
    """Writer of the files of a backup, one after the other."""

    def __init__(self, sink: _Sink, scratch: Path) -> None:
        self._sink, self.scratch = sink, scratch
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Path) -> None:
        """Copy a file at its present length; it may grow meanwhile.

        Raises
        ------
        Refused
            If the file became shorter.
        """
        with path.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            stream = _Hashing(source, size)
            try:
                self._sink.put(name, stream, size)
            except OSError:
                if stream.left and not source.read(1):
                    raise Refused(f"{path} became shorter while it was read: back up again") from None
                raise
        if stream.left:
            raise Refused(f"{path} became shorter while it was read: back up again")
        self.files[name] = {"sha256": stream.digest.hexdigest(), "bytes": size}

    def finish(self, facts: Mapping[str, Any]) -> str:
        """Write the manifest and return its SHA-256, which identifies the whole backup."""
        text = json.dumps({"format": FORMAT, **facts, "files": self.files}, indent=1, allow_nan=False) + "\n"
        manifest = self.scratch / MANIFEST
        manifest.write_text(text)
        with manifest.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            self._sink.put(MANIFEST, _Hashing(source, size), size)
        return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """Open a backup for writing: a tar file if its name ends in ``.tar``, else a folder.

    It gets its name when it is complete.

    Raises
    ------
    Refused
        If the name exists already.
    """
    if target.exists():
        raise Refused(f"{target} is there already: choose another name, backups are not overwritten")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.partial")
    scratch = target.with_name(f"{target.name}.{os.getpid()}.scratch")
    scratch.mkdir()
    try:
        if target.suffix == TAR:
            with tarfile.open(partial, "w", format=tarfile.PAX_FORMAT) as tar:
                yield Writer(_ToTar(tar), scratch)
        else:
            partial.mkdir()
            yield Writer(_ToFolder(partial), scratch)
        partial.rename(target)
    finally:
        shutil.rmtree(scratch)
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink(missing_ok=True)


class Archive:
    """Backup that is read.

    Parameters
    ----------
    place : pathlib.Path
        Folder or tar file of the backup.
    tar : tarfile.TarFile or None
        Open tar file; None for a folder.
    """

    def __init__(self, place: Path, tar: tarfile.TarFile | None) -> None:
        self.place, self._tar = place, tar
        self._entries = self._list_entries()
        if MANIFEST not in self._entries:
            raise Refused(f"{place} is no complete backup: it has no {MANIFEST}")
        with self._open(MANIFEST) as stream:
            content = stream.read()
        self.sha256 = hashlib.sha256(content).hexdigest()
        try:
            self.manifest: dict[str, Any] = json.loads(content)
            version = self.manifest["format"]
            self.files: dict[str, dict[str, Any]] = {
                name: {"sha256": str(entry["sha256"]), "bytes": int(entry["bytes"])}
                for name, entry in self.manifest["files"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(f"{place} has a {MANIFEST} that is none of a backup") from error
        if version != FORMAT:
            raise Refused(
                f"{place} has format {version}, and this program reads {FORMAT}: use the one that wrote it"
            )
        for name in self.files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise Refused(f"{place} names the file {name!r}, outside of it: it was tampered with")

    def verify(self) -> None:
        """Verify all files by reading them once.

        Raises
        ------
        Refused
            If a file is missing, changed or unexpected.
        """
        errors = []
        for name, entry in self.files.items():
            if name not in self._entries:
                errors.append(f"{name} is missing")
                continue
            with self._open(name) as stream:
                digest = hashlib.sha256()
                size = 0
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    size += len(chunk)
            if (digest.hexdigest(), size) != (entry["sha256"], entry["bytes"]):
                errors.append(f"{name} has {size} bytes of another SHA-256")
        errors += [
            f"{name} is no part of it" for name in self._entries if name not in {*self.files, MANIFEST}
        ]
        if errors:
            more = f", and {len(errors) - NAMED} more" if len(errors) > NAMED else ""
            raise Refused(f"{self.place} is not what was backed up: {', '.join(errors[:NAMED])}{more}")

    def extract(self, name: str, target: Path) -> None:
        """Copy a file out of the backup and verify it.

        Raises
        ------
        Refused
            If the file was changed.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._open(name) as source, target.open("wb") as copy:
            stream = _Hashing(source, self.files[name]["bytes"])
            shutil.copyfileobj(stream, copy, CHUNK)
        if stream.digest.hexdigest() != self.files[name]["sha256"]:
            raise Refused(f"{name} in {self.place} is not what was backed up: its SHA-256 differs")

    def _list_entries(self) -> dict[str, Path | tarfile.TarInfo]:
        if self._tar is None:
            return {
                path.relative_to(self.place).as_posix(): path
                for path in sorted(self.place.rglob("*"))
                if path.is_symlink() or not path.is_dir()
            }
        return {entry.name: entry for entry in self._tar.getmembers()}

    def _open(self, name: str) -> BinaryIO:
        entry = self._entries[name]
        if isinstance(entry, Path):
            if entry.is_file() and not entry.is_symlink():
                return entry.open("rb")
        elif self._tar is not None and entry.isreg():
            return self._tar.extractfile(entry)  # type: ignore[return-value]
        raise Refused(f"{name} in {self.place} is no plain file: it was tampered with")


@contextmanager
def opened(place: Path) -> Iterator[Archive]:
    """Open a backup and read its manifest without further checks; see `Archive.verify`.

    Raises
    ------
    Refused
        If it is not a backup.
    """
    if place.is_dir():
        yield Archive(place, None)
        return
    try:
        # Only reading a truncated file to its end distinguishes it from a shorter one.
        with tarfile.open(place, "r:") as tar:
            yield Archive(place, tar)
    except FileNotFoundError as error:
        raise Refused(f"there is no backup {place}") from error
    except (tarfile.TarError, EOFError) as error:
        raise Refused(f"{place} is no complete backup: {error}") from error
