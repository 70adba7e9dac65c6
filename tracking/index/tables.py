"""Tables of the index, created by `tracking.migrations` like the table of the journal."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import sqlalchemy as sa

from tracking.index.records import Estimator, Head, Line, Ratio, Statistic

__all__ = ["EVIDENCE", "MLFLOW_RUNS", "MLFLOW_TAGS", "PARTS", "table_of"]

_TYPES = {str: sa.String, int: sa.BigInteger, float: sa.Float, int | None: sa.BigInteger}
_METADATA = sa.MetaData()


def _table(name: str, record: type, *key: str) -> sa.Table:
    """Define a table with a column for each field of a record."""
    hints = get_type_hints(record)
    columns: list[sa.Column] = [
        sa.Column(field.name, _TYPES[hints[field.name]], primary_key=field.name in key)
        for field in fields(record)
    ]
    return sa.Table(name, _METADATA, *columns)


EVIDENCE = sa.Table(
    "shashlik_evidence",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    *(
        sa.Column(field.name, _TYPES[get_type_hints(Head)[field.name]])
        for field in fields(Head)
        if field.name != "id"
    ),
)
#: Tables of the parts of an evidence, by the record type of their rows.
PARTS: dict[type, sa.Table] = {
    Estimator: _table("shashlik_estimator", Estimator, "evidence", "estimator"),
    Line: _table("shashlik_resolution", Line, "evidence", "quantity", "binning", "bin", "estimator"),
    Ratio: _table("shashlik_comparison", Ratio, "evidence", "quantity", "statistic", "reference"),
    Statistic: _table("shashlik_statistic", Statistic, "evidence", "quantity", "statistic", "estimator"),
}

#: Columns of mlflow's own tables, if they are in the same database: deleted runs and current tags of runs.
MLFLOW_RUNS = sa.table("runs", sa.column("run_uuid"), sa.column("lifecycle_stage"))
MLFLOW_TAGS = sa.table("tags", sa.column("run_uuid"), sa.column("key"), sa.column("value"))


def table_of(record: type) -> sa.Table:
    """Look up the table with rows of this record type."""
    return EVIDENCE if record is Head else PARTS[record]
