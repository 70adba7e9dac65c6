"""Frozen evaluation samples in mlflow: the artifact that a task's candidates are evaluated on.

A frozen sample is a run of the task's experiment. Its artifacts are the file and the identities of its
events; its tags make it searchable. The journal records which sample was frozen.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from tracking.runs.lifecycle import CannotRecord, active, one_line

__all__ = ["FILE", "Frozen", "fetch", "identities", "store"]

FOLDER, FILE, EVENTS = "frozen", "sample.root", "events.npz"


@dataclass(frozen=True)
class Frozen:
    """Description of a frozen sample in the journal and in tags.

    Parameters
    ----------
    version : int
        Verdicts on different versions are not compared.
    sha256 : str
        Content hash, see `shashlik.task.sample.Sample.sha256`.
    events : int
    source : str
        Origin of the events.
    simulated : bool
        Whether they come from the task's simulation, whose random seeds keep them apart from all others.
    run_id : str
        The run that holds the sample.
    """

    version: int
    sha256: str
    events: int
    source: str
    simulated: bool
    run_id: str

    @staticmethod
    def of(details: Mapping[str, Any]) -> Frozen:
        """Read the description from the details of a journal entry."""
        return Frozen(**{name: details[name] for name in Frozen.__dataclass_fields__})


def store(
    task: str,
    version: int,
    file: Path,
    *,
    sha256: str,
    events: int,
    source: str,
    simulated: bool,
    known: Mapping[str, NDArray],
) -> Frozen:
    """Store a sample as an artifact of a run of its own.

    Parameters
    ----------
    task : str
        The task, and the experiment.
    version : int
        Number of the sample.
    file : pathlib.Path
        The ROOT file.
    sha256, events, source, simulated
        See `Frozen`.
    known : mapping of str to ndarray
        Identities of the events, as returned by `identities`.
    """
    with active(task) as run, tempfile.TemporaryDirectory() as scratch:
        run_id = run.info.run_id
        frozen = Frozen(version, sha256, events, source, simulated, run_id)
        archive = Path(scratch) / EVENTS
        np.savez_compressed(archive, ids=known["ids"], content=known["content"])
        client = MlflowClient()
        for path in (file, archive):
            client.log_artifact(run_id, str(path), FOLDER)
        client.set_tag(run_id, "mlflow.runName", f"frozen sample {version}")
        client.set_tag(
            run_id,
            "mlflow.note.content",
            f"Frozen sample {version} of {task}: {events} events of {source}, sha256 {sha256}. Candidates "
            "are judged on it; nothing may be trained on it.",
        )
        for name, value in asdict(frozen).items():
            client.set_tag(run_id, f"frozen.{name}", str(value))
        client.set_tag(run_id, "task", task)
    return frozen


def fetch(frozen: Frozen, folder: Path) -> Path:
    """Download the file of a frozen sample into `folder`.

    Raises
    ------
    CannotRecord
        If it is gone.
    """
    try:
        uri = f"runs:/{frozen.run_id}/{FOLDER}/{FILE}"
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise CannotRecord(
            f"frozen sample {frozen.version} cannot be fetched from run {frozen.run_id} ({one_line(error)})"
        ) from error


def identities(task: str) -> tuple[int, dict[str, NDArray]] | None:
    """Return the version of a task's latest frozen sample and the identities of its events.

    The result is None if there is no frozen sample. It comes from mlflow and not from the journal, so that a
    training needs nothing but the tracking server.

    Raises
    ------
    CannotRecord
        If the sample exists but cannot be read: a training must not begin without the identities.
    """
    client = MlflowClient()
    experiment = client.get_experiment_by_name(task)
    if experiment is None:
        return None
    runs = client.search_runs(
        [experiment.experiment_id], "tags.`frozen.sha256` != ''", max_results=1, order_by=["start_time DESC"]
    )
    if not runs:
        return None
    version, run_id = int(runs[0].data.tags["frozen.version"]), runs[0].info.run_id
    try:
        with tempfile.TemporaryDirectory() as scratch:
            uri = f"runs:/{run_id}/{FOLDER}/{EVENTS}"
            with np.load(mlflow.artifacts.download_artifacts(uri, dst_path=scratch)) as arrays:
                return version, dict(arrays)
    except (MlflowException, OSError, ValueError) as error:
        raise CannotRecord(
            f"frozen sample {version} of {task} cannot be read from run {run_id} ({one_line(error)}), and a "
            "training must not see its events: restore that run"
        ) from error
