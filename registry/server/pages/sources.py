"""What the pages read of artifacts, in the process of the server and so without asking it.

It faces mlflow. Evidence never changes under its hash, so that what was read once is kept.
"""

from __future__ import annotations

import json
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mlflow.exceptions import MlflowException
from mlflow.server import handlers

from registry import verdict as verdicts
from registry.verdict import Verdict
from tracking import residual_table
from tracking.evidence import AnyEvidence, Evidence, from_json
from tracking.index.records import Head
from tracking.residual_table import ResidualTable

__all__ = ["Missing", "artifact", "evidence", "remembered", "residuals", "verdict"]

#: Evidences and tables of residuals that are kept in memory.
EVIDENCES, TABLES = 512, 8
#: An artifact that is larger is not read for a page.
LARGEST = 200_000_000

Value = TypeVar("Value")


class Missing(LookupError):
    """An artifact is not there, or cannot be read. Its text is the one line that a user reads."""


class _Kept:
    """The values used last."""

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


_evidences, _tables = _Kept(EVIDENCES), _Kept(TABLES)


def artifact(run_id: str, path: str) -> bytes:
    """An artifact of a run, from where the server keeps it.

    Raises
    ------
    Missing
        If the run or the artifact is not there.
    """
    try:
        root = handlers._get_tracking_store().get_run(run_id).info.artifact_uri
        if handlers._is_servable_proxied_run_artifact_root(root):
            repository = handlers._get_artifact_repo_mlflow_artifacts()
            path = handlers._get_proxied_run_artifact_destination_path(root, path)
        else:
            repository = handlers._get_artifact_repository_for_uri(root)
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(repository.download_artifacts(path, scratch))
            if not file.is_file() or file.stat().st_size > LARGEST:
                raise Missing(f"{path} of run {run_id} is no file that can be shown")
            return file.read_bytes()
    except (MlflowException, OSError) as error:
        raise Missing(f"{path} of run {run_id} is not there") from error


def evidence(head: Head) -> AnyEvidence:
    """The evidence that an entry of the index is about.

    Raises
    ------
    Missing
        If it is gone, or of a kind that is not known here.
    """

    def make() -> AnyEvidence:
        try:
            return from_json(artifact(head.run, head.artifact).decode())
        except (ValueError, KeyError) as error:
            raise Missing(f"{head.artifact} of run {head.run} cannot be read: {error}") from error

    return _evidences.get((head.run, head.artifact, head.sha256), make)


def remembered(key: tuple[object, ...], make: Callable[[], Evidence]) -> Evidence:
    """Evidence that takes long to make, made once."""
    return _evidences.get(key, make)


def residuals(head: Head) -> ResidualTable:
    """Residuals that a run kept beside evidence.

    Raises
    ------
    Missing
        If it kept none.
    """
    run_id, path = head.run, residual_table.beside(head.artifact)

    def make() -> ResidualTable:
        content = artifact(run_id, path)
        with tempfile.NamedTemporaryFile(suffix=".parquet") as file:
            file.write(content)
            file.flush()
            try:
                return residual_table.read(Path(file.name))
            except (ValueError, OSError) as error:
                raise Missing(f"{path} of run {run_id} cannot be read: {error}") from error

    return _tables.get((run_id, path, head.sha256), make)


def verdict(run_id: str, sha256: str) -> Verdict:
    """The verdict of a hash, that a run keeps.

    Raises
    ------
    Missing
        If it is not there, or is another one.
    """
    path = f"verdicts/{sha256[:12]}/verdict.json"
    try:
        found = verdicts.from_json(artifact(run_id, path).decode())
    except (ValueError, KeyError, json.JSONDecodeError) as error:
        raise Missing(f"{path} of run {run_id} cannot be read: {error}") from error
    if found.sha256 != sha256:
        raise Missing(f"{path} of run {run_id} is not the verdict that the journal names: it was changed")
    return found
