"""The model of a task and its versions."""

from __future__ import annotations

from fastapi import Response
from fastapi.responses import HTMLResponse

from registry.gate.card import ratios
from registry.gate.verdict import Verdict
from registry.journal.aliases import aliases
from registry.journal.direct import verify
from registry.journal.state import Entry, State, state
from registry.models import lineage, versions
from registry.models.versions import Version
from registry.server.pages import artifacts
from registry.server.pages.access import Reader, Reads, samples_of
from registry.server.pages.compare.figures import KINDS, drawn
from registry.server.pages.model import timeline as shown
from registry.server.pages.page_route import pages
from registry.server.pages.query import task_named
from registry.server.pages.rendering import Refused, download, page
from registry.server.stores import index, registry
from tracking.report.links import address
from tracking.report.table import Table
from tracking.runs.lifecycle import CannotRecord

__all__ = ["model", "router", "verdict_figure", "version"]

router = pages()
#: Entries of the journal on a page.
ENTRIES = 100


def _readable(reads: Reader, task: str) -> tuple[Entry, ...]:
    """The journal of a task, for who may read it."""
    task_named(task)
    entries = registry().journal.entries(task) if reads.journal(task) else ()
    if not entries and not (reads.journal(task) and versions.listed(task)):
        samples_of(reads, task)
        if not reads.journal(task):
            raise Refused(403, f"{reads.who.name} has no permission READ on registered model {task!r}")
    return entries


def _roles(now: State) -> dict[int, list[str]]:
    names: dict[int, list[str]] = {}
    for name, number in aliases(now).items():
        if number is not None:
            names.setdefault(number, []).append(name)
    return names


@router.get("/model/{task}")
def model(reads: Reads, task: str, before: int = 0) -> HTMLResponse:
    """The journal as a timeline, and all versions."""
    entries = _readable(reads, task)
    last = before if 0 < before <= len(entries) else len(entries)
    part = [shown.told(entry) for entry in entries[max(last - ENTRIES, 0) : last]][::-1]
    now, found = state(entries), versions.listed(task)
    heads = index().heads(reads.selection(task, runs=tuple({v.run_id for v in found})))
    where = {head.run: head.experiment for head in heads}
    return page(
        "model",
        title=f"Model of {task}",
        task=task,
        tab="model",
        state=now,
        entries=part,
        total=len(entries),
        broken=verify(entries, versions.anchor(task)),
        older=address("model", task, before=last - ENTRIES) if last > ENTRIES else "",
        newer=address("model", task, before=last + ENTRIES) if last < len(entries) else "",
        versions=shown.versions_table(task, found, _roles(now), where),
    )


def _version(reads: Reader, task: str, number: int) -> Version:
    _readable(reads, task)
    try:
        return versions.find(task, str(number))
    except CannotRecord:
        raise Refused(404, f"there is no version {number} of {task}: see the model's page") from None


def _verdict(one: Version, entries: tuple[Entry, ...], wanted: str) -> Verdict | None:
    """The verdict that is asked for, else the last one on this version."""
    known = [entry.verdict for entry in entries if entry.version == one.number and entry.verdict]
    if wanted and wanted not in known:
        raise Refused(404, f"the journal has no verdict {wanted[:12]!r} on version {one.number}")
    return artifacts.verdict(one.run_id, wanted or known[-1]) if known else None


@router.get("/model/{task}/{number}")
def version(reads: Reads, task: str, number: int, verdict: str = "") -> HTMLResponse:
    """The card of a version."""
    one = _version(reads, task, number)
    entries = registry().journal.entries(task)
    now = state(entries)
    missing = f"It was not judged on frozen events yet: 'shashlik promote {task} --model {number}' does it."
    try:
        judged = _verdict(one, entries, verdict)
    except artifacts.Unshown as error:
        judged, missing = None, str(error)
    tags = dict(lineage.run_tags(one.run_id))
    heads = index().heads(reads.selection(task, runs=(one.run_id,)))
    roles = _roles(now)
    rivals = dict.fromkeys([number, *(n for n in (now.champion, *now.baselines.values()) if n is not None)])
    picture = ""
    if judged and any(claim.kind == "better" for claim in judged.claims):
        picture = address("model", task, number, "ratios.svg", verdict=judged.sha256)
    return page(
        "version",
        title=f"Version {number} of {task}",
        task=task,
        tab="model",
        version=one,
        roles=roles.get(number, []),
        rivals=[f"v{n}" for n in rivals],
        verdict=judged,
        missing=missing,
        claims=shown.claims(judged) if judged else Table("", (), ()),
        picture=picture,
        lineage=shown.lineage(one, heads[0].experiment if heads else "", tags, lineage.stage(one.run_id)),
        facts=sorted((name, value) for name, value in one.tags.items() if name.endswith("sha256")),
        entries=[shown.told(entry) for entry in entries if number in (entry.version, entry.previous)],
        settings=shown.settings(lineage.run_settings(one.run_id)),
    )


@router.get("/model/{task}/{number}/ratios.{kind}")
def verdict_figure(reads: Reads, task: str, number: int, kind: str, verdict: str = "") -> Response:
    """Ratios of a verdict with their intervals."""
    one = _version(reads, task, number)
    judged = _verdict(one, registry().journal.entries(task), verdict)
    if kind not in KINDS or judged is None:
        raise Refused(404, f"there is no such figure of version {number}")
    return download(drawn(lambda: ratios(judged), kind), KINDS[kind])
