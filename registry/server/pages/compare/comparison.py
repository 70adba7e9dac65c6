"""Resolve the participants named by an address, and combine their evidence."""

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
    """Participants of a comparison, with evidence of any kind."""

    entrants: tuple[Entrant, ...]

    @property
    def address(self) -> dict[str, Any]:
        """Query parameters that reproduce exactly this comparison at any time."""
        sample = self.entrants[0].head.sample
        references = [entrant.reference for entrant in self.entrants]
        return {"item": references, "sample": "" if sample == TEST else sample}


@dataclass(frozen=True)
class Resolutions(Compared):
    """Resolutions of all participants as one evidence, with the origin of its ratios by label."""

    evidence: Evidence
    ratios_from: Mapping[str, str]
    pairs: bool = False

    @property
    def address(self) -> dict[str, Any]:
        """Query parameters that reproduce exactly this comparison at any time."""
        return {**super().address, "pairs": "yes" if self.pairs else ""}

    def residuals(self) -> dict[str, Residuals]:
        """Return residuals by label, of participants that stored them for the first one's events."""
        return self._load_residuals()[0]

    def troubles(self) -> list[str]:
        """List the stored residuals that cannot be read, in words."""
        return self._load_residuals()[1]

    def _load_residuals(self) -> tuple[dict[str, Residuals], list[str]]:
        residuals, troubles = {}, []
        for entrant in self.entrants:
            if entrant.head.sample_sha256 == self.entrants[0].head.sample_sha256:
                try:
                    table = artifacts.residuals(entrant.head)
                except artifacts.Missing:
                    continue
                except artifacts.Unshown as error:
                    troubles.append(str(error))
                    continue
                if table.sha256 == entrant.head.sample_sha256 and entrant.estimator in table.residuals:
                    residuals[entrant.label] = table.residuals[entrant.estimator]
        return residuals, list(dict.fromkeys(troubles))

    def by_pairs(self) -> Resolutions:
        """Return the comparison with ratios of a paired bootstrap, from the cache if possible."""
        key = (
            "paired",
            *((entrant.label, entrant.estimator, entrant.head.sha256) for entrant in self.entrants),
        )
        residuals = self.residuals()
        evidence = artifacts.remembered(key, lambda: paired(self.evidence, residuals))
        subject = self.evidence.subject in residuals
        ratios_from = {
            label: PAIRED if subject and label in residuals else method
            for label, method in self.ratios_from.items()
        }
        return Resolutions(self.entrants, evidence, ratios_from, True)


def sample_asked(request: Request) -> str:
    """Read the name of the sample from the query of a request."""
    sample = request.query_params.get("sample") or TEST
    if len(sample) > 64 or not sample.isprintable():
        raise Refused(400, f"there is no sample {sample[:40]!r}: choose one of the page")
    return sample


def state_of(reads: Reader, task: str) -> State:
    """Return champion and baselines, if the reader may see them."""
    return registry().state(task) if reads.journal(task) else State()


def compared(request: Request, reads: Reader, task: str) -> Compared | None:
    """Build the comparison that a request describes; None if it names no participants.

    Raises
    ------
    Refused
        If a participant does not exist, or they cannot be compared.
    """
    selection = reads.selection(task, sample_asked(request))
    participants = entrants(index(), selection, request.query_params.getlist("item"), state_of(reads, task))
    kinds = sorted({entrant.evidence.kind for entrant in participants})
    if len(kinds) > 1:
        raise Refused(400, f"evidence of kinds {' and '.join(kinds)} cannot be compared")
    if kinds != ["resolution"]:
        return Compared(participants) if participants else None
    evidence, ratios_from = combine([entrant.contestant for entrant in participants])
    if not evidence.quantities:
        raise Refused(400, f"{', '.join(evidence.estimators)} have no quantity in common: compare others")
    comparison = Resolutions(participants, evidence, ratios_from)
    return comparison.by_pairs() if request.query_params.get("pairs") == "yes" else comparison


def runs(found: tuple[Entrant, ...]) -> dict[str, Found]:
    """Return the existing runs of the participants."""
    existing = {}
    for run_id in {entrant.head.run for entrant in found}:
        try:
            existing[run_id] = look(run_id)
        except CannotRecord:
            continue
    return existing
