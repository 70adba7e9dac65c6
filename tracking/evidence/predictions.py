"""Predictions of all estimators, event by event, in one Parquet file with ids and truth.

Columns: the ids (``run``, ``event``), truth as ``true/<name>`` and predictions as ``<estimator>/<output>``. A
value with several objects is a list. NaN is preserved.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["PredictionTable", "read", "write"]

TRUTH = "true"
VERSION = b"1"


@dataclass(frozen=True)
class PredictionTable:
    """Predictions on one sample.

    Parameters
    ----------
    ids : mapping of str to ndarray, shape (events,)
        Identifiers of the events.
    truth : mapping of str to ndarray or awkward.Array
        One entry per event; jagged if events hold several objects.
    answers : mapping of str to mapping of str to ndarray, shape (events,)
        Predictions by estimator, then by output.
    sha256 : str
        Content hash of the sample.
    """

    ids: Mapping[str, np.ndarray]
    truth: Mapping[str, Any]
    answers: Mapping[str, Mapping[str, np.ndarray]]
    sha256: str


def write(table: PredictionTable, path: Path) -> None:
    """Write `table` to a Parquet file.

    Raises
    ------
    ValueError
        If the columns do not all have one length, or an estimator's name contains ``/``.
    """
    for name in table.answers:
        if "/" in name or name == TRUTH:
            raise ValueError(f"estimator name {name!r} cannot be kept: no '/' and not {TRUTH!r}")
    columns = {
        **table.ids,
        **{f"{TRUTH}/{name}": values for name, values in table.truth.items()},
        **{
            f"{estimator}/{name}": values
            for estimator, outputs in table.answers.items()
            for name, values in outputs.items()
        },
    }
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"predictions need one entry an event in every column; lengths are {lengths}")
    arrow = pa.table({name: ak.to_arrow(values, extensionarray=False) for name, values in columns.items()})
    arrow = arrow.replace_schema_metadata(
        {b"shashlik.predictions": VERSION, b"sha256": table.sha256.encode()}
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(arrow, path, compression="zstd")


def read(path: Path) -> PredictionTable:
    """Read a table written by `write`.

    Raises
    ------
    ValueError
        If the file was not written by `write`.
    """
    arrow = pq.read_table(path)
    metadata = arrow.schema.metadata or {}
    if metadata.get(b"shashlik.predictions") != VERSION:
        raise ValueError(f"{path} is not a table of predictions of version {VERSION.decode()}")
    ids: dict[str, np.ndarray] = {}
    truth: dict[str, Any] = {}
    answers: dict[str, dict[str, np.ndarray]] = {}
    for name in arrow.column_names:
        values = _values(arrow.column(name))
        owner, _, output = name.partition("/")
        if not output:
            ids[name] = values
        elif owner == TRUTH:
            truth[output] = values
        else:
            answers.setdefault(owner, {})[output] = values
    return PredictionTable(ids, truth, answers, metadata[b"sha256"].decode())


def _values(column: pa.ChunkedArray) -> Any:
    if pa.types.is_nested(column.type):
        return ak.drop_none(ak.from_arrow(column))
    return column.to_numpy()
