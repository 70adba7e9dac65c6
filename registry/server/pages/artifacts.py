"""Artifacts read by the pages, within the process of the server and so without a request to it.

This module faces mlflow. Evidence never changes under its hash, so it is cached.
"""

from __future__ import annotations

import csv
import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.server import handlers

from registry.gate import verdict as verdicts
from registry.gate.verdict import Verdict
from tracking.evidence import residual_table
from tracking.evidence.residual_table import ResidualTable
from tracking.evidence.resolution import AnyEvidence, Evidence, from_json
from tracking.index.records import Head
from tracking.runs.lifecycle import one_line

__all__ = [
    "Damaged",
    "Missing",
    "Silent",
    "Unshown",
    "artifact",
    "evidence",
    "read",
    "remembered",
    "residuals",
    "verdict",
]

#: Numbers of evidences and tables of residuals in the cache.
EVIDENCES, TABLES = 512, 8
#: Pages do not read larger artifacts.
LARGEST = 200_000_000

#: Advice to the administrator.
_ADVICE = "bring it back from a backup, or delete the run and record it anew"

Value = TypeVar("Value")


#: Exceptions raised by malformed content of an artifact.
_MALFORMED = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    csv.Error,
    OSError,
)


class Unshown(LookupError):
    """An artifact cannot be shown.

    The text of the exception is the one line shown to users.
    """

    status = 404


class Missing(Unshown):
    """The artifact does not exist."""


class Damaged(Unshown):
    """The artifact exists, but differs from what was recorded."""

    status = 500


class Silent(Unshown):
    """The store of artifacts does not respond."""

    status = 503


class _Cache:
    """Cache of the values used last."""

    def __init__(self, most: int) -> None:
        self._most, self._lock = most, threading.Lock()
        self._values: OrderedDict[Any, Any] = OrderedDict()

    def get(self, key: Any, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
        value = make()
        with self._lock:
            self._values[key] = value
            while len(self._values) > self._most:
                self._values.popitem(last=False)
        return value


_evidences, _tables = _Cache(EVIDENCES), _Cache(TABLES)


def artifact(run_id: str, path: str) -> bytes:
    """Read an artifact of a run from the server's store.

    Raises
    ------
    Missing
        If the run or the artifact does not exist.
    Silent
        If the store of artifacts does not respond.
    """
    try:
        root = handlers._get_tracking_store().get_run(run_id).info.artifact_uri
        if handlers._is_servable_proxied_run_artifact_root(root):
            repository = handlers._get_artifact_repo_mlflow_artifacts()
            place = handlers._get_proxied_run_artifact_destination_path(root, path)
        else:
            repository, place = handlers._get_artifact_repository_for_uri(root), path
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(repository.download_artifacts(place, scratch))
            if not file.is_file() or file.stat().st_size > LARGEST:
                raise Missing(f"{path} of run {run_id} is no file that can be shown")
            return file.read_bytes()
    except (MlflowException, OSError) as error:
        raise Missing(f"{path} of run {run_id} is not there: {_ADVICE}") from error
    except Exception as error:
        # Classes of S3's errors cannot be imported where S3 is not used.
        if type(error).__module__.partition(".")[0] not in ("boto3", "botocore"):
            raise
        raise Silent(
            f"the store of artifacts does not give {path} of run {run_id}: try again in a moment"
        ) from error


def read(run_id: str, path: str, make: Callable[[bytes], Value]) -> Value:
    """Read an artifact and parse it with `make`.

    Raises
    ------
    Unshown
        `Missing` and `Silent` as by `artifact`; `Damaged` if `make` fails at the content.
    """
    content = artifact(run_id, path)
    try:
        return make(content)
    except _MALFORMED as error:
        reason = one_line(error)[:200]
        raise Damaged(f"{path} of run {run_id} is damaged ({reason}): {_ADVICE}") from error


def evidence(head: Head) -> AnyEvidence:
    """Read the evidence behind an entry of the index.

    Raises
    ------
    Unshown
        If it is gone, cannot be read here, or differs from what was indexed.
    """

    def checked(content: bytes) -> AnyEvidence:
        document = from_json(content.decode())
        if hashlib.sha256(content).hexdigest() != head.sha256:
            raise ValueError("it is not what the index has numbers of: it was changed")
        return document

    return _evidences.get(
        (head.run, head.artifact, head.sha256), lambda: read(head.run, head.artifact, checked)
    )


def remembered(key: tuple[object, ...], make: Callable[[], Evidence]) -> Evidence:
    """Return evidence that is slow to compute, from the cache if possible."""
    return _evidences.get(key, make)


def residuals(head: Head) -> ResidualTable:
    """Read the residuals stored by a run beside its evidence.

    Raises
    ------
    Unshown
        `Missing` if it stored none.
    """
    path = residual_table.beside(head.artifact)
    return _tables.get((head.run, path, head.sha256), lambda: read(head.run, path, _table))


def _table(content: bytes) -> ResidualTable:
    with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
        file.write(content)
        file.flush()
        return residual_table.read(Path(file.name))


def verdict(run_id: str, sha256: str) -> Verdict:
    """Read the verdict with this hash from the artifacts of a run.

    Raises
    ------
    Unshown
        If it does not exist, or has another hash.
    """
    path = f"verdicts/{sha256[:12]}/verdict.json"
    document = read(run_id, path, lambda content: verdicts.from_json(content.decode()))
    if document.sha256 != sha256:
        raise Damaged(
            f"{path} of run {run_id} is not the verdict that the journal names, it was changed: {_ADVICE}"
        )
    return document
