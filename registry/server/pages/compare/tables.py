"""Content of the comparison page: warnings, tables and differences of the participants."""

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

#: Larger pulls are marked.
FAR = 3.0
#: Characters shown of a source of events.
SHOWN = 70


def alarms(found: Sequence[Entrant]) -> list[str]:
    """Warn if the participants have different events, which makes the numbers incomparable."""
    samples: dict[str, list[Entrant]] = {}
    for entrant in found:
        samples.setdefault(entrant.head.sample_sha256, []).append(entrant)
    if len(samples) < 2:
        return []
    return [
        "; ".join(
            f"{', '.join(entrant.label for entrant in group)}: {group[0].head.events} events of "
            f"{_brief(group[0].head.source)} (sha256 {sha256[:12]})"
            for sha256, group in samples.items()
        )
        + ". Choose a frozen sample, on which all are judged on the same events."
    ]


def _brief(text: str) -> str:
    """Shorten text that may be a long list of settings or files."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def warnings(found: Sequence[Entrant], runs: Mapping[str, Found]) -> Iterator[str]:
    """Yield differences to consider before a conclusion: commits, uncommitted code, unfinished runs."""
    commits = {entrant.label: entrant.head.commit for entrant in found if entrant.head.commit}
    if len(set(commits.values())) > 1:
        listing = ", ".join(f"{label} {commit[:10]}" for label, commit in commits.items())
        yield f"They come from different commits of the code: {listing}."
    dirty = [entrant.label for entrant in found if _tag(runs, entrant, "git.dirty") == "true"]
    if dirty:
        yield f"The code had changes that were not committed: {', '.join(dirty)}."
    unfinished = [
        entrant.label
        for entrant in found
        if entrant.head.run in runs and runs[entrant.head.run].status != "FINISHED"
    ]
    if unfinished:
        yield f"The run is not finished: {', '.join(unfinished)}."


def _tag(runs: Mapping[str, Found], entrant: Entrant, name: str) -> str:
    return runs[entrant.head.run].tags.get(name, "") if entrant.head.run in runs else ""


def who(task: str, found: Sequence[Entrant], sources: Mapping[str, str]) -> Table:
    """List the participants, with the origin of the first one's ratio to each."""
    rows = []
    for entrant in found:
        head, label = entrant.head, entrant.label
        href = address("model", task, entrant.version) if entrant.version is not None else ""
        rows.append(
            (
                Cell(label, href=href),
                Cell(entrant.role, mark="badge"),
                Cell(entrant.estimator),
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
    """Tabulate overall pulls of all others to the subject."""
    rows = [
        (Cell(pull.quantity), Cell(pull.label), _pull_cell(pull, pull.sigma), _pull_cell(pull, pull.mu))
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


def _pull_cell(pull: Pull, value: float) -> Cell:
    text = f"{value:+.2f}".replace("-", "−") if value == value else MISSING
    return Cell(text, (value,), mark="loud" if abs(value) > FAR else "")


def binned(evidence: Evidence) -> list[Table]:
    """Tabulate widths and failures bin by bin."""
    tables = []
    for binning in evidence.binnings:
        tables += [resolution_tables.binned(evidence, quantity, binning) for quantity in evidence.quantities]
        tables.append(resolution_tables.binned_failures(evidence, binning))
    return tables


def numbers(found: Sequence[Entrant]) -> Table:
    """Tabulate all numbers with errors in the evidence, of any kind, side by side."""
    each = []
    for entrant in found:
        prefix = f"{entrant.estimator}/"
        values = entrant.evidence.numbers().items()
        each.append({name.removeprefix(prefix): pair for name, pair in values if name.startswith(prefix)})
    names = dict.fromkeys(name for pairs in each for name in pairs)
    rows = tuple(
        (Cell(name), *(measured(*pairs[name]) if name in pairs else Cell(MISSING) for pairs in each))
        for name in names
    )
    columns = (Column("number"), *(Column(entrant.label, parts=ERROR) for entrant in found))
    return Table("Numbers side by side", columns, rows)


def contents(found: Sequence[Entrant]) -> list[tuple[str, Content]]:
    """Render the content of each evidence, once, under the name of its run."""
    by_evidence = {entrant.head.id: entrant for entrant in found}
    return [
        (
            f"{entrant.head.name or entrant.head.run[:8]}: all of its evidence",
            rendering.content(entrant.evidence),
        )
        for entrant in by_evidence.values()
    ]


def differences(found: Sequence[Entrant], runs: Mapping[str, Found]) -> Table:
    """Tabulate the settings, data and code in which the runs differ."""
    facts: dict[str, dict[str, str]] = {}
    for entrant in found:
        run = runs.get(entrant.head.run)
        facts[entrant.label] = {
            "data sha256": entrant.head.sample_sha256[:12],
            "commit": entrant.head.commit[:10],
            "seed": str(entrant.head.seed),
            "source of events": entrant.head.source,
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
