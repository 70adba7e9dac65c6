"""Versions in mlflow: list, find, tag and fetch them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from registry.models import model_files
from tracking.runs.lifecycle import CannotRecord, one_line

__all__ = [
    "ANCHOR",
    "LONGEST_DESCRIPTION",
    "Version",
    "alias",
    "anchor",
    "ensure",
    "exists",
    "fetch",
    "find",
    "listed",
    "set_alias",
    "set_anchor",
    "store",
    "write",
]

ANCHOR = "journal"
LONGEST_DESCRIPTION = 5000


def store() -> str:
    """Return the address of the tracking store."""
    return mlflow.get_tracking_uri()


@dataclass(frozen=True)
class Version:
    """One version of a task's registered model.

    Parameters
    ----------
    task : str
        The task and the registered model.
    number : int
    run_id : str
        The run that created it.
    estimator : str
        Name of its estimator in the evidence of that run.
    created : float
        Seconds since 1970.
    tags : mapping of str to str
        ``evidence.sha256``, ``data.sha256``, ``model.sha256``, ...
    description : str
        Markdown.
    """

    task: str
    number: int
    run_id: str
    estimator: str
    created: float
    tags: Mapping[str, str]
    description: str = ""

    @property
    def name(self) -> str:
        """Name of the version in sentences."""
        return f"version {self.number}"


def listed(task: str) -> tuple[Version, ...]:
    """Return all versions of a task, the oldest first."""
    records = MlflowClient().search_model_versions(f"name='{task}'", max_results=10_000)
    return tuple(sorted((_version(record) for record in records), key=lambda version: version.number))


def exists(task: str, number: int) -> bool:
    """Return whether a version exists."""
    try:
        MlflowClient().get_model_version(task, str(number))
    except MlflowException:
        return False
    return True


def find(task: str, reference: str) -> Version:
    """Find a version by its number, an alias, or the id of its run.

    Parameters
    ----------
    task : str
        The task of the version.
    reference : str
        ``7``, ``v7``, ``champion``, ``baseline-coral`` or the 32 hexadecimal digits of a run. Of several
        versions of a run, the result is one that is not a baseline.

    Raises
    ------
    CannotRecord
        If there is none.
    """
    client = MlflowClient()
    name = reference.removeprefix("@")
    try:
        if number := re.fullmatch(r"v?(\d+)", name):
            return _version(client.get_model_version(task, number[1]))
        if re.fullmatch(r"[0-9a-f]{32}", name):
            versions = [version for version in listed(task) if version.run_id == name]
            if not versions:
                raise CannotRecord(
                    f"run {name} registered no version of {task}: see 'shashlik candidates {task}'"
                )
            return min(versions, key=lambda version: "baseline" in version.tags)
        return _version(client.get_model_version_by_alias(task, name))
    except MlflowException as error:
        numbers = [version.number for version in listed(task)]
        span = f"versions 1 to {max(numbers)}" if numbers else "no version yet"
        raise CannotRecord(
            f"no version {reference!r} of {task}; there are {span}, aliases like champion or baseline-..., "
            f"and ids of runs ({one_line(error)})"
        ) from error


def alias(task: str, name: str) -> int | None:
    """Return the version that an alias names; None if there is none."""
    try:
        return int(MlflowClient().get_model_version_by_alias(task, name).version)
    except MlflowException:
        return None


def set_alias(task: str, name: str, number: int | None) -> None:
    """Set an alias to a version, or remove it."""
    client = MlflowClient()
    if number is None:
        client.delete_registered_model_alias(task, name)
    else:
        client.set_registered_model_alias(task, name, str(number))


def write(task: str, number: int, tags: Mapping[str, str], description: str = "") -> None:
    """Set tags of a version, and replace its description if one is given."""
    client = MlflowClient()
    for name, value in tags.items():
        client.set_model_version_tag(task, str(number), name, value)
    if description:
        client.update_model_version(task, str(number), description[:LONGEST_DESCRIPTION])


def anchor(task: str) -> str:
    """Return the stored anchor of the journal, see `registry.journal.direct.verify`; empty without one."""
    try:
        return MlflowClient().get_registered_model(task).tags.get(ANCHOR, "")
    except MlflowException:
        return ""


def ensure(task: str) -> None:
    """Create the registered model of a task if it does not exist."""
    client = MlflowClient()
    try:
        client.create_registered_model(task, description=f"Estimators of the task {task}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def set_anchor(task: str, text: str) -> None:
    """Store the anchor of the journal; the registered model is created if needed."""
    ensure(task)
    MlflowClient().set_registered_model_tag(task, ANCHOR, text)


def fetch(task: str, reference: str) -> Path:
    """Fetch the files of a version into a verified local copy.

    Parameters
    ----------
    task : str
        The task of the version.
    reference : str
        A number or ``@<alias>``, so that the target of an alias can be fetched through it.

    Raises
    ------
    CannotRecord
        If the files are gone, or are not the registered ones.
    """
    uri = f"models:/{task}{reference}" if reference.startswith("@") else f"models:/{task}/{reference}"
    expected = find(task, reference).tags.get("model.sha256", "")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            download = Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
            # mlflow does not complain about missing files.
            if not (download / "MLmodel").exists():
                raise FileNotFoundError("its files are gone")
            folder = model_files.keep(download)
        except (MlflowException, OSError) as error:
            raise CannotRecord(f"the model {uri} cannot be fetched ({one_line(error)})") from error
    if expected and model_files.sha256(folder) != expected:
        raise CannotRecord(f"the files of {uri} are not those that were registered: their SHA-256 differs")
    if not expected:
        raise CannotRecord(f"{uri} was registered without a hash of its files: register it again")
    return folder


def _version(record: ModelVersion) -> Version:
    return Version(
        record.name,
        int(record.version),
        record.run_id or "",
        record.tags.get("estimator", ""),
        record.creation_timestamp / 1000,
        record.tags,
        record.description or "",
    )
