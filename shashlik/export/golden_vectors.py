"""Golden vectors: events of a bundle with inputs and outputs of its network, as ``.npy`` files.

Such a file is a short text, which states type and shape, followed by the numbers as they lie in memory. A
program can read it without a library. A jagged column is one file with all its values and one with the
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["Golden", "read", "write"]

COLUMNS, INPUTS, OUTPUTS, USABLE, COUNTS = "columns", "inputs", "outputs", "usable.npy", ".counts"


@dataclass(frozen=True)
class Golden:
    """Events as columns, as inputs of the network and as outputs of the model.

    Parameters
    ----------
    columns : mapping of str to ndarray or awkward.Array
        The events as columns of a sample.
    inputs : mapping of str to ndarray, shape (events, ...)
        The events as inputs of the network.
    usable : ndarray of bool, shape (events,)
        Events with a prediction; for the others the output of the network is meaningless.
    outputs : mapping of str to ndarray, shape (events,)
        Predictions of the registered model.
    """

    columns: Mapping[str, Any]
    inputs: Mapping[str, NDArray[Any]]
    usable: NDArray[np.bool_]
    outputs: Mapping[str, NDArray[np.floating]]

    def __len__(self) -> int:
        return len(self.usable)


def write(golden: Golden, folder: Path) -> None:
    """Write the events below `folder`."""
    for part in (COLUMNS, INPUTS, OUTPUTS):
        (folder / part).mkdir(parents=True)
    for name, column in golden.columns.items():
        values = ak.Array(column)
        if values.ndim > 1:
            _save(folder / COLUMNS / f"{name}{COUNTS}.npy", ak.to_numpy(ak.num(values)).astype("<i8"))
            values = ak.flatten(values)
        _save(folder / COLUMNS / f"{name}.npy", ak.to_numpy(values))
    for part, arrays in ((INPUTS, golden.inputs), (OUTPUTS, golden.outputs)):
        for name, array in arrays.items():
            _save(folder / part / f"{name}.npy", array)
    _save(folder / USABLE, golden.usable.astype("|u1"))


def read(folder: Path) -> Golden:
    """Read the events that `write` wrote.

    Raises
    ------
    OSError, ValueError
        If a file is missing or holds no array.
    """
    columns: dict[str, Any] = {}
    for path in sorted((folder / COLUMNS).glob("*.npy")):
        if path.stem.endswith(COUNTS):
            continue
        counts = path.with_name(f"{path.stem}{COUNTS}.npy")
        values = np.load(path, allow_pickle=False)
        columns[path.stem] = ak.unflatten(values, np.load(counts)) if counts.exists() else values
    inputs, outputs = (
        {path.stem: np.load(path, allow_pickle=False) for path in sorted((folder / part).glob("*.npy"))}
        for part in (INPUTS, OUTPUTS)
    )
    return Golden(columns, inputs, np.load(folder / USABLE, allow_pickle=False).astype(bool), outputs)


def _save(path: Path, array: NDArray[Any]) -> None:
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    np.save(path, np.ascontiguousarray(little), allow_pickle=False)
