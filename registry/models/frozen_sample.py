"""The mlflow side of frozen samples: the artifact that a task's candidates are judged on.

A frozen sample is a run of the task's experiment with the file, and the identities of its events, as
artifacts, and tags that find it. That it is the one that was frozen is in the journal.
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
    """What the journal and the tags say of a frozen sample.

    Parameters
    ----------
    version : int
        Verdicts on different versions are not compared.
    sha256 : str
        Content hash, see `shashlik.task.sample.Sample.sha256`.
    events : int
    source : str
        Where the events come from.
    simulated : bool
        Whether they come from the task's simulation, whose seeds keep them apart from all others.
    run_id : str
        The run that keeps it.
    """

    version: int
    sha256: str
    events: int
    source: str
    simulated: bool
    run_id: str

    @staticmethod
    def of(details: Mapping[str, Any]) -> Frozen:
        """From details of an entry of the journal."""
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
    """Keep a sample as artifact of a run of its own.

    Parameters
    ----------
    task : str
        Whose; the experiment.
    version : int
        Number of the sample.
    file : pathlib.Path
        The ROOT file.
    sha256, events, source, simulated
        See `Frozen`.
    known : mapping of str to ndarray
        Identities of the events, which `identities` gives back.
    """
    with active(task) as run, tempfile.TemporaryDirectory() as scratch:
        run_id = run.info.run_id
        made = Frozen(version, sha256, events, source, simulated, run_id)
        listed = Path(scratch) / EVENTS
        np.savez_compressed(listed, ids=known["ids"], content=known["content"])
        client = MlflowClient()
        for path in (file, listed):
            client.log_artifact(run_id, str(path), FOLDER)
        client.set_tag(run_id, "mlflow.runName", f"frozen sample {version}")
        client.set_tag(
            run_id,
            "mlflow.note.content",
            f"Frozen sample {version} of {task}: {events} events of {source}, sha256 {sha256}. Candidates "
            "are judged on it; nothing may be trained on it.",
        )
        for name, value in asdict(made).items():
            client.set_tag(run_id, f"frozen.{name}", str(value))
        client.set_tag(run_id, "task", task)
    return made


def fetch(frozen: Frozen, folder: Path) -> Path:
    """The file of a frozen sample, below `folder`.

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
    """Version of a task's latest frozen sample and identities of its events; None if there is none.

    Asked of mlflow and not of the journal, so that a training needs nothing but the tracking server.

    Raises
    ------
    CannotRecord
        If it is there but cannot be read: a training must not begin without knowing.
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
            with np.load(mlflow.artifacts.download_artifacts(uri, dst_path=scratch)) as found:
                return version, dict(found)
    except (MlflowException, OSError, ValueError) as error:
        raise CannotRecord(
            f"frozen sample {version} of {task} cannot be read from run {run_id} ({one_line(error)}), and a "
            "training must not see its events: restore that run"
        ) from error
