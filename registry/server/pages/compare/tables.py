"""What the page that compares shows: warnings, tables and differences of those who take part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from registry.server.pages.compare.participants import Entrant
from registry.server.pages.compare.side_by_side import Pull, pulls
from registry.server.pages.rendering import moment
from tracking.evidence.resolution import Evidence
from tracking.report import rendering, resolution_tables
from tracking.report.document import Content
from tracking.report.links import address, run_page
from tracking.report.numbers import MISSING
from tracking.report.table import ERROR, Cell, Column, Table, measured
from tracking.runs.reader import Found

__all__ = ["alarms", "binned", "contents", "differences", "numbers", "pull_table", "warnings", "who"]

#: A pull beyond this is marked.
FAR = 3.0
#: Characters of a source of events that are shown.
SHOWN = 70


def alarms(found: Sequence[Entrant]) -> list[str]:
    """What makes the numbers incomparable: other events."""
    samples: dict[str, list[Entrant]] = {}
    for one in found:
        samples.setdefault(one.head.sample_sha256, []).append(one)
    if len(samples) < 2:
        return []
    return [
        "; ".join(
            f"{', '.join(one.label for one in some)}: {some[0].head.events} events of "
            f"{_brief(some[0].head.source)} (sha256 {sha256[:12]})"
            for sha256, some in samples.items()
        )
        + ". Choose a frozen sample, on which all are judged on the same events."
    ]


def _brief(text: str) -> str:
    """The beginning of what may be a long list of settings or files."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def warnings(found: Sequence[Entrant], runs: Mapping[str, Found]) -> Iterator[str]:
    """What else should be known before a conclusion is drawn."""
    commits = {one.label: one.head.commit for one in found if one.head.commit}
    if len(set(commits.values())) > 1:
        told = ", ".join(f"{label} {commit[:10]}" for label, commit in commits.items())
        yield f"They come from different commits of the code: {told}."
    dirty = [one.label for one in found if _tag(runs, one, "git.dirty") == "true"]
    if dirty:
        yield f"The code had changes that were not committed: {', '.join(dirty)}."
    unfinished = [
        one.label for one in found if one.head.run in runs and runs[one.head.run].status != "FINISHED"
    ]
    if unfinished:
        yield f"The run is not finished: {', '.join(unfinished)}."


def _tag(runs: Mapping[str, Found], one: Entrant, name: str) -> str:
    return runs[one.head.run].tags.get(name, "") if one.head.run in runs else ""


def who(task: str, found: Sequence[Entrant], sources: Mapping[str, str]) -> Table:
    """Who takes part, and how the first one's ratio to it was found."""
    rows = []
    for one in found:
        head, label = one.head, one.label
        href = address("model", task, one.version) if one.version is not None else ""
        rows.append(
            (
                Cell(label, href=href),
                Cell(one.role, mark="badge"),
                Cell(one.estimator),
                Cell(head.name or head.run[:8], href=run_page(head.experiment, head.run)),
                Cell(head.user or MISSING),
                Cell(moment(head.time)),
                Cell(sources.get(label, "")),
                Cell(str(head.events), (float(head.events),)),
                Cell(head.sample_sha256[:12]),
                Cell(head.commit[:10] or MISSING),
                Cell(_brief(head.source)),
            )
        )
    columns = (
        Column("name"),
        Column("is"),
        Column("estimator"),
        Column("run"),
        Column("user"),
        Column("made", "UTC"),
        Column("ratio from"),
        Column("events", parts=("",)),
        Column("data"),
        Column("commit"),
        Column("source"),
    )
    return Table("The first is compared with all others", columns, tuple(rows))


def pull_table(evidence: Evidence) -> Table:
    """Overall pulls of all others to the subject."""
    rows = [
        (Cell(pull.quantity), Cell(pull.label), _pulled(pull, pull.sigma), _pulled(pull, pull.mu))
        for pull in pulls(evidence)
        if not pull.binning
    ]
    columns = (
        Column("quantity"),
        Column("of"),
        Column("pull of σ", parts=("",)),
        Column("pull of μ", parts=("",)),
    )
    return Table(f"Pulls to {evidence.subject}", columns, tuple(rows))


def _pulled(pull: Pull, value: float) -> Cell:
    text = f"{value:+.2f}".replace("-", "−") if value == value else MISSING
    return Cell(text, (value,), mark="loud" if abs(value) > FAR else "")


def binned(evidence: Evidence) -> list[Table]:
    """Widths and failures bin by bin."""
    found = []
    for binning in evidence.binnings:
        found += [resolution_tables.binned(evidence, quantity, binning) for quantity in evidence.quantities]
        found.append(resolution_tables.binned_failures(evidence, binning))
    return found


def numbers(found: Sequence[Entrant]) -> Table:
    """Whatever has a value and an error in their evidence, of any kind, side by side."""
    each = []
    for one in found:
        prefix = f"{one.estimator}/"
        values = one.evidence.numbers().items()
        each.append({name.removeprefix(prefix): pair for name, pair in values if name.startswith(prefix)})
    names = dict.fromkeys(name for one in each for name in one)
    rows = tuple(
        (Cell(name), *(measured(*one[name]) if name in one else Cell(MISSING) for one in each))
        for name in names
    )
    columns = (Column("number"), *(Column(one.label, parts=ERROR) for one in found))
    return Table("Numbers side by side", columns, rows)


def contents(found: Sequence[Entrant]) -> list[tuple[str, Content]]:
    """All that each evidence tells, once, under the name of its run."""
    each = {one.head.id: one for one in found}
    return [
        (f"{one.head.name or one.head.run[:8]}: all of its evidence", rendering.content(one.evidence))
        for one in each.values()
    ]


def differences(found: Sequence[Entrant], runs: Mapping[str, Found]) -> Table:
    """Settings, data and code in which their runs differ."""
    facts: dict[str, dict[str, str]] = {}
    for one in found:
        run = runs.get(one.head.run)
        facts[one.label] = {
            "data sha256": one.head.sample_sha256[:12],
            "commit": one.head.commit[:10],
            "seed": str(one.head.seed),
            "source of events": one.head.source,
            **({f"cfg.{name}": value for name, value in run.settings.items()} if run else {}),
        }
    names = list(dict.fromkeys(name for values in facts.values() for name in values))
    rows = []
    for name in names:
        values = [each.get(name, MISSING) for each in facts.values()]
        if len(set(values)) > 1:
            loud = "loud" if name == "data sha256" else ""
            rows.append((Cell(name, mark=loud), *(Cell(value, mark=loud or "wrap") for value in values)))
    columns = (Column("what"), *(Column(label) for label in facts))
    return Table("What differs", columns, tuple(rows))
