"""The query behind a leaderboard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_type_hints

import sqlalchemy as sa

from tracking.index.records import Estimator, Line, Statistic
from tracking.index.tables import EVIDENCE, PARTS

__all__ = ["ordered", "ranking"]

#: What is told of the number that decides: itself, its error, and the limits of its interval.
_PARTS = ("value", "err", "low", "high")


def ranking(quantity: str, statistic: str, subjects: bool, once: bool) -> sa.Select:
    """Every estimator of every evidence with one of its overall numbers, see `DirectIndex.leaderboard`.

    `once` numbers the places that a registered version has in the column ``turn``, the best evidence first.
    """
    who, number = PARTS[Estimator].c, _number(quantity, statistic)
    columns = [*EVIDENCE.c, who.estimator, who.version, *number.columns]
    if once:
        subject_first = sa.case((who.estimator == EVIDENCE.c.subject, 0), else_=1)
        turn = sa.func.row_number().over(
            partition_by=(EVIDENCE.c.task, who.version),
            # Of one run the evidence of the gate, with all baselines, goes before other comparisons.
            order_by=(subject_first, EVIDENCE.c.time.desc(), EVIDENCE.c.artifact.desc(), EVIDENCE.c.run),
        )
        columns.append(turn.label("turn"))
    of = number.table.c
    query = (
        sa.select(*columns)
        .join(PARTS[Estimator], who.evidence == EVIDENCE.c.id)
        .join(
            number.table,
            sa.and_(of.evidence == EVIDENCE.c.id, of.estimator == who.estimator, *number.where),
        )
    )
    if subjects:
        query = query.where(who.estimator == EVIDENCE.c.subject)
    return query.where(who.version.is_not(None)) if once else query


def ordered(query: sa.Select, descending: bool, once: bool) -> sa.Select:
    """What `ranking` found, the best first; those without a number last, equal ones in a fixed order."""
    found = query.subquery()
    value = found.c.value.desc() if descending else found.c.value.asc()
    result = sa.select(found).order_by(found.c.value.is_(None), value, found.c.id, found.c.estimator)
    return result.where(found.c.turn == 1) if once else result


@dataclass(frozen=True)
class _Number:
    """Where the number that decides is found."""

    table: sa.Table
    columns: tuple[sa.ColumnElement, ...]
    where: tuple[sa.ColumnElement[bool], ...]


def _number(quantity: str, statistic: str) -> _Number:
    line, other = PARTS[Line].c, PARTS[Statistic].c
    if statistic == "n" or get_type_hints(Line).get(statistic) is float:
        names = (statistic, *(f"{statistic}_{part}" for part in _PARTS[1:]))
        columns = [line[name] if name in line else sa.null() for name in names]
        labelled = tuple(column.label(part) for column, part in zip(columns, _PARTS, strict=True))
        # The zero is spelt out, so that PostgreSQL knows: there is an index of these rows alone.
        where = (line.quantity == quantity, line.binning == "", line.bin == sa.literal_column("0"))
        return _Number(PARTS[Line], labelled, where)
    values = tuple(other[part] for part in _PARTS)
    return _Number(PARTS[Statistic], values, (other.quantity == quantity, other.statistic == statistic))
