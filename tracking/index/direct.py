"""Index in a database: stores whole evidence and answers each request with one query."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from typing import Any, TypeVar, get_type_hints

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from tracking.database import reading
from tracking.evidence.resolution import AnyEvidence
from tracking.index.ranking import ordered, ranking
from tracking.index.records import TEST, Estimator, Head, Line, Origin, Ratio, Selection, Standing, Statistic
from tracking.index.rows import head, parts
from tracking.index.tables import EVIDENCE, MLFLOW_RUNS, MLFLOW_TAGS, PARTS

__all__ = ["DirectIndex"]

#: Number of parameters of one statement, safely below the limit of SQLite.
MOST_NAMED = 10_000

EVERYTHING = Selection()

Record = TypeVar("Record")


@dataclass(frozen=True)
class DirectIndex:
    """Index with direct access to its database.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        From `tracking.database.opened`.
    """

    engine: sa.Engine

    def put(self, origin: Origin, evidence: AnyEvidence) -> None:
        """Index evidence, replacing the earlier one of the same artifact of the run."""
        same = sa.and_(EVIDENCE.c.run == origin.run, EVIDENCE.c.artifact == origin.artifact)
        try:
            self._put(same, origin, evidence)
        except IntegrityError:
            # Another process inserted the same artifact in the meantime; it is replaced like any other.
            self._put(same, origin, evidence)

    def assign(self, run: str, estimator: str, version: int) -> None:
        """Record that an estimator of a run became a version of its task's registered model."""
        table = PARTS[Estimator]
        evidence_ids = sa.select(EVIDENCE.c.id).where(EVIDENCE.c.run == run, EVIDENCE.c.sample == TEST)
        with self.engine.begin() as connection:
            connection.execute(
                sa.update(table)
                .where(table.c.evidence.in_(evidence_ids), table.c.estimator == estimator)
                .values(version=version)
            )

    def drop(self, runs: Collection[str]) -> None:
        """Remove all evidence of these runs."""
        with self.engine.begin() as connection:
            for portion in _portions(sorted(runs)):
                _drop(connection, EVIDENCE.c.run.in_(portion))

    def runs(self, selection: Selection = EVERYTHING) -> set[str]:
        """List the runs with evidence in the index, including deleted runs."""
        query = self.selected(sa.select(EVIDENCE.c.run).distinct(), selection, deleted=True)
        with reading(self.engine) as connection:
            return set(connection.scalars(query))

    def experiments(
        self, runs: Collection[str] | None = None, evidence: Collection[int] | None = None
    ) -> set[str]:
        """List the experiments of all evidence, of evidence of some runs, or of some evidence by number."""
        query = sa.select(EVIDENCE.c.experiment).distinct()
        if runs is not None:
            query = query.where(EVIDENCE.c.run.in_(sorted(runs)))
        if evidence is not None:
            query = query.where(EVIDENCE.c.id.in_(sorted(evidence)))
        with reading(self.engine) as connection:
            return set(connection.scalars(query))

    def heads(self, selection: Selection) -> tuple[Head, ...]:
        """Select evidence, the newest first."""
        query = self.selected(sa.select(EVIDENCE), selection)
        return self._read(Head, query.order_by(EVIDENCE.c.time.desc(), EVIDENCE.c.id.desc()))

    def leaderboard(
        self,
        selection: Selection,
        quantity: str,
        statistic: str,
        *,
        descending: bool = False,
        subjects: bool = False,
        once: bool = False,
        limit: int = 100,
        offset: int = 0,
    ) -> tuple[Standing, ...]:
        """Rank estimators by one of their overall numbers.

        Parameters
        ----------
        selection : Selection
        quantity : str
            Quantity of the number; empty for a number without a quantity.
        statistic : str
            Column of `Line`, or name of a `Statistic`.
        descending : bool
            Whether the largest comes first. Estimators without the number always come last.
        subjects : bool
            Whether to rank only the subjects of evidence.
        once : bool
            Whether to rank only registered versions, each of them once: from the newest evidence with the
            version as its subject, else from the newest evidence.
        limit, offset : int
            Number of results, and number of skipped results.
        """
        query = self.selected(ranking(quantity, statistic, subjects, once), selection)
        query = ordered(query, descending, once).limit(limit).offset(offset)
        with reading(self.engine) as connection:
            rows = connection.execute(query).mappings().all()
        return tuple(
            Standing(
                _record(Head, row),
                row["estimator"],
                row["version"],
                *(math.nan if row[part] is None else row[part] for part in ("value", "err", "low", "high")),
            )
            for row in rows
        )

    def estimators(self, evidence: Collection[int]) -> tuple[Estimator, ...]:
        """Look up the estimators of these evidences, in their order."""
        return self._parts(Estimator, evidence, "evidence", "position")

    def lines(
        self, evidence: Collection[int], quantity: str | None = None, binning: str | None = None
    ) -> tuple[Line, ...]:
        """Look up resolutions of these evidences by binning, bin, quantity; an empty `binning` is overall."""
        filters = {"quantity": quantity, "binning": binning}
        return self._parts(
            Line, evidence, "evidence", "binning", "bin", "quantity", "estimator", filters=filters
        )

    def ratios(self, evidence: Collection[int]) -> tuple[Ratio, ...]:
        """Look up overall ratios of the subjects of these evidences to all others."""
        return self._parts(Ratio, evidence, "evidence", "quantity", "statistic", "reference")

    def statistics(self, evidence: Collection[int]) -> tuple[Statistic, ...]:
        """Look up all other overall numbers of these evidences."""
        return self._parts(Statistic, evidence, "evidence", "quantity", "statistic", "estimator")

    @cached_property
    def _beside_mlflow(self) -> bool:
        return sa.inspect(self.engine).has_table(MLFLOW_RUNS.name)

    def _put(self, same: sa.ColumnElement[bool], origin: Origin, evidence: AnyEvidence) -> None:
        with self.engine.begin() as connection:
            _drop(connection, same)
            values = asdict(head(origin, evidence))
            del values["id"]
            insert = sa.insert(EVIDENCE).values(**values).returning(EVIDENCE.c.id)
            number = connection.execute(insert).scalar_one()
            rows: dict[type, list[dict[str, Any]]] = {record: [] for record in PARTS}
            for part in parts(evidence, origin.versions, number):
                rows[type(part)].append({name: _to_database(value) for name, value in asdict(part).items()})
            for record, records in rows.items():
                if records:
                    connection.execute(sa.insert(PARTS[record]), records)

    def selected(self, query: sa.Select, selection: Selection, deleted: bool = False) -> sa.Select:
        """Restrict a query of the table of evidence to a selection and to runs that were not deleted."""
        columns = EVIDENCE.c
        for name in ("task", "sample", "sample_sha256", "kind", "user"):
            if value := getattr(selection, name):
                query = query.where(columns[name] == value)
        if selection.since:
            query = query.where(columns.time >= selection.since)
        if selection.until:
            query = query.where(columns.time < selection.until)
        if selection.runs:
            query = query.where(columns.run.in_(selection.runs))
        if selection.experiments is not None:
            query = query.where(columns.experiment.in_(selection.experiments))
        if self._beside_mlflow and not deleted:
            gone = sa.select(sa.literal(1)).where(
                MLFLOW_RUNS.c.run_uuid == columns.run, MLFLOW_RUNS.c.lifecycle_stage != "active"
            )
            query = query.where(~gone.exists())
        for name, value in selection.tags.items():
            has = sa.select(sa.literal(1)).where(
                MLFLOW_TAGS.c.run_uuid == columns.run, MLFLOW_TAGS.c.key == name, MLFLOW_TAGS.c.value == value
            )
            query = query.where(has.exists() if self._beside_mlflow else sa.false())
        return query

    def _parts(
        self, record: type[Record], evidence: Collection[int], *order: str, filters: Any = None
    ) -> tuple[Record, ...]:
        table = PARTS[record]
        query = sa.select(table).where(table.c.evidence.in_(sorted(set(evidence))))
        for name, value in (filters or {}).items():
            if value is not None:
                query = query.where(table.c[name] == value)
        return self._read(record, query.order_by(*(table.c[name] for name in order)))

    def _read(self, record: type[Record], query: sa.Select) -> tuple[Record, ...]:
        with reading(self.engine) as connection:
            return tuple(_record(record, row) for row in connection.execute(query).mappings())


def _drop(connection: sa.Connection, which: sa.ColumnElement[bool]) -> None:
    old = sa.select(EVIDENCE.c.id).where(which)
    for table in PARTS.values():
        connection.execute(sa.delete(table).where(table.c.evidence.in_(old)))
    connection.execute(sa.delete(EVIDENCE).where(which))


def _to_database(value: Any) -> Any:
    """Convert NaN to NULL: SQLite would store its own value for NaN, and orders would differ."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _record(record: Any, row: Any) -> Any:
    """Build a record from a row that has at least its columns."""
    names, floats = _columns(record)
    values = {name: row[name] for name in names}
    for name in floats:
        if values[name] is None:
            values[name] = math.nan
    return record(**values)


@lru_cache
def _columns(record: type) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List the names of all fields of a record, and of the float fields, which may be NaN."""
    hints = get_type_hints(record)
    return tuple(hints), tuple(name for name, kind in hints.items() if kind is float)


def _portions(names: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(names), MOST_NAMED):
        yield names[start : start + MOST_NAMED]
