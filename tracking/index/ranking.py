"""Query behind a leaderboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

import sqlalchemy as sa

from tracking.index.records import Estimator, Line, Statistic
from tracking.index.tables import EVIDENCE, PARTS

__all__ = ["ordered", "ranking"]

#: Columns of the ranking number: its value, its error, and the limits of its interval.
_PARTS = ("value", "err", "low", "high")


def ranking(quantity: str, statistic: str, subjects: bool, once: bool) -> sa.Select:
    """Select every estimator with one of its overall numbers, see `DirectIndex.leaderboard`.

    `once` numbers the evidence of each registered version in the column ``turn``, the best first.
    """
    estimators, number = PARTS[Estimator].c, _number(quantity, statistic)
    columns = [*EVIDENCE.c, estimators.estimator, estimators.version, *number.columns]
    if once:
        subject_first = sa.case((estimators.estimator == EVIDENCE.c.subject, 0), else_=1)
        turn = sa.func.row_number().over(
            partition_by=(EVIDENCE.c.task, estimators.version),
            # Within a run the evidence of the gate, with all baselines, precedes other comparisons.
            order_by=(subject_first, EVIDENCE.c.time.desc(), EVIDENCE.c.artifact.desc(), EVIDENCE.c.run),
        )
        columns.append(turn.label("turn"))
    columns_of_number = number.table.c
    query = (
        sa.select(*columns)
        .join(PARTS[Estimator], estimators.evidence == EVIDENCE.c.id)
        .join(
            number.table,
            sa.and_(
                columns_of_number.evidence == EVIDENCE.c.id,
                columns_of_number.estimator == estimators.estimator,
                *number.where,
            ),
        )
    )
    if subjects:
        query = query.where(estimators.estimator == EVIDENCE.c.subject)
    return query.where(estimators.version.is_not(None)) if once else query


def ordered(query: sa.Select, descending: bool, once: bool) -> sa.Select:
    """Sort the result of `ranking`: the best first, missing numbers last, ties in a fixed order."""
    rows = query.subquery()
    value = rows.c.value.desc() if descending else rows.c.value.asc()
    ordered_rows = sa.select(rows).order_by(rows.c.value.is_(None), value, rows.c.id, rows.c.estimator)
    return ordered_rows.where(rows.c.turn == 1) if once else ordered_rows


@dataclass(frozen=True)
class _Number:
    """Table, columns and conditions of the ranking number."""

    table: sa.Table
    columns: tuple[sa.ColumnElement, ...]
    where: tuple[sa.ColumnElement[bool], ...]


def _number(quantity: str, statistic: str) -> _Number:
    line, statistics = PARTS[Line].c, PARTS[Statistic].c
    if statistic == "n" or get_type_hints(Line).get(statistic) is float:
        names = (statistic, *(f"{statistic}_{part}" for part in _PARTS[1:]))
        columns = [line[name] if name in line else sa.null() for name in names]
        labelled = tuple(column.label(part) for column, part in zip(columns, _PARTS, strict=True))
        # The literal zero lets PostgreSQL use its partial index of these rows.
        where = (line.quantity == quantity, line.binning == "", line.bin == sa.literal_column("0"))
        return _Number(PARTS[Line], labelled, where)
    values = tuple(statistics[part] for part in _PARTS)
    return _Number(
        PARTS[Statistic], values, (statistics.quantity == quantity, statistics.statistic == statistic)
    )
