"""The index in a real SQLite and a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from index_suite import IndexSuite, Place, made_up

from tracking.database import opened
from tracking.evidence.resolution import Evidence
from tracking.index.direct import DirectIndex
from tracking.index.records import Selection
from tracking.index.tables import EVIDENCE, PARTS


class TestDirectIndex(IndexSuite):
    @pytest.fixture
    def found(self, database: str) -> Iterator[DirectIndex]:
        with opened(database) as engine:
            yield DirectIndex(engine)

    @pytest.fixture
    def place(self) -> Place:
        return made_up

    def test_dropped_runs_leave_nothing(self, found: DirectIndex, evidence: Evidence) -> None:
        origins = [made_up(letter) for letter in "abc"]
        for origin in origins:
            found.put(origin, evidence)
        found.drop([origin.run for origin in origins])
        with found.engine.begin() as connection:
            for table in (EVIDENCE, *PARTS.values()):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0

    def test_only_experiments_that_may_be_read(self, found: DirectIndex, evidence: Evidence) -> None:
        found.put(made_up("a"), evidence)
        found.put(made_up("b", experiment="2"), evidence)
        assert [head.name for head in found.heads(Selection(experiments=("2",)))] == ["run b"]
        assert found.heads(Selection(experiments=())) == ()
        assert found.experiments() == {"1", "2"}
