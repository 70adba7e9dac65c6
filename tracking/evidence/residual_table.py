"""Residuals object by object as a Parquet file, for later comparisons of runs.

Only the task defines its residuals; with this file a comparison needs neither the task nor its events.
Columns are ``<estimator>/<quantity>``, ``<estimator>/failed``, and ``true/<variable>`` for binned variables.
Single precision is sufficient because residuals are small.
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
        Residuals by estimator, all of the same events.
    sha256 : str
        Content hash of the sample: tables with the same hash have their events in the same order.
    """

    residuals: Mapping[str, Residuals]
    sha256: str


def of(outcomes: Mapping[str, object], sha256: str) -> ResidualTable | None:
    """Build the table of outcomes that are residuals; None if they are of another kind."""
    residuals = {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Residuals)}
    return ResidualTable(residuals, sha256) if residuals else None


def beside(evidence: str) -> str:
    """Find the artifact path of the residuals that belong to an evidence artifact.

    Residuals are outside the folder of evidence on frozen samples, where every file is evidence.
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
    for name, entries in table.residuals.items():
        if "/" in name or name == VARIABLE or FAILED in entries.values:
            raise ValueError(f"residuals of {name!r} cannot be kept: no '/', not {VARIABLE!r}, no {FAILED!r}")
        shape = entries.shape
        for quantity, values in entries.values.items():
            columns[f"{name}/{quantity}"] = values.astype(np.float32).ravel()
        if entries.failed is not None:
            columns[f"{name}/{FAILED}"] = entries.failed.ravel()
        for variable, values in entries.variables.items():
            columns[f"{VARIABLE}/{variable}"] = values.astype(np.float32).ravel()
    metadata = {
        b"shashlik.residuals": VERSION,
        b"sha256": table.sha256.encode(),
        b"events": str(shape[0]).encode(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path, compression="zstd")


def read(path: Path) -> ResidualTable:
    """Read a table written by `write`.

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
        {name: Residuals(arrays, variables, failed.get(name)) for name, arrays in values.items()},
        metadata[b"sha256"].decode(),
    )
