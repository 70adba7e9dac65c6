"""Resolve names of an address (``v7``, ``champion``, a run, an estimator of a run) to participants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from registry.journal.state import State
from registry.server.pages import artifacts, index_queries
from registry.server.pages.compare.side_by_side import Contestant
from registry.server.pages.query import sample_words
from registry.server.pages.rendering import Refused
from tracking.evidence.resolution import AnyEvidence, Evidence
from tracking.index.direct import DirectIndex
from tracking.index.records import TEST, Head, Selection

__all__ = ["MOST", "Entrant", "entrants"]

#: Largest number of participants that a figure can distinguish.
MOST = 12
_VERSION = re.compile(r"@?v?(\d{1,9})")
_RUN = re.compile(r"([0-9a-f]{32})(?::(.{1,200}))?")


@dataclass(frozen=True)
class Entrant:
    """A participant of a comparison, with the source of its numbers.

    Parameters
    ----------
    label : str
        Its name in tables and figures.
    reference : str
        Its permanent name in an address.
    estimator : str
        Its name in the evidence.
    evidence : AnyEvidence
    head : Head
        The evidence in the index.
    version : int or None
        Version number, if it is registered.
    role : str
        ``champion``, ``baseline-...`` or empty.
    """

    label: str
    reference: str
    estimator: str
    evidence: AnyEvidence
    head: Head
    version: int | None
    role: str

    @property
    def contestant(self) -> Contestant:
        """The participant in the form that `combine` accepts."""
        assert isinstance(self.evidence, Evidence)
        everywhere = self.version is not None and self.estimator.startswith(f"v{self.version}-")
        return Contestant(
            self.label, self.reference, self.estimator, self.evidence, self.head.run, everywhere
        )


def entrants(
    index: DirectIndex, selection: Selection, references: Sequence[str], state: State
) -> tuple[Entrant, ...]:
    """Resolve all references, each once, in their order.

    Raises
    ------
    Refused
        If one does not exist, or there are too many.
    """
    names = list(dict.fromkeys(text.strip() for text in references if text.strip()))
    if len(names) > MOST:
        raise Refused(400, f"{len(names)} are named; at most {MOST} can be compared at a time")
    participants: dict[str, Entrant] = {}
    for text in names:
        entrant = _entrant(index, selection, text, state)
        participants.setdefault(entrant.reference, entrant)
    return tuple(_relabel(list(participants.values())))


def _entrant(index: DirectIndex, selection: Selection, text: str, state: State) -> Entrant:
    place = sample_words(selection.sample)
    if run := _RUN.fullmatch(text):
        heads = index_queries.newest(index, replace(selection, runs=(run[1],)))
        if not heads:
            raise Refused(404, f"run {run[1]} has no evidence of {selection.task} on {place}")
        head, name = heads[0], run[2] or heads[0].subject
        reference = run[1] if name == head.subject else f"{run[1]}:{name}"
        return _build_entrant(head, name, reference, f"{name} {head.run[:7]}", None, "")
    roles = {"champion": state.champion, "previous": state.previous}
    roles |= {f"baseline-{name}": number for name, number in state.baselines.items()}
    plain = text.removeprefix("@")
    number = _VERSION.fullmatch(text)
    if number is None and plain not in roles:
        choices = ", ".join(["champion", *(f"baseline-{name}" for name in state.baselines)])
        raise Refused(
            404,
            f"there is no {text[:60]!r} of {selection.task}; give v7, {choices}, a run's id, or id:estimator",
        )
    version = int(number[1]) if number else roles[plain]
    if version is None:
        raise Refused(404, f"{selection.task} has no {plain} yet")
    record = index_queries.of_version(index, selection, version)
    if record is None:
        hint = "" if selection.sample == TEST else f"; 'shashlik promote {selection.task}' judges it there"
        raise Refused(404, f"version {version} of {selection.task} has no evidence on {place}{hint}")
    head, name = record
    role = next((role for role, holder in roles.items() if holder == version), "")
    label = role.removeprefix("baseline-") if role.startswith("baseline-") else f"v{version}"
    return _build_entrant(head, name, f"v{version}", label, version, role)


def _build_entrant(
    head: Head, name: str, reference: str, label: str, version: int | None, role: str
) -> Entrant:
    try:
        evidence = artifacts.evidence(head)
    except artifacts.Unshown as error:
        raise Refused(error.status, f"the numbers of {label} cannot be shown: {error}") from error
    if name not in evidence.estimators:
        raise Refused(404, f"run {head.run} judged no {name[:60]!r}; it has {', '.join(evidence.estimators)}")
    return Entrant(label, reference, name, evidence, head, version, role)


def _relabel(participants: Sequence[Entrant]) -> Sequence[Entrant]:
    """Make labels unique; an estimator with a unique name keeps its name in the run."""
    names = [entrant.estimator if entrant.version is None else entrant.label for entrant in participants]
    labels = [
        name if names.count(name) == 1 else entrant.label
        for entrant, name in zip(participants, names, strict=True)
    ]
    return [
        replace(entrant, label=_unique_label(entrant, labels, label))
        for entrant, label in zip(participants, labels, strict=True)
    ]


def _unique_label(entrant: Entrant, labels: Sequence[str], label: str) -> str:
    return label if labels.count(label) == 1 else f"{label} {entrant.reference}"
