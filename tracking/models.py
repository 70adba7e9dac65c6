"""Estimators as mlflow models that need nothing of this repository.

A model is its portable module's own text with a short wrapper behind it ("models from code") beside the
files it reads. Two versions in one process cannot run each other's code, as they do with ``code_paths``:
each text is a module of its own, named by its hash. mlflow invents another name at every load. Compiled
functions keep their machine code beside the text and refer to their types by the name of the module, so that
under mlflow's names another process could not read it, and a second load would compile everything again.
"""

from __future__ import annotations

import ast
import hashlib
import math
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import awkward as ak
import mlflow
import numpy as np
import pandas as pd
from mlflow.entities import LoggedModelOutput, Metric
from mlflow.models import Model, ModelSignature
from mlflow.models.model import MLMODEL_FILE_NAME
from mlflow.tracking import MlflowClient
from mlflow.types.schema import Array, ColSpec, DataType, Schema
from numpy.typing import NDArray
from packaging.requirements import Requirement

from tracking.provenance import versions
from tracking.runs import MOST_METRICS, CannotRecord

__all__ = ["Portable", "Predict", "frame", "graph", "load", "log_model", "pack"]

#: From columns, one entry an event, to answers.
Predict = Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]

#: What the wrapper itself needs.
BASE = ("mlflow", "numpy", "pandas")
#: How well a packed model must repeat its estimator, relative to the largest value of the output, and in
#: which share of events. Not in all: where an iterative fit does not settle, it amplifies single precision.
AGREEMENT, AGREEING = 1e-4, 0.9
#: Events kept as the input example.
KEPT = 5

_NAME = """
# --- the name of this text in every process; who loads it again gets what the first load defined
import os as _os
import sys as _sys

_loaded_as, __name__ = __name__, {name!r}
if _loaded_as in _sys.modules and not _os.path.exists(getattr(_sys.modules.get(__name__), "__file__", "")):
    _sys.modules[__name__] = _sys.modules[_loaded_as]
"""

_WRAPPER = """

# --- what mlflow calls
import mlflow as _mlflow
import numpy as _numpy
import pandas as _pandas


class _Model(_mlflow.pyfunc.PythonModel):
    def load_context(self, context):
        self._files = {{name: context.artifacts[name] for name in {files!r}}}
        self._predict = getattr(_sys.modules.get(__name__), "load", load)(self._files)

    def predict(self, context, model_input: _pandas.DataFrame, params=None):
        columns = {{
            name: [_numpy.asarray(event) for event in model_input[name]] if name in {jagged!r}
            else model_input[name].to_numpy()
            for name in {inputs!r}
        }}
        return _pandas.DataFrame(self._predict(columns))


_mlflow.models.set_model(_Model())
"""


class Portable(Protocol):
    """What `log_model` needs of an estimator, see `projects.task.Portable`."""

    @property
    def module(self) -> Path:
        """One self-contained Python file that defines ``load(files) -> predict``."""

    @property
    def files(self) -> Mapping[str, Path]:
        """Data that the module reads, by the name under which `load` is given it."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """PyPI requirements of the module."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it takes."""


def frame(columns: Mapping[str, Any], inputs: Sequence[str]) -> pd.DataFrame:
    """Columns of a sample as a model takes them: one row an event, a list in it for a jagged column.

    Parameters
    ----------
    columns : mapping of str to ndarray or awkward.Array
        At least the `inputs`.
    inputs : sequence of str
        Names and order of the columns.
    """
    return pd.DataFrame({name: ak.to_list(columns[name]) for name in inputs})


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
        See `pack`.
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


def pack(
    portable: Portable,
    example: Mapping[str, Any],
    answers: Mapping[str, NDArray[np.floating]],
    folder: Path,
) -> Model:
    """Write an estimator as an mlflow model into a folder, load it from there and ask it about the example.

    Parameters
    ----------
    portable : Portable
        The estimator as files.
    example : mapping of str to ndarray or awkward.Array
        Columns of some events; the first ones are kept as the model's input example.
    answers : mapping of str to ndarray, shape (events,)
        What the estimator says about them.
    folder : pathlib.Path
        Where to; it is made.

    Raises
    ------
    CannotRecord
        If what is in the folder does not repeat the answers.
    """
    few = frame(example, portable.inputs)
    jagged = tuple(column for column in portable.inputs if ak.Array(example[column]).ndim > 1)
    stated = {Requirement(requirement).name for requirement in portable.requirements}
    base = [f"{package}=={installed}" for package, installed in versions(BASE).items() if package in BASE]
    packed = Model()
    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / "estimator.py"
        wrapper = _WRAPPER.format(files=tuple(portable.files), jagged=jagged, inputs=portable.inputs)
        code.write_text(_named(portable.module.read_text()).rstrip() + "\n" + wrapper)
        mlflow.pyfunc.save_model(
            path=str(folder),
            mlflow_model=packed,
            python_model=str(code),
            artifacts={key: str(path) for key, path in portable.files.items()} or None,
            signature=ModelSignature(
                inputs=Schema([ColSpec(_type(example[column]), column) for column in portable.inputs]),
                outputs=Schema([ColSpec(DataType.double, output) for output in answers]),
            ),
            input_example=few.head(KEPT),
            pip_requirements=[
                *(r for r in base if Requirement(r).name not in stated),
                *portable.requirements,
            ],
        )
    repeated = mlflow.pyfunc.load_model(str(folder)).predict(few)
    for output, wanted in answers.items():
        found = np.asarray(repeated[output])
        # Rounding is relative to what an output is made of, not to a value that happens to lie near zero.
        room = AGREEMENT * np.nanmax(np.abs(wanted), initial=0.0)
        agree = np.isclose(found, wanted, rtol=AGREEMENT, atol=room, equal_nan=True)
        if np.mean(agree) < AGREEING:
            first = int(np.argmin(agree))
            raise CannotRecord(
                f"the packed model gives other values of {output!r} than its estimator in "
                f"{np.count_nonzero(~agree)} of {len(agree)} events: {found[first]} instead of "
                f"{wanted[first]} in event {first}"
            )
    return packed


def _named(text: str) -> str:
    """The text of a module that gives itself a name, which is that of its content."""
    start = 0
    for index, node in enumerate(ast.parse(text).body):
        docstring = index == 0 and isinstance(node, ast.Expr)
        if not docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        start = node.end_lineno or 0
    lines = text.splitlines(keepends=True)
    head = _NAME.format(name=f"estimator_{hashlib.sha256(text.encode()).hexdigest()[:32]}")
    return "".join([*lines[:start], head, *lines[start:]])


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


def _type(column: Any) -> DataType | Array:
    values = ak.Array(column)
    whole = np.issubdtype(ak.to_numpy(ak.flatten(values, axis=None)).dtype, np.integer)
    kind = DataType.long if whole else DataType.double
    return Array(kind) if values.ndim > 1 else kind
