"""Models of runs: logged with the metrics of their estimator, and loaded for prediction or export."""

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

#: Function from columns, one entry per event, to predictions.
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

    mlflow's own ``log_model`` requests the history of each metric of the run one by one, and one more
    prediction of the model. With hundreds of metrics that takes longer than everything else together.

    Parameters
    ----------
    portable, example, answers
        See `tracking.runs.packing.pack`.
    name : str
        Name of the model in the run.
    metrics : mapping of str to float, optional
        Metrics shown with the model in the experiment.

    Returns
    -------
    str
        URI of the model, ``models:/m-...``, for registration and loading.

    Raises
    ------
    CannotRecord
        If the packed model does not reproduce the predictions; nothing is logged then.
    """
    client = MlflowClient()
    run = mlflow.active_run()
    assert run is not None
    run_id = run.info.run_id
    folder = Path(tempfile.mkdtemp(dir=_packed().name)) / "model"
    packed = pack(portable, example, answers, folder)
    logged = mlflow.initialize_logged_model(
        name=name, source_run_id=run_id, params=client.get_run(run_id).data.params
    )
    packed.artifact_path, packed.run_id = logged.artifact_location, run_id
    packed.model_uuid = packed.model_id = logged.model_id
    milliseconds = int(1000 * time.time())
    points = [
        Metric(key, float(value), milliseconds, 0, model_id=logged.model_id, run_id=run_id)
        for key, value in (metrics or {}).items()
        if math.isfinite(value)
    ]
    try:
        client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
        with tempfile.TemporaryDirectory() as scratch:
            upload = Path(scratch) / "model"
            shutil.copytree(folder, upload, ignore=shutil.ignore_patterns("__pycache__"))
            packed.save(str(upload / MLMODEL_FILE_NAME))
            client.log_model_artifacts(logged.model_id, str(upload))
        for start in range(0, len(points), MOST_METRICS):
            client.log_batch(run_id, metrics=points[start : start + MOST_METRICS])
    except BaseException:
        with suppress(Exception):
            mlflow.finalize_logged_model(logged.model_id, "FAILED")
        raise
    mlflow.finalize_logged_model(logged.model_id, "READY")
    return f"models:/{logged.model_id}"


@cache
def _packed() -> tempfile.TemporaryDirectory[str]:
    """Create the folder where models are packed, until this process ends.

    Code compiled to check one model serves all models with the same text, such as the fits, while its file
    exists.
    """
    return tempfile.TemporaryDirectory(prefix="shashlik-packed-")


def load(folder: Path) -> tuple[Predict, tuple[str, ...]]:
    """Load the prediction function of a logged model and the names of its input columns.

    The function takes columns as a sample holds them. It bypasses mlflow's own ``predict``, which checks a
    table of lists value by value and is several times slower than a fit.
    """
    loaded = mlflow.pyfunc.load_model(str(folder))
    inputs = tuple(loaded.metadata.get_input_schema().input_names())
    inner = loaded.unwrap_python_model()._predict

    def predict(columns: Mapping[str, Any]) -> dict[str, NDArray[np.floating]]:
        predictions = inner({name: _entries(columns[name]) for name in inputs})
        return {name: np.asarray(values, dtype=np.float64) for name, values in predictions.items()}

    return predict, inputs


def graph(folder: Path) -> tuple[Any, Callable[[Mapping[str, Any]], Any], Mapping[str, Any]] | None:
    """Load the graph that a logged model offers for its export; None if it offers none.

    Returns
    -------
    model : keras.Model
        With named inputs and outputs.
    prepare : callable
        Function from columns as a sample holds them to the model's inputs by name and a mask of usable
        events.
    meaning : mapping of str to mapping
        Description by name of an input or output: ``unit`` and ``meaning``, or ``of``, the columns it
        consists of.
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
    """Convert a jagged column to a list of arrays; return a flat one unchanged."""
    values = ak.Array(column)
    if values.ndim == 1:
        return np.asarray(column)
    ends = np.cumsum(ak.to_numpy(ak.num(values)))
    return np.split(ak.to_numpy(ak.flatten(values)), ends[:-1])
