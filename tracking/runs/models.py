"""Models of runs: logged with the numbers of their estimator, and loaded to predict or to be exported."""

from __future__ import annotations

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import awkward as ak
import mlflow
import numpy as np
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.tracking import MlflowClient
from numpy.typing import NDArray

from tracking.runs.lifecycle import MOST_METRICS
from tracking.runs.packing import Portable, pack

__all__ = ["Predict", "graph", "load", "log_model"]

#: From columns, one entry an event, to answers.
Predict = Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]


def log_model(
    portable: Portable,
    example: Mapping[str, Any],
    answers: Mapping[str, NDArray[np.floating]],
    *,
    name: str = "model",
    metrics: Mapping[str, float] | None = None,
) -> str:
    """Pack an estimator as an mlflow model and log it to the active run.

    mlflow's own ``log_model`` asks the server for the history of each metric of the run, one after another,
    and the model for one more prediction; with hundreds of metrics that took longer than all else together.

    Parameters
    ----------
    portable, example, answers
        See `tracking.runs.packing.pack`.
    name : str
        Name of the model in the run.
    metrics : mapping of str to float, optional
        Shown beside it among the models of the experiment.

    Returns
    -------
    str
        Its URI, ``models:/m-...``, as registration and loading take it.

    Raises
    ------
    CannotRecord
        If the packed model does not repeat the answers; nothing is logged then.
    """
    client = MlflowClient()
    run = mlflow.active_run()
    assert run is not None
    run_id = run.info.run_id
    folder = Path(tempfile.mkdtemp(dir=_packed().name)) / "model"
    packed = pack(portable, example, answers, folder)
    made = mlflow.initialize_logged_model(
        name=name, source_run_id=run_id, params=client.get_run(run_id).data.params
    )
    packed.artifact_path, packed.run_id = made.artifact_location, run_id
    packed.model_uuid = packed.model_id = made.model_id
    now = int(1000 * time.time())
    points = [
        Metric(key, float(value), now, 0, model_id=made.model_id, run_id=run_id)
        for key, value in (metrics or {}).items()
        if math.isfinite(value)
    ]
    try:
        client.log_outputs(run_id, [LoggedModelOutput(made.model_id, step=0)])
        with tempfile.TemporaryDirectory() as scratch:
            sent = Path(scratch) / "model"
            shutil.copytree(folder, sent, ignore=shutil.ignore_patterns("__pycache__"))
            packed.save(str(sent / MLMODEL_FILE_NAME))
            client.log_model_artifacts(made.model_id, str(sent))
        for start in range(0, len(points), MOST_METRICS):
            client.log_batch(run_id, metrics=points[start : start + MOST_METRICS])
    except BaseException:
        with suppress(Exception):
            mlflow.finalize_logged_model(made.model_id, "FAILED")
        raise
    mlflow.finalize_logged_model(made.model_id, "READY")
    return f"models:/{made.model_id}"


@cache
def _packed() -> tempfile.TemporaryDirectory[str]:
    """Where models are packed, until this process ends.

    What was compiled to check one serves all of the same text, as the fits are, while its file is there.
    """
    return tempfile.TemporaryDirectory(prefix="shashlik-packed-")


def load(folder: Path) -> tuple[Predict, tuple[str, ...]]:
    """What a logged model predicts with, and the columns it takes.

    The function takes columns as a sample holds them. It goes past mlflow's own ``predict``, which checks a
    table of lists value by value and is several times slower than a fit.
    """
    loaded = mlflow.pyfunc.load_model(str(folder))
    inputs = tuple(loaded.metadata.get_input_schema().input_names())
    inner = loaded.unwrap_python_model()._predict

    def predict(columns: Mapping[str, Any]) -> dict[str, NDArray[np.floating]]:
        found = inner({name: _entries(columns[name]) for name in inputs})
        return {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}

    return predict, inputs


def graph(folder: Path) -> tuple[Any, Callable[[Mapping[str, Any]], Any], Mapping[str, Any]] | None:
    """What the module of a logged model offers for its export; None if it offers nothing.

    Returns
    -------
    model : keras.Model
        With named inputs and outputs.
    prepare : callable
        From columns as a sample holds them to the model's inputs by name, and which events can be used.
    meaning : mapping of str to mapping
        By name of an input or output: ``unit`` and ``meaning``, or ``of``, the columns it consists of.
    """
    loaded = mlflow.pyfunc.load_model(str(folder))
    inputs = tuple(loaded.metadata.get_input_schema().input_names())
    inner = loaded.unwrap_python_model()
    offer = type(inner).load_context.__globals__.get("graph")
    files = getattr(inner, "_files", None)
    if offer is None or files is None:
        return None
    model, prepare, meaning = offer(files)
    return model, lambda columns: prepare({name: _entries(columns[name]) for name in inputs}), meaning


def _entries(column: Any) -> Any:
    """A flat column as it is; a jagged one as a list of arrays."""
    values = ak.Array(column)
    if values.ndim == 1:
        return np.asarray(column)
    ends = np.cumsum(ak.to_numpy(ak.num(values)))
    return np.split(ak.to_numpy(ak.flatten(values)), ends[:-1])
