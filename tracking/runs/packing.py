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
    """What `log_model` needs of an estimator, see `shashlik.task.estimator.Portable`."""

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


def _type(column: Any) -> DataType | Array:
    values = ak.Array(column)
    whole = np.issubdtype(ak.to_numpy(ak.flatten(values, axis=None)).dtype, np.integer)
    kind = DataType.long if whole else DataType.double
    return Array(kind) if values.ndim > 1 else kind
