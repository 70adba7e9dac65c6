"""Small queries of the index: tasks, samples, experiments and the newest evidence."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from tracking.database import reading
from tracking.index.direct import DirectIndex
from tracking.index.records import Estimator, Head, Selection
from tracking.index.tables import EVIDENCE, PARTS

__all__ = ["Sampled", "experiments", "newest", "of_version", "samples", "tasks"]


@dataclass(frozen=True)
class Sampled:
    """A sample with evidence of a task: the number of evidences and of different contents."""

    sample: str
    evidences: int
    contents: int


def tasks(index: DirectIndex, selection: Selection) -> dict[str, int]:
    """Count the runs with evidence, by task."""
    query = sa.select(EVIDENCE.c.task, sa.func.count(sa.distinct(EVIDENCE.c.run)))
    query = index.selected(query, selection).group_by(EVIDENCE.c.task).order_by(EVIDENCE.c.task)
    with reading(index.engine) as connection:
        return {str(task): int(number) for task, number in connection.execute(query)}


def experiments(index: DirectIndex, selection: Selection) -> tuple[str, ...]:
    """List the experiments of the selected evidence."""
    query = index.selected(sa.select(EVIDENCE.c.experiment).distinct(), selection)
    with reading(index.engine) as connection:
        return tuple(connection.scalars(query))


def samples(index: DirectIndex, selection: Selection) -> tuple[Sampled, ...]:
    """List the samples of the selected evidence."""
    contents = sa.func.count(sa.distinct(EVIDENCE.c.sample_sha256))
    query = sa.select(EVIDENCE.c.sample, sa.func.count(), contents)
    query = index.selected(query, selection).group_by(EVIDENCE.c.sample).order_by(EVIDENCE.c.sample)
    with reading(index.engine) as connection:
        return tuple(Sampled(*row) for row in connection.execute(query))


def newest(index: DirectIndex, selection: Selection, most: int = 1) -> tuple[Head, ...]:
    """Return the newest selected evidence, at most `most` entries."""
    query = index.selected(sa.select(EVIDENCE), selection)
    query = query.order_by(EVIDENCE.c.time.desc(), EVIDENCE.c.id.desc()).limit(most)
    with reading(index.engine) as connection:
        return tuple(Head(**row) for row in connection.execute(query).mappings())


def of_version(index: DirectIndex, selection: Selection, version: int) -> tuple[Head, str] | None:
    """Find the evidence of a registered version, and the name of the version in it.

    Evidence with the version as subject takes precedence, then the newest.
    """
    columns = PARTS[Estimator].c
    subject_first = sa.case((columns.estimator == EVIDENCE.c.subject, 0), else_=1)
    query = sa.select(EVIDENCE, columns.estimator).join(PARTS[Estimator], columns.evidence == EVIDENCE.c.id)
    query = index.selected(query, selection).where(columns.version == version)
    query = query.order_by(subject_first, EVIDENCE.c.time.desc(), EVIDENCE.c.id.desc()).limit(1)
    with reading(index.engine) as connection:
        row = connection.execute(query).mappings().first()
    if row is None:
        return None
    return Head(**{name: row[name] for name in Head.__dataclass_fields__}), row["estimator"]
