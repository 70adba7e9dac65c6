"""What an address asks to compare, found and put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request

from registry.journal.state import State
from registry.server.pages import artifacts
from registry.server.pages.access import Reader
from registry.server.pages.compare.participants import Entrant, entrants
from registry.server.pages.compare.side_by_side import PAIRED, combine, paired
from registry.server.pages.rendering import Refused
from registry.server.stores import index, registry
from tracking.evidence.resolution import Evidence
from tracking.index.records import TEST
from tracking.runs.lifecycle import CannotRecord
from tracking.runs.reader import Found, look
from tracking.statistics.residuals import Residuals

__all__ = ["Compared", "Resolutions", "compared", "runs", "sample_asked", "state_of"]


@dataclass(frozen=True)
class Compared:
    """Who takes part, of whatever kind their evidence is."""

    entrants: tuple[Entrant, ...]

    @property
    def address(self) -> dict[str, Any]:
        """The query of an address that asks for exactly this, at any time."""
        sample = self.entrants[0].head.sample
        items = [one.reference for one in self.entrants]
        return {"item": items, "sample": "" if sample == TEST else sample}


@dataclass(frozen=True)
class Resolutions(Compared):
    """Resolutions as one evidence, and where its ratios come from by label."""

    evidence: Evidence
    ratios_from: Mapping[str, str]
    pairs: bool = False

    @property
    def address(self) -> dict[str, Any]:
        """The query of an address that asks for exactly this, at any time."""
        return {**super().address, "pairs": "yes" if self.pairs else ""}

    def residuals(self) -> dict[str, Residuals]:
        """Residuals by label, of those who kept them and have the first one's events."""
        return self._kept()[0]

    def troubles(self) -> list[str]:
        """Residuals that were kept and cannot be read, in words."""
        return self._kept()[1]

    def _kept(self) -> tuple[dict[str, Residuals], list[str]]:
        found, troubles = {}, []
        for one in self.entrants:
            if one.head.sample_sha256 == self.entrants[0].head.sample_sha256:
                try:
                    table = artifacts.residuals(one.head)
                except artifacts.Missing:
                    continue
                except artifacts.Unshown as error:
                    troubles.append(str(error))
                    continue
                if table.sha256 == one.head.sample_sha256 and one.estimator in table.residuals:
                    found[one.label] = table.residuals[one.estimator]
        return found, list(dict.fromkeys(troubles))

    def by_pairs(self) -> Resolutions:
        """The same with ratios of a paired bootstrap, which is made once and then remembered."""
        key = ("paired", *((one.label, one.estimator, one.head.sha256) for one in self.entrants))
        known = self.residuals()
        evidence = artifacts.remembered(key, lambda: paired(self.evidence, known))
        subject = self.evidence.subject in known
        ratios_from = {
            label: PAIRED if subject and label in known else how for label, how in self.ratios_from.items()
        }
        return Resolutions(self.entrants, evidence, ratios_from, True)


def sample_asked(request: Request) -> str:
    """Name of the sample that is asked for."""
    sample = request.query_params.get("sample") or TEST
    if len(sample) > 64 or not sample.isprintable():
        raise Refused(400, f"there is no sample {sample[:40]!r}: choose one of the page")
    return sample


def state_of(reads: Reader, task: str) -> State:
    """Champion and baselines, for who may know them."""
    return registry().state(task) if reads.journal(task) else State()


def compared(request: Request, reads: Reader, task: str) -> Compared | None:
    """Who is asked for; None if nobody is.

    Raises
    ------
    Refused
        If one is not there, or they cannot be compared.
    """
    selection = reads.selection(task, sample_asked(request))
    found = entrants(index(), selection, request.query_params.getlist("item"), state_of(reads, task))
    kinds = sorted({one.evidence.kind for one in found})
    if len(kinds) > 1:
        raise Refused(400, f"evidence of kinds {' and '.join(kinds)} cannot be compared")
    if kinds != ["resolution"]:
        return Compared(found) if found else None
    evidence, ratios_from = combine([one.contestant for one in found])
    if not evidence.quantities:
        raise Refused(400, f"{', '.join(evidence.estimators)} have no quantity in common: compare others")
    made = Resolutions(found, evidence, ratios_from)
    return made.by_pairs() if request.query_params.get("pairs") == "yes" else made


def runs(found: tuple[Entrant, ...]) -> dict[str, Found]:
    """Their runs, of those that are there."""
    known = {}
    for run_id in {one.head.run for one in found}:
        try:
            known[run_id] = look(run_id)
        except CannotRecord:
            continue
    return known
