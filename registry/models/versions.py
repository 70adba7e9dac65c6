"""The mlflow side of versions: find, name, tag and fetch them."""

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
    """Address of the tracking store."""
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
        The run that made it.
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
        """How it is called in sentences."""
        return f"version {self.number}"


def listed(task: str) -> tuple[Version, ...]:
    """All versions of a task, the oldest first."""
    found = MlflowClient().search_model_versions(f"name='{task}'", max_results=10_000)
    return tuple(sorted((_version(one) for one in found), key=lambda version: version.number))


def exists(task: str, number: int) -> bool:
    """Whether a version is there."""
    try:
        MlflowClient().get_model_version(task, str(number))
    except MlflowException:
        return False
    return True


def find(task: str, reference: str) -> Version:
    """A version by its number, an alias, or the id of its run.

    Parameters
    ----------
    task : str
        Whose version.
    reference : str
        ``7``, ``v7``, ``champion``, ``baseline-coral`` or 32 hexadecimal digits; of a run that registered
        several the one that is no baseline is meant.

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
        known = f"versions 1 to {max(numbers)}" if numbers else "no version yet"
        raise CannotRecord(
            f"no version {reference!r} of {task}; there are {known}, aliases like champion or baseline-..., "
            f"and ids of runs ({one_line(error)})"
        ) from error


def alias(task: str, name: str) -> int | None:
    """The version that an alias names."""
    try:
        return int(MlflowClient().get_model_version_by_alias(task, name).version)
    except MlflowException:
        return None


def set_alias(task: str, name: str, number: int | None) -> None:
    """Let an alias name a version, or nothing."""
    client = MlflowClient()
    if number is None:
        client.delete_registered_model_alias(task, name)
    else:
        client.set_registered_model_alias(task, name, str(number))


def write(task: str, number: int, tags: Mapping[str, str], description: str = "") -> None:
    """Tags of a version, and its description in place of the one it has."""
    client = MlflowClient()
    for name, value in tags.items():
        client.set_model_version_tag(task, str(number), name, value)
    if description:
        client.update_model_version(task, str(number), description[:LONGEST_DESCRIPTION])


def anchor(task: str) -> str:
    """What the registry remembers of the journal, see `registry.journal.direct.verify`; empty without."""
    try:
        return MlflowClient().get_registered_model(task).tags.get(ANCHOR, "")
    except MlflowException:
        return ""


def ensure(task: str) -> None:
    """Make the registered model of a task when it does not exist."""
    client = MlflowClient()
    try:
        client.create_registered_model(task, description=f"Estimators of the task {task}.")
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def set_anchor(task: str, text: str) -> None:
    """Remember an entry of the journal; the registered model is made when it does not exist."""
    ensure(task)
    MlflowClient().set_registered_model_tag(task, ANCHOR, text)


def fetch(task: str, reference: str) -> Path:
    """A version's files in a checked local copy.

    Parameters
    ----------
    task : str
        Whose version.
    reference : str
        A number or ``@<alias>``, so that what an alias leads to can be fetched through it.

    Raises
    ------
    CannotRecord
        If the files are gone, or are not those that were registered.
    """
    uri = f"models:/{task}{reference}" if reference.startswith("@") else f"models:/{task}/{reference}"
    registered = find(task, reference).tags.get("model.sha256", "")
    with tempfile.TemporaryDirectory() as scratch:
        try:
            found = Path(mlflow.artifacts.download_artifacts(uri, dst_path=scratch))
            # mlflow fetches what is not there without a word.
            if not (found / "MLmodel").exists():
                raise FileNotFoundError("its files are gone")
            folder = model_files.keep(found)
        except (MlflowException, OSError) as error:
            raise CannotRecord(f"the model {uri} cannot be fetched ({one_line(error)})") from error
    if registered and model_files.sha256(folder) != registered:
        raise CannotRecord(f"the files of {uri} are not those that were registered: their SHA-256 differs")
    if not registered:
        raise CannotRecord(f"{uri} was registered without a hash of its files: register it again")
    return folder


def _version(found: ModelVersion) -> Version:
    return Version(
        found.name,
        int(found.version),
        found.run_id or "",
        found.tags.get("estimator", ""),
        found.creation_timestamp / 1000,
        found.tags,
        found.description or "",
    )
