"""Pages of the model of a task and of its versions."""

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
#: Entries of the journal per page.
ENTRIES = 100


def _readable(reads: Reader, task: str) -> tuple[Entry, ...]:
    """Return the journal of a task, if the reader may see it."""
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
    """Show the journal as a timeline, and all versions."""
    entries = _readable(reads, task)
    last = before if 0 < before <= len(entries) else len(entries)
    part = [shown.told(entry) for entry in entries[max(last - ENTRIES, 0) : last]][::-1]
    now, model_versions = state(entries), versions.listed(task)
    heads = index().heads(reads.selection(task, runs=tuple({v.run_id for v in model_versions})))
    experiments = {head.run: head.experiment for head in heads}
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
        versions=shown.versions_table(task, model_versions, _roles(now), experiments),
    )


def _version(reads: Reader, task: str, number: int) -> Version:
    _readable(reads, task)
    try:
        return versions.find(task, str(number))
    except CannotRecord:
        raise Refused(404, f"there is no version {number} of {task}: see the model's page") from None


def _verdict(model_version: Version, entries: tuple[Entry, ...], sha256: str) -> Verdict | None:
    """Return the requested verdict, or else the last one on this version."""
    hashes = [entry.verdict for entry in entries if entry.version == model_version.number and entry.verdict]
    if sha256 and sha256 not in hashes:
        raise Refused(404, f"the journal has no verdict {sha256[:12]!r} on version {model_version.number}")
    return artifacts.verdict(model_version.run_id, sha256 or hashes[-1]) if hashes else None


@router.get("/model/{task}/{number}")
def version(reads: Reads, task: str, number: int, verdict: str = "") -> HTMLResponse:
    """Show the card of a version."""
    model_version = _version(reads, task, number)
    entries = registry().journal.entries(task)
    now = state(entries)
    missing = f"It was not judged on frozen events yet: 'shashlik promote {task} --model {number}' does it."
    try:
        decision = _verdict(model_version, entries, verdict)
    except artifacts.Unshown as error:
        decision, missing = None, str(error)
    tags = dict(lineage.run_tags(model_version.run_id))
    heads = index().heads(reads.selection(task, runs=(model_version.run_id,)))
    roles = _roles(now)
    rivals = dict.fromkeys([number, *(n for n in (now.champion, *now.baselines.values()) if n is not None)])
    picture = ""
    if decision and any(claim.kind == "better" for claim in decision.claims):
        picture = address("model", task, number, "ratios.svg", verdict=decision.sha256)
    return page(
        "version",
        title=f"Version {number} of {task}",
        task=task,
        tab="model",
        version=model_version,
        roles=roles.get(number, []),
        rivals=[f"v{n}" for n in rivals],
        verdict=decision,
        missing=missing,
        claims=shown.claims(decision) if decision else Table("", (), ()),
        picture=picture,
        lineage=shown.lineage(
            model_version, heads[0].experiment if heads else "", tags, lineage.stage(model_version.run_id)
        ),
        facts=sorted((name, value) for name, value in model_version.tags.items() if name.endswith("sha256")),
        entries=[shown.told(entry) for entry in entries if number in (entry.version, entry.previous)],
        settings=shown.settings(lineage.run_settings(model_version.run_id)),
    )


@router.get("/model/{task}/{number}/ratios.{kind}")
def verdict_figure(reads: Reads, task: str, number: int, kind: str, verdict: str = "") -> Response:
    """Draw the ratios of a verdict with their intervals."""
    model_version = _version(reads, task, number)
    decision = _verdict(model_version, registry().journal.entries(task), verdict)
    if kind not in KINDS or decision is None:
        raise Refused(404, f"there is no such figure of version {number}")
    return download(drawn(lambda: ratios(decision), kind), KINDS[kind])
