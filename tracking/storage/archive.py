"""Backups as files: a folder or a tar file whose manifest names every file by its SHA-256.

The manifest is written last, and all of it under another name until it is complete: what was interrupted does
not look like a backup.
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

#: A later program that writes other backups counts on.
FORMAT = 1
MANIFEST = "manifest.json"
TAR = ".tar"
CHUNK = 1 << 20
#: How many damaged files are named.
NAMED = 3


class _Hashing:
    """A stream that is read, at most so many bytes of it, and hashed on the way."""

    def __init__(self, stream: BinaryIO, most: int) -> None:
        self.stream, self.left, self.digest = stream, most, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        found = self.stream.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(found)
        self.digest.update(found)
        return found


class _Sink(Protocol):
    """Where files go."""

    def put(self, name: str, stream: _Hashing, size: int) -> None: ...


class _ToFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, stream: _Hashing, size: int) -> None:
        made = self.folder / name
        made.parent.mkdir(parents=True, exist_ok=True)
        with made.open("wb") as target:
            shutil.copyfileobj(stream, target, CHUNK)


class _ToTar:
    def __init__(self, tar: tarfile.TarFile) -> None:
        self.tar = tar

    def put(self, name: str, stream: _Hashing, size: int) -> None:
        entry = tarfile.TarInfo(name)
        entry.size, entry.mode = size, 0o600
        self.tar.addfile(entry, stream)


class Writer:
    """Takes files one after the other."""

    def __init__(self, sink: _Sink, scratch: Path) -> None:
        self._sink, self.scratch = sink, scratch
        self.files: dict[str, dict[str, Any]] = {}

    def add(self, name: str, path: Path) -> None:
        """Copy a file, as long as it is when its turn comes; it may grow meanwhile.

        Raises
        ------
        Refused
            If it became shorter.
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
        """Write the manifest; its SHA-256 names the whole backup."""
        text = json.dumps({"format": FORMAT, **facts, "files": self.files}, indent=1, allow_nan=False) + "\n"
        made = self.scratch / MANIFEST
        made.write_text(text)
        with made.open("rb") as source:
            size = os.fstat(source.fileno()).st_size
            self._sink.put(MANIFEST, _Hashing(source, size), size)
        return hashlib.sha256(text.encode()).hexdigest()


@contextmanager
def writing(target: Path) -> Iterator[Writer]:
    """A backup in the making: a tar file if its name ends so, else a folder. It appears when it is complete.

    Raises
    ------
    Refused
        If something of that name is there.
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
    """A backup that is read.

    Parameters
    ----------
    place : pathlib.Path
        Its folder or tar file.
    tar : tarfile.TarFile or None
        The file, opened.
    """

    def __init__(self, place: Path, tar: tarfile.TarFile | None) -> None:
        self.place, self._tar = place, tar
        self._entries = self._listed()
        if MANIFEST not in self._entries:
            raise Refused(f"{place} is no complete backup: it has no {MANIFEST}")
        with self._open(MANIFEST) as stream:
            content = stream.read()
        self.sha256 = hashlib.sha256(content).hexdigest()
        try:
            self.manifest: dict[str, Any] = json.loads(content)
            known = self.manifest["format"]
            self.files: dict[str, dict[str, Any]] = {
                name: {"sha256": str(kept["sha256"]), "bytes": int(kept["bytes"])}
                for name, kept in self.manifest["files"].items()
            }
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Refused(f"{place} has a {MANIFEST} that is none of a backup") from error
        if known != FORMAT:
            raise Refused(
                f"{place} has format {known}, and this program reads {FORMAT}: use the one that wrote it"
            )
        for name in self.files:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise Refused(f"{place} names the file {name!r}, outside of it: it was tampered with")

    def verify(self) -> None:
        """Read everything once.

        Raises
        ------
        Refused
            If a file is missing, was changed, or is there and should not be.
        """
        wrong = []
        for name, kept in self.files.items():
            if name not in self._entries:
                wrong.append(f"{name} is missing")
                continue
            with self._open(name) as stream:
                found = hashlib.sha256()
                size = 0
                while chunk := stream.read(CHUNK):
                    found.update(chunk)
                    size += len(chunk)
            if (found.hexdigest(), size) != (kept["sha256"], kept["bytes"]):
                wrong.append(f"{name} has {size} bytes of another SHA-256")
        wrong += [f"{name} is no part of it" for name in self._entries if name not in {*self.files, MANIFEST}]
        if wrong:
            more = f", and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
            raise Refused(f"{self.place} is not what was backed up: {', '.join(wrong[:NAMED])}{more}")

    def extract(self, name: str, target: Path) -> None:
        """Copy a file out of it, and make sure that it is the right one.

        Raises
        ------
        Refused
            If it is not.
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        with self._open(name) as source, target.open("wb") as made:
            stream = _Hashing(source, self.files[name]["bytes"])
            shutil.copyfileobj(stream, made, CHUNK)
        if stream.digest.hexdigest() != self.files[name]["sha256"]:
            raise Refused(f"{name} in {self.place} is not what was backed up: its SHA-256 differs")

    def _listed(self) -> dict[str, Path | tarfile.TarInfo]:
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
    """A backup, its manifest read and nothing else checked; see `Archive.verify`.

    Raises
    ------
    Refused
        If it is none.
    """
    if place.is_dir():
        yield Archive(place, None)
        return
    try:
        # A file that ends in mid-air is told from a shorter one only by going through it.
        with tarfile.open(place, "r:") as tar:
            yield Archive(place, tar)
    except FileNotFoundError as error:
        raise Refused(f"there is no backup {place}") from error
    except (tarfile.TarError, EOFError) as error:
        raise Refused(f"{place} is no complete backup: {error}") from error
