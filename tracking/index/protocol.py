"""Interface of the index of evidence, for direct and remote access."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from tracking.evidence.resolution import AnyEvidence
from tracking.index.records import Estimator, Head, Line, Origin, Ratio, Selection, Standing, Statistic

__all__ = ["Index"]


class Index(Protocol):
    """Index of the evidence of all runs: `DirectIndex` in a database, `RemoteIndex` behind a server.

    The tables are built from artifacts and can be rebuilt from them at any time. `DirectIndex` documents the
    methods; `tests/tracking/test_index.py` tests every implementation.
    """

    def put(self, origin: Origin, evidence: AnyEvidence) -> None: ...

    def assign(self, run: str, estimator: str, version: int) -> None: ...

    def drop(self, runs: Collection[str]) -> None: ...

    def runs(self) -> set[str]: ...

    def heads(self, selection: Selection) -> tuple[Head, ...]: ...

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
    ) -> tuple[Standing, ...]: ...

    def estimators(self, evidence: Collection[int]) -> tuple[Estimator, ...]: ...

    def lines(
        self, evidence: Collection[int], quantity: str | None = None, binning: str | None = None
    ) -> tuple[Line, ...]: ...

    def ratios(self, evidence: Collection[int]) -> tuple[Ratio, ...]: ...

    def statistics(self, evidence: Collection[int]) -> tuple[Statistic, ...]: ...
