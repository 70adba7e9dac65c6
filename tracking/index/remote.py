"""Index behind a server: every method is a request that the server answers with `DirectIndex`."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from tracking.evidence.resolution import AnyEvidence
from tracking.evidence.serialization import decode
from tracking.index.records import Estimator, Head, Line, Origin, Ratio, Selection, Standing, Statistic

__all__ = ["RemoteIndex", "asked"]

Record = TypeVar("Record")


@dataclass(frozen=True)
class RemoteIndex:
    """Index of a Shashlik server.

    Parameters
    ----------
    call : callable
        `tracking.runs.rest_client.call`.
    """

    call: Callable[..., Any]

    def put(self, origin: Origin, evidence: AnyEvidence) -> None:
        """See `DirectIndex.put`; the server looks up the facts of the run itself."""
        self.call(
            "PUT",
            "/evidence",
            body={
                "run": origin.run,
                "artifact": origin.artifact,
                "versions": dict(origin.versions),
                "evidence": json.loads(evidence.to_json()),
            },
        )

    def assign(self, run: str, estimator: str, version: int) -> None:
        """See `DirectIndex.assign`."""
        self.call("PUT", "/versions", body={"run": run, "estimator": estimator, "version": version})

    def drop(self, runs: Collection[str]) -> None:
        """See `DirectIndex.drop`."""
        if runs:
            self.call("POST", "/evidence/drop", body={"runs": sorted(runs)})

    def runs(self) -> set[str]:
        """See `DirectIndex.runs`; limited to readable runs."""
        return set(self.call("GET", "/runs"))

    def heads(self, selection: Selection) -> tuple[Head, ...]:
        """See `DirectIndex.heads`."""
        return self._many(Head, "/evidence", asked(selection))

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
        """See `DirectIndex.leaderboard`."""
        query = asked(selection)
        query += [("quantity", quantity), ("statistic", statistic), ("limit", limit), ("offset", offset)]
        flags = {"descending": descending, "subjects": subjects, "once": once}
        query += [(name, "true") for name, enabled in flags.items() if enabled]
        return self._many(Standing, "/leaderboard", query)

    def estimators(self, evidence: Collection[int]) -> tuple[Estimator, ...]:
        """See `DirectIndex.estimators`."""
        return self._many(Estimator, "/estimators", _evidence_query(evidence))

    def lines(
        self, evidence: Collection[int], quantity: str | None = None, binning: str | None = None
    ) -> tuple[Line, ...]:
        """See `DirectIndex.lines`."""
        filters = {"quantity": quantity, "binning": binning}
        more = [(name, value) for name, value in filters.items() if value is not None]
        return self._many(Line, "/lines", _evidence_query(evidence) + more)

    def ratios(self, evidence: Collection[int]) -> tuple[Ratio, ...]:
        """See `DirectIndex.ratios`."""
        return self._many(Ratio, "/ratios", _evidence_query(evidence))

    def statistics(self, evidence: Collection[int]) -> tuple[Statistic, ...]:
        """See `DirectIndex.statistics`."""
        return self._many(Statistic, "/statistics", _evidence_query(evidence))

    def _many(self, record: type[Record], path: str, query: list[tuple[str, Any]]) -> tuple[Record, ...]:
        return tuple(decode(record, plain) for plain in self.call("GET", path, query=query))


def asked(selection: Selection) -> list[tuple[str, Any]]:
    """Encode a selection as the query of a request; the server fills in `experiments`."""
    plain = [field.name for field in fields(selection) if field.name not in ("runs", "tags", "experiments")]
    query = [(name, getattr(selection, name)) for name in plain if getattr(selection, name)]
    query += [("run", run) for run in selection.runs]
    return query + [("tag", f"{name}={value}") for name, value in selection.tags.items()]


def _evidence_query(evidence: Collection[int]) -> list[tuple[str, Any]]:
    return [("evidence", number) for number in sorted(set(evidence))]
