"""Events as columns with units: the schema of a file, and samples that are read or simulated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

__all__ = ["Column", "Predictions", "Sample", "Schema"]

#: One flat array per output, shape (events,); NaN where the estimator has no prediction.
Predictions = Mapping[str, NDArray[np.floating]]


@dataclass(frozen=True)
class Column:
    """One column of a sample.

    Parameters
    ----------
    name : str
        Branch name in the ROOT file.
    unit : str
        ``"cm"``, ``"GeV"``, ``"rad"``; empty for counts and ids.
    kind : {"int", "float"}
        Integers are kept as int64, floats as float64.
    meaning : str
        One phrase for the documentation.
    jagged : bool
        Whether an event holds any number of values.
    optional : bool
        Whether a file may lack the branch.
    role : {"input", "id", "truth", "result"}
        Input of estimators, identifier of the event, truth for the evaluation, or result of another program.
    count : int
        Number of values that every event has in a jagged column; 0: any number.
    """

    name: str
    unit: str
    kind: str
    meaning: str
    jagged: bool = False
    optional: bool = False
    role: str = "input"
    count: int = 0


@dataclass(frozen=True)
class Schema:
    """Columns of a ROOT tree that a task reads and writes.

    Parameters
    ----------
    tree : str
        Name of the tree.
    columns : tuple of Column
    named : callable
        ``named(file) -> mapping of str to float``: values for all events of a file, taken from its name. They
        fill columns that the file has no branches for.
    """

    tree: str
    columns: tuple[Column, ...]
    named: Callable[[str], Mapping[str, float]] = field(default=lambda file: {}, compare=False)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns, optional ones included."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that a file must have."""
        return tuple(column.name for column in self.columns if not column.optional)

    def having(self, role: str) -> tuple[str, ...]:
        """List the names of the columns with one role."""
        return tuple(column.name for column in self.columns if column.role == role)


@dataclass(frozen=True)
class Sample:
    """Events as columns: flat ones as numpy arrays, jagged ones as awkward arrays.

    Parameters
    ----------
    schema : Schema
        Meaning of the columns.
    columns : mapping of str to ndarray or awkward.Array
        Columns of equal length; `shashlik.task.rootio.sample` builds a sample with checks.
    source : str
        Origin of the events, for the record: files, or the simulation with its random seed.
    """

    schema: Schema
    columns: Mapping[str, Any]
    source: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> Any:
        return self.columns[name]

    def select(self, rows: slice | NDArray[Any]) -> Sample:
        """Select events by a slice, a boolean mask or indices."""
        return Sample(self.schema, {name: array[rows] for name, array in self.columns.items()}, self.source)

    @cached_property
    def sha256(self) -> str:
        """Hash of the full content: every column's name, type, counts and values, in schema order.

        The hash does not depend on the compression or chunks of the file. Floats are hashed as float32 and
        integers as int64, the precision that files of these schemas hold.
        """
        digest = hashlib.sha256()
        for column in self.schema.columns:
            if column.name not in self.columns:
                continue
            array = self.columns[column.name]
            kind = "<i8" if column.kind == "int" else "<f4"
            digest.update(f"{column.name}:{kind}:{len(self)};".encode())
            if column.jagged:
                digest.update(ak.to_numpy(ak.num(array)).astype("<i8").tobytes())
                array = ak.flatten(array)
            digest.update(np.ascontiguousarray(ak.to_numpy(array)).astype(kind).tobytes())
        return digest.hexdigest()

    @staticmethod
    def concatenate(samples: Sequence[Sample]) -> Sample:
        """Concatenate samples, dropping columns that some of them lack."""
        first = samples[0]
        shared = [name for name in first.columns if all(name in sample for sample in samples)]
        columns = {
            name: (ak if first.schema[name].jagged else np).concatenate([sample[name] for sample in samples])
            for name in shared
        }
        return Sample(first.schema, columns, ", ".join(dict.fromkeys(sample.source for sample in samples)))
