"""The leaderboard of a task: estimators and versions on one sample, best first, page by page.

One query of the index returns the order, three more the numbers of its rows. No artifact is read.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from scipy.special import ndtri

from registry.journal.state import State
from registry.server.pages.query import PAGE, Asked, sample_words
from registry.server.pages.rendering import moment
from tracking.evidence.resolution import LIMIT, AnyEvidence, Evidence
from tracking.index.protocol import Index
from tracking.index.records import TEST, Line, Ratio, Selection, Standing, Statistic
from tracking.report.links import address, run_page
from tracking.report.numbers import MISSING, plain
from tracking.report.table import ERROR, LIMITS, Cell, Column, Table, between, measured, number, share

__all__ = ["Board", "Scope", "board"]

Z95 = float(ndtri(0.975))
#: Largest number of columns for statistics of evidence other than resolutions; averages come first.
MOST = 10


@dataclass(frozen=True)
class Scope:
    """Quantities that can be ranked, with units, or names of other statistics.

    Parameters
    ----------
    quantities : mapping of str to str
        Unit by name, the primary one first; empty for evidence without quantities.
    statistics : tuple of str
        ``<quantity>/<statistic>`` of evidence of other kinds than resolution.
    """

    quantities: Mapping[str, str]
    statistics: tuple[str, ...] = ()

    @staticmethod
    def of(evidence: AnyEvidence, statistics: Sequence[Statistic]) -> Scope:
        """Determine the scope from one evidence, and from its other statistics in the index."""
        if isinstance(evidence, Evidence):
            return Scope({q.name: q.unit for q in evidence.quantities})
        return Scope({}, Scope.names(statistics))

    @staticmethod
    def names(statistics: Sequence[Statistic]) -> tuple[str, ...]:
        """List the names of statistics of single estimators."""
        columns = dict.fromkeys(
            f"{row.quantity}/{row.statistic}".lstrip("/") for row in statistics if row.estimator
        )
        order = sorted(columns, key=lambda name: ("/" in name, not name.startswith("auc")))
        return tuple(order[:MOST])


@dataclass(frozen=True)
class Board:
    """One page of a leaderboard: its table, the name of each row in addresses, and whether more follow."""

    table: Table
    references: tuple[str, ...]
    champion: tuple[bool, ...]
    more: bool
    contents: int


def board(index: Index, selection: Selection, ask: Asked, scope: Scope, state: State) -> Board:
    """Build one page of a leaderboard."""
    quantity, statistic = _sorted_by(ask, scope)
    # On a frozen sample each registered version has one row; on test events each run has its own.
    once = ask.sample != TEST
    places = index.leaderboard(
        selection,
        quantity,
        statistic,
        descending=ask.order == "desc",
        once=once,
        subjects=not once and ask.who != "all",
        limit=PAGE + 1,
        offset=ask.offset,
    )
    standings = places[:PAGE]
    ids = {place.head.id for place in standings}
    roles = _roles(state)
    build = _Resolutions(index, ids, ask, scope) if scope.quantities else _Statistics(index, ids, scope)
    rows = [(*_who(place, roles), *build.cells(place), *_when(place)) for place in standings]
    columns = (
        Column("estimator"),
        Column("run"),
        Column("is"),
        *build.columns,
        Column("user"),
        Column("made", "UTC"),
        Column("data"),
    )
    table = Table(f"{selection.task} on {sample_words(ask.sample)}", columns, tuple(rows))
    return Board(
        table,
        tuple(_reference(place) for place in standings),
        tuple(place.version is not None and place.version == state.champion for place in standings),
        len(places) > PAGE,
        len({place.head.sample_sha256 for place in standings}),
    )


def _sorted_by(ask: Asked, scope: Scope) -> tuple[str, str]:
    if ask.sort:
        quantity, _, statistic = ask.sort.rpartition("/")
        return quantity, statistic
    if scope.quantities:
        return ask.quantity or next(iter(scope.quantities)), "sigma"
    return tuple(scope.statistics[0].rpartition("/")[::2]) if scope.statistics else ("", "")  # type: ignore[return-value]


def _roles(state: State) -> dict[int, str]:
    roles = {number: name for name, number in state.baselines.items()}
    return {number: f"baseline-{name}" for number, name in roles.items()} | (
        {state.champion: "champion"} if state.champion is not None else {}
    )


def _reference(place: Standing) -> str:
    """Return the name of a row in addresses."""
    if place.version is not None:
        return f"v{place.version}"
    if place.estimator == place.head.subject:
        return place.head.run
    return f"{place.head.run}:{place.estimator}"


def _who(place: Standing, roles: Mapping[int, str]) -> tuple[Cell, ...]:
    head = place.head
    name = place.estimator
    if place.version is not None:
        # On a frozen sample, evidence already uses names like "v7-network".
        text = name if name.startswith(f"v{place.version}-") else f"v{place.version}-{name}"
        estimator = Cell(text, href=address("model", head.task, place.version))
    else:
        estimator = Cell(name)
    # The run of a rival is that of the subject, so it is not shown.
    subject = head.sample == TEST or name == head.subject
    run = (
        Cell(head.name or head.run[:8], href=run_page(head.experiment, head.run))
        if subject
        else Cell(MISSING)
    )
    return estimator, run, Cell(roles.get(place.version or -1, ""), mark="badge")


def _when(place: Standing) -> tuple[Cell, ...]:
    head = place.head
    return Cell(head.user or MISSING), Cell(moment(head.time)), Cell(head.sample_sha256[:8])


class _Resolutions:
    """Cells of evidence of resolutions: one quantity in full, the widths of the others."""

    def __init__(self, index: Index, ids: Collection[int], ask: Asked, scope: Scope) -> None:
        self._quantity = ask.quantity or next(iter(scope.quantities))
        self._others = [name for name in scope.quantities if name != self._quantity]
        self._lines: dict[tuple[int, str, str], Line] = {
            (line.evidence, line.estimator, line.quantity): line for line in index.lines(ids, binning="")
        }
        self._ratios: dict[tuple[int, str, str], Ratio] = {
            (ratio.evidence, ratio.subject, ratio.reference): ratio
            for ratio in index.ratios(ids)
            if ratio.quantity == self._quantity and ratio.statistic == "sigma"
        }
        self._speeds = {
            (speed.evidence, speed.estimator): speed.value
            for speed in index.statistics(ids)
            if speed.statistic == "ns_per_event"
        }
        q, unit = self._quantity, scope.quantities[self._quantity]
        self.columns = (
            Column(f"σ {q}", unit, ERROR, f"{q}/sigma", "width of the Gaussian core"),
            Column("σ / best baseline", parts=LIMITS, meaning="best of the same sample, 95 % interval"),
            Column(f"q68 {q}", unit, ERROR, f"{q}/q68", "half of the central 68.3 %"),
            Column(f"μ {q}", unit, ERROR, f"{q}/mu", "centre of the Gaussian core"),
            *(Column(f"σ {name}", scope.quantities[name], ERROR, f"{name}/sigma") for name in self._others),
            Column("failures", parts=LIMITS, sort=f"{q}/failures"),
            Column("found", parts=LIMITS, sort=f"{q}/efficiency", meaning="objects with an answer"),
            Column("time", "µs/event", ("",), "ns_per_event"),
        )

    def cells(self, place: Standing) -> tuple[Cell, ...]:
        """Return the cells of one row."""
        line = self._lines.get((place.head.id, place.estimator, self._quantity))
        if line is None:
            return tuple(Cell(MISSING) for _ in self.columns)
        return (
            measured(line.sigma, line.sigma_err),
            self._ratio(place, line),
            measured(line.q68, line.q68_err),
            measured(line.mu, line.mu_err),
            *(self._width(place, name) for name in self._others),
            share(line.failures, line.failures_low, line.failures_high),
            share(line.efficiency, line.efficiency_low, line.efficiency_high),
            self._speed(place),
        )

    def _width(self, place: Standing, quantity: str) -> Cell:
        line = self._lines.get((place.head.id, place.estimator, quantity))
        return Cell(MISSING) if line is None else measured(line.sigma, line.sigma_err)

    def _speed(self, place: Standing) -> Cell:
        return number(self._speeds.get((place.head.id, place.estimator), math.nan) / 1000)

    def _ratio(self, place: Standing, estimate: Line) -> Cell:
        """Return the ratio to the best rival other than the subject and the information limit."""
        rivals = [
            line
            for (evidence, name, quantity), line in self._lines.items()
            if (evidence, quantity) == (place.head.id, self._quantity)
            and line.sigma > 0
            and name not in (place.head.subject, LIMIT)
        ]
        best = min(rivals, key=lambda line: line.sigma, default=None)
        if best is None or not estimate.sigma > 0:
            return Cell(MISSING)
        if best.estimator == place.estimator:
            return Cell("best baseline", (1.0, 1.0, 1.0))
        if interval := self._ratios.get((place.head.id, place.estimator, best.estimator)):
            return _mark(between(interval.ratio, interval.ratio_low, interval.ratio_high), "p")
        ratio = estimate.sigma / best.sigma
        half = Z95 * ratio * math.hypot(estimate.sigma_err / estimate.sigma, best.sigma_err / best.sigma)
        return _mark(between(ratio, ratio - half, ratio + half), "q")


def _mark(cell: Cell, source: str) -> Cell:
    """Mark a ratio green if its interval lies below 1, red if above."""
    _, low, high = cell.values
    mark = "good" if high < 1 else "bad" if low > 1 else ""
    return Cell(f"{cell.text} {source}", cell.values, mark=mark)


class _Statistics:
    """Cells of evidence of other kinds: its statistics by name."""

    def __init__(self, index: Index, ids: Collection[int], scope: Scope) -> None:
        self._names = scope.statistics
        self._found = {
            (
                statistic.evidence,
                statistic.estimator,
                f"{statistic.quantity}/{statistic.statistic}".lstrip("/"),
            ): statistic
            for statistic in index.statistics(ids)
        }
        self.columns = tuple(Column(name, parts=(*LIMITS, "_err"), sort=name) for name in self._names)

    def cells(self, place: Standing) -> tuple[Cell, ...]:
        """Return the cells of one row."""
        return tuple(
            _statistic(self._found.get((place.head.id, place.estimator, name))) for name in self._names
        )


def _statistic(statistic: Statistic | None) -> Cell:
    if statistic is None:
        return Cell(MISSING)
    values = (statistic.value, statistic.low, statistic.high, statistic.err)
    if math.isfinite(statistic.low) and math.isfinite(statistic.high):
        return Cell(between(statistic.value, statistic.low, statistic.high).text, values)
    text = (
        measured(statistic.value, statistic.err).text
        if math.isfinite(statistic.err)
        else plain(statistic.value)
    )
    return Cell(text, values)
