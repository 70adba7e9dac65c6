"""Packing of estimators as mlflow models that do not need this repository.

A model consists of the text of its portable module, followed by a short wrapper ("models from code"), and the
files it reads. Each text is a separate module, named by its hash, so that two versions in one process cannot
run each other's code, as they do with ``code_paths``. mlflow invents another name at every load. Compiled
functions cache their machine code beside the text and refer to their types by module name. Under mlflow's
names another process could not read the cache, and a second load would compile everything again.
"""

from __future__ import annotations

import ast
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import awkward as ak
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import Model, ModelSignature
from mlflow.types.schema import Array, ColSpec, DataType, Schema
from numpy.typing import NDArray
from packaging.requirements import Requirement

from tracking.runs.lifecycle import CannotRecord
from tracking.runs.provenance import versions

__all__ = ["Portable", "frame", "pack"]

#: Packages that the wrapper itself needs.
BASE = ("mlflow", "numpy", "pandas")
#: Required agreement of a packed model with its estimator, relative to the largest value of the output, and
#: the share of events that must agree. Some may not: an iterative fit that does not converge amplifies single
#: precision.
AGREEMENT, AGREEING = 1e-4, 0.9
#: Number of events kept as the input example.
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
    """Interface that `log_model` needs of an estimator, see `shashlik.task.estimator.Portable`."""

    @property
    def module(self) -> Path:
        """Self-contained Python file that defines ``load(files) -> predict``."""

    @property
    def files(self) -> Mapping[str, Path]:
        """Data files of the module, by the name that `load` receives."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """PyPI requirements of the module."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the input columns."""


def frame(columns: Mapping[str, Any], inputs: Sequence[str]) -> pd.DataFrame:
    """Convert columns of a sample to the input of a model: one row per event, lists for jagged columns.

    Parameters
    ----------
    columns : mapping of str to ndarray or awkward.Array
        Columns that include the `inputs`.
    inputs : sequence of str
        Names and order of the columns.
    """
    return pd.DataFrame({name: ak.to_list(columns[name]) for name in inputs})


def pack(
    portable: Portable,
    example: Mapping[str, Any],
    answers: Mapping[str, NDArray[np.floating]],
    folder: Path,
) -> Model:
    """Write an estimator as an mlflow model into a folder, load it from there and check its predictions.

    Parameters
    ----------
    portable : Portable
        Estimator as files.
    example : mapping of str to ndarray or awkward.Array
        Columns of some events; the first ones become the model's input example.
    answers : mapping of str to ndarray, shape (events,)
        Predictions of the estimator for them.
    folder : pathlib.Path
        Target folder; it is created.

    Raises
    ------
    CannotRecord
        If the packed model does not reproduce the predictions.
    """
    table = frame(example, portable.inputs)
    jagged = tuple(column for column in portable.inputs if ak.Array(example[column]).ndim > 1)
    stated = {Requirement(requirement).name for requirement in portable.requirements}
    base = [f"{package}=={installed}" for package, installed in versions(BASE).items() if package in BASE]
    packed = Model()
    with tempfile.TemporaryDirectory() as scratch:
        code = Path(scratch) / "estimator.py"
        wrapper = _WRAPPER.format(files=tuple(portable.files), jagged=jagged, inputs=portable.inputs)
        code.write_text(_insert_name(portable.module.read_text()).rstrip() + "\n" + wrapper)
        mlflow.pyfunc.save_model(
            path=str(folder),
            mlflow_model=packed,
            python_model=str(code),
            artifacts={key: str(path) for key, path in portable.files.items()} or None,
            signature=ModelSignature(
                inputs=Schema([ColSpec(_type(example[column]), column) for column in portable.inputs]),
                outputs=Schema([ColSpec(DataType.double, output) for output in answers]),
            ),
            input_example=table.head(KEPT),
            pip_requirements=[
                *(r for r in base if Requirement(r).name not in stated),
                *portable.requirements,
            ],
        )
    repeated = mlflow.pyfunc.load_model(str(folder)).predict(table)
    for output, expected in answers.items():
        predicted = np.asarray(repeated[output])
        # Rounding is relative to the scale of an output, not to a value that happens to lie near zero.
        tolerance = AGREEMENT * np.nanmax(np.abs(expected), initial=0.0)
        agree = np.isclose(predicted, expected, rtol=AGREEMENT, atol=tolerance, equal_nan=True)
        if np.mean(agree) < AGREEING:
            first = int(np.argmin(agree))
            raise CannotRecord(
                f"the packed model gives other values of {output!r} than its estimator in "
                f"{np.count_nonzero(~agree)} of {len(agree)} events: {predicted[first]} instead of "
                f"{expected[first]} in event {first}"
            )
    return packed


def _insert_name(text: str) -> str:
    """Insert code into the text of a module that names the module by the hash of its content."""
    start = 0
    for index, node in enumerate(ast.parse(text).body):
        docstring = index == 0 and isinstance(node, ast.Expr)
        if not docstring and not (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            break
        start = node.end_lineno or 0
    lines = text.splitlines(keepends=True)
    head = _NAME.format(name=f"estimator_{hashlib.sha256(text.encode()).hexdigest()[:32]}")
    return "".join([*lines[:start], head, *lines[start:]])


def _type(column: Any) -> DataType | Array:
    values = ak.Array(column)
    whole = np.issubdtype(ak.to_numpy(ak.flatten(values, axis=None)).dtype, np.integer)
    kind = DataType.long if whole else DataType.double
    return Array(kind) if values.ndim > 1 else kind
