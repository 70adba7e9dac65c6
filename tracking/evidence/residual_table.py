"""Residuals object by object as a Parquet file, so that runs can be compared long after they were judged.

What a residual is only the task knows; with this file nobody needs the task, nor its events. Columns are
``<estimator>/<quantity>`` and ``<estimator>/failed``, and ``true/<variable>`` for what is binned in; single
precision is enough, as a residual is small itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from tracking.statistics.residuals import Residuals

__all__ = ["ResidualTable", "beside", "of", "read", "write"]

VERSION = b"1"
VARIABLE, FAILED = "true", "failed"


@dataclass(frozen=True)
class ResidualTable:
    """Residuals on one sample.

    Parameters
    ----------
    residuals : mapping of str to Residuals
        By estimator, all of the same events.
    sha256 : str
        Content hash of the sample: tables with the same one have their events in the same order.
    """

    residuals: Mapping[str, Residuals]
    sha256: str


def of(outcomes: Mapping[str, object], sha256: str) -> ResidualTable | None:
    """The table of outcomes that are residuals, by estimator; None where they are of another kind."""
    found = {name: one for name, one in outcomes.items() if isinstance(one, Residuals)}
    return ResidualTable(found, sha256) if found else None


def beside(evidence: str) -> str:
    """Where a run keeps the residuals of the evidence that it has in an artifact.

    Not in the folder of evidence on frozen samples, where every file is one.
    """
    folder, _, name = evidence.partition("/")
    if folder == "evidence":
        return "evidence/residuals.parquet"
    return f"residuals/{name.removesuffix('.json')}.parquet"


def write(table: ResidualTable, path: Path) -> None:
    """Write `table` to a Parquet file.

    Raises
    ------
    ValueError
        If the name of an estimator contains ``/`` or is ``true``, or a quantity is called ``failed``.
    """
    columns: dict[str, NDArray] = {}
    shape = (0, 0)
    for name, judged in table.residuals.items():
        if "/" in name or name == VARIABLE or FAILED in judged.values:
            raise ValueError(f"residuals of {name!r} cannot be kept: no '/', not {VARIABLE!r}, no {FAILED!r}")
        shape = judged.shape
        for quantity, values in judged.values.items():
            columns[f"{name}/{quantity}"] = values.astype(np.float32).ravel()
        if judged.failed is not None:
            columns[f"{name}/{FAILED}"] = judged.failed.ravel()
        for variable, values in judged.variables.items():
            columns[f"{VARIABLE}/{variable}"] = values.astype(np.float32).ravel()
    metadata = {
        b"shashlik.residuals": VERSION,
        b"sha256": table.sha256.encode(),
        b"events": str(shape[0]).encode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


def read(path: Path) -> ResidualTable:
    """The table that `write` wrote.

    Raises
    ------
    ValueError
        If the file was not written by `write`.
    """
    arrow = pq.read_table(path)
    metadata = arrow.schema.metadata or {}
    if metadata.get(b"shashlik.residuals") != VERSION:
        raise ValueError(f"{path} is not a table of residuals of version {VERSION.decode()}")
    events = int(metadata[b"events"])
    values: dict[str, dict[str, NDArray]] = {}
    variables: dict[str, NDArray] = {}
    failed: dict[str, NDArray] = {}
    for column in arrow.column_names:
        owner, _, name = column.partition("/")
        array = arrow.column(column).to_numpy().reshape(events, -1)
        if owner == VARIABLE:
            variables[name] = array
        elif name == FAILED:
            failed[owner] = array
        else:
            values.setdefault(owner, {})[name] = array
    return ResidualTable(
        {name: Residuals(found, variables, failed.get(name)) for name, found in values.items()},
        metadata[b"sha256"].decode(),
    )
