"""The tables of the index, beside that of the journal; `tracking.migrations` makes them."""

from __future__ import annotations

from dataclasses import fields
from typing import get_type_hints

import sqlalchemy as sa

from tracking.index.records import Estimator, Head, Line, Ratio, Statistic

__all__ = ["EVIDENCE", "MLFLOW_RUNS", "MLFLOW_TAGS", "PARTS", "table_of"]

_TYPES = {str: sa.String, int: sa.BigInteger, float: sa.Float, int | None: sa.BigInteger}
_METADATA = sa.MetaData()


def _table(name: str, record: type, *key: str) -> sa.Table:
    """A table with a column for each field of a record."""
    hints = get_type_hints(record)
    columns: list[sa.Column] = [
        sa.Column(item.name, _TYPES[hints[item.name]], primary_key=item.name in key)
        for item in fields(record)
    ]
    return sa.Table(name, _METADATA, *columns)


EVIDENCE = sa.Table(
    "shashlik_evidence",
    _METADATA,
    sa.Column("id", sa.Integer, primary_key=True),
    *(
        sa.Column(item.name, _TYPES[get_type_hints(Head)[item.name]])
        for item in fields(Head)
        if item.name != "id"
    ),
)
#: Tables of what belongs to an evidence, by the record that is a row of it.
PARTS: dict[type, sa.Table] = {
    Estimator: _table("shashlik_estimator", Estimator, "evidence", "estimator"),
    Line: _table("shashlik_resolution", Line, "evidence", "quantity", "binning", "bin", "estimator"),
    Ratio: _table("shashlik_comparison", Ratio, "evidence", "quantity", "statistic", "reference"),
    Statistic: _table("shashlik_statistic", Statistic, "evidence", "quantity", "statistic", "estimator"),
}

#: What the index asks of mlflow's own tables, where they are in the same database: which runs were deleted,
#: and which tags runs have now.
MLFLOW_RUNS = sa.table("runs", sa.column("run_uuid"), sa.column("lifecycle_stage"))
MLFLOW_TAGS = sa.table("tags", sa.column("run_uuid"), sa.column("key"), sa.column("value"))


def table_of(record: type) -> sa.Table:
    """The table whose rows are such records."""
    return EVIDENCE if record is Head else PARTS[record]
