"""Content of a model's pages: its journal as a timeline, and the card and lineage of each version."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.gate.verdict import Verdict
from registry.journal.state import Entry
from registry.models.versions import Version
from registry.server.pages.rendering import moment
from tracking.report.links import address, run_page
from tracking.report.numbers import MISSING
from tracking.report.table import LIMITS, Cell, Column, Table, between

__all__ = ["Told", "claims", "lineage", "settings", "told", "versions_table"]

_WHAT = {
    "promote": "promoted",
    "rollback": "rolled back to",
    "withdraw": "withdrawn",
    "baseline": "baseline",
    "freeze": "sample frozen",
    "import": "imported",
    "override": "overridden",
}
_DECIDED = {
    "PROMOTE": "judged: better",
    "REJECT": "rejected",
    "INCONCLUSIVE": "judged: inconclusive",
    "compare": "compared",
}
_HOLDS = {"shown": ("yes", "good"), "open": ("open", ""), "refuted": ("no", "bad")}


@dataclass(frozen=True)
class Told:
    """A readable entry of the journal.

    Parameters
    ----------
    what : str
        The event in a word or two.
    decision : str
        Decision of a look at the frozen sample; empty for other events.
    reasons : tuple of str
        Reasons and other details.
    """

    number: int
    time: str
    actor: str
    event: str
    version: int | None
    previous: int | None
    verdict: str
    what: str
    decision: str
    reasons: tuple[str, ...]


def told(entry: Entry) -> Told:
    """Describe an entry in words."""
    more = entry.more
    decision = str(more.get("decision", "")) if entry.event == "look" else ""
    words = (
        _DECIDED.get(decision, "looked at") if entry.event == "look" else _WHAT.get(entry.event, entry.event)
    )
    verdict = decision if decision in _DECIDED and decision != "compare" else ""
    return Told(
        entry.number,
        entry.time,
        entry.actor,
        entry.event,
        entry.version,
        entry.previous,
        entry.verdict,
        words,
        verdict,
        tuple(_reasons(entry, more)),
    )


def _reasons(entry: Entry, more: Mapping[str, Any]) -> Sequence[str]:
    match entry.event:
        case "freeze":
            return [f"sample {more['version']}: {more['events']} events of {more['source']}"]
        case "baseline":
            return [str(more["name"])]
        case "import":
            return [f"version {more['version']} of {more['store']}, bundle {more['manifest'][:12]}"]
        case "look" if more.get("decision") == "compare":
            return [f"versions {', '.join(map(str, more.get('versions', [])))}"]
        case "look" | "promote":
            return [str(reason) for reason in more.get("reasons", [])]
    return [str(more[name]) for name in ("why", "reason") if more.get(name)]


def versions_table(
    task: str, versions: Sequence[Version], roles: Mapping[int, Sequence[str]], experiments: Mapping[str, str]
) -> Table:
    """Tabulate versions with data, run, verdict and role, the newest first."""
    rows = []
    for version in sorted(versions, key=lambda version: -version.number):
        run = version.run_id
        link = run_page(experiments[run], run) if run in experiments else ""
        rows.append(
            (
                Cell(
                    f"version {version.number}",
                    (float(version.number),),
                    address("model", task, version.number),
                ),
                Cell(", ".join(roles.get(version.number, ())), mark="badge"),
                Cell(version.estimator or MISSING),
                Cell(version.tags.get("data.sha256", "")[:12] or MISSING),
                Cell(run[:12] or MISSING, href=link),
                Cell(version.tags.get("verdict", ""), mark="badge"),
                Cell(moment(1000 * version.created)),
            )
        )
    columns = (
        Column("version"),
        Column("is"),
        Column("estimator"),
        Column("data"),
        Column("run"),
        Column("verdict"),
        Column("made", "UTC"),
    )
    return Table("Versions: data → run → version", columns, tuple(rows))


def claims(verdict: Verdict) -> Table:
    """Tabulate all claims about a candidate, the decisive ones first."""
    order = {"refuted": 0, "open": 1, "shown": 2}
    rows = []
    for claim in sorted(verdict.claims, key=lambda claim: (claim.kind != "better", order[claim.status])):
        limits = [
            f"> {claim.least:g}" if math.isfinite(claim.least) else "",
            f"< {claim.most:g}" if math.isfinite(claim.most) else "",
        ]
        words, mark = _HOLDS[claim.status]
        rows.append(
            (
                Cell(f"{claim.kind}: {claim.what}"),
                Cell(claim.reference or MISSING),
                between(claim.value, claim.low, claim.high),
                Cell(", ".join(text for text in limits if text)),
                Cell(words, mark=mark),
            )
        )
    columns = (
        Column("claim"),
        Column("relative to"),
        Column("measured", parts=LIMITS),
        Column("wanted"),
        Column("holds"),
    )
    return Table("Claims", columns, tuple(rows))


def lineage(version: Version, experiment: str, tags: Mapping[str, str], stage: str) -> tuple[Cell, ...]:
    """Return data, code, run and version, in the order of their origin."""
    data = version.tags.get("data.sha256", tags.get("data.sha256", ""))
    commit, dirty = tags.get("git.commit", ""), tags.get("git.dirty") == "true"
    run = version.run_id
    steps = [
        Cell(f"data {data[:12]}" if data else "data unknown"),
        Cell(f"code {commit[:12]}{' with changes' if dirty else ''}" if commit else "code unknown"),
        Cell(
            f"run {run[:12]}",
            href=run_page(experiment, run) if experiment else "",
            mark="" if stage == "active" else stage,
        ),
    ]
    if trials := tags.get("search.trials"):
        parent = tags.get("mlflow.parentRunId", "")
        search = address("search", version.task, parent) if parent else ""
        steps.insert(2, Cell(f"search of {trials} trials", href=search))
    return (*steps, Cell(f"version {version.number}"))


def settings(values: Mapping[str, str]) -> Table:
    """Tabulate the settings of a run."""
    rows = tuple((Cell(name), Cell(text, mark="wrap")) for name, text in sorted(values.items()))
    return Table("Settings of its run", (Column("setting"), Column("value")), rows)
