"""What every `tracking.index.protocol.Index` must do; subclasses say where runs come from."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from uuid import uuid4

import pytest

from tracking.evidence.resolution import Comparison, Evidence
from tracking.index.protocol import Index
from tracking.index.records import TEST, Origin, Selection, frozen

__all__ = ["IndexSuite", "made_up"]

ON_FROZEN = {"sample": frozen(1), "artifact": "judged/frozen-1/gate.json"}

#: Makes the origin of evidence of a new run: its letter, and what is to be different.
Place = Callable[..., Origin]


def made_up(letter: str, **changed: object) -> Origin:
    """An origin as good as any, of a run that nobody made."""
    plain = Origin(uuid4().hex, "1", f"run {letter}", TEST, "evidence/evidence.json", 1000, "ada", "c0ffee")
    return replace(plain, **changed)


def scaled(evidence: Evidence, factor: float) -> Evidence:
    """The same evidence with other core widths."""
    rows = tuple(
        replace(row, result=replace(row.result, sigma=factor * row.result.sigma)) for row in evidence.rows
    )
    return replace(evidence, rows=rows)


def renamed(evidence: Evidence, names: dict[str, str]) -> Evidence:
    """The same evidence with other names of estimators."""

    def called(comparison: Comparison) -> Comparison:
        subject, reference = names[comparison.subject], names[comparison.reference]
        return replace(comparison, subject=subject, reference=reference)

    return replace(
        evidence,
        subject=names[evidence.subject],
        rows=tuple(replace(row, estimator=names[row.estimator]) for row in evidence.rows),
        counts=tuple(replace(count, estimator=names[count.estimator]) for count in evidence.counts),
        comparisons=tuple(called(comparison) for comparison in evidence.comparisons),
        ns_per_event={names[name]: time for name, time in evidence.ns_per_event.items()},
    )


def same(first: object, second: object) -> bool:
    """Equal, where NaN is equal to itself."""
    return first == second or (first != first and second != second)


class IndexSuite:
    """Fixtures of a subclass: `found`, an index, and `place`, see `Place`."""

    @pytest.fixture
    def task(self) -> str:
        return f"toy-{uuid4().hex[:8]}"

    @pytest.fixture
    def evidence(self, evidence: Evidence, task: str) -> Evidence:
        return replace(evidence, facts=replace(evidence.facts, task=task))

    def test_what_goes_in_comes_out(self, found: Index, place: Place, evidence: Evidence, task: str) -> None:
        origin = place("a", versions={"network": 7})
        found.put(origin, evidence)
        (head,) = found.heads(Selection(task=task))
        facts = evidence.facts
        own = {name: value for name, value in asdict(origin).items() if name != "versions"}
        assert asdict(head) == own | {
            "id": head.id,
            "task": task,
            "kind": "resolution",
            "subject": evidence.subject,
            "sha256": evidence.sha256,
            "sample_sha256": facts.sha256,
            "source": facts.source,
            "events": facts.events,
            "objects": facts.objects,
            "seed": facts.seed,
        }
        entered = found.estimators([head.id])
        assert [entry.estimator for entry in entered] == list(evidence.estimators)
        assert {entry.estimator: entry.version for entry in entered}["network"] == 7
        lines = {(i.estimator, i.quantity, i.binning, i.low): i for i in found.lines([head.id])}
        assert len(lines) == len(evidence.rows)
        for row in evidence.rows:
            line = lines[row.estimator, row.quantity, row.binning, row.low]
            for name in ("n", "mu", "mu_err", "sigma", "sigma_err", "q68", "q68_err", "rms", "tail"):
                assert same(getattr(line, name), getattr(row.result, name))
        for count in evidence.counts:
            key = (count.estimator, evidence.quantities[0].name, count.binning, count.low)
            efficiency, failures = count.efficiency, count.failures
            assert (lines[key].efficiency_low, lines[key].efficiency) == (efficiency.low, efficiency.value)
            assert (lines[key].failures, lines[key].failures_high) == (failures.value, failures.high)
        overall = [c for c in evidence.comparisons if not c.binning]
        ratios = {(r.reference, r.quantity, r.statistic): r for r in found.ratios([head.id])}
        assert len(ratios) == len(overall)
        for c in overall:
            ratio = ratios[c.reference, c.quantity, c.statistic]
            assert same(ratio.ratio, c.ratio)
            assert same(ratio.ratio_high, c.ratio_high)
            assert (ratio.subject, ratio.level) == (c.subject, c.level)
        others = {(s.estimator, s.quantity, s.statistic): s.value for s in found.statistics([head.id])}
        assert others == {
            ("network", "", "ns_per_event"): 12_000.0,
            ("fit", "", "ns_per_event"): 80_000.0,
            ("", "pi0", "mass"): 0.1349,
        }

    def test_bins_keep_their_order(self, found: Index, place: Place, evidence: Evidence, task: str) -> None:
        found.put(place("a"), evidence)
        (head,) = found.heads(Selection(task=task))
        for binning in evidence.binnings:
            lines = found.lines([head.id], evidence.quantities[0].name, binning.name)
            mine = [line for line in lines if line.estimator == "network"]
            assert [line.low for line in mine] == list(binning.edges[:-1])
            assert [line.bin for line in mine] == list(range(1, len(binning.edges)))
        assert {line.binning for line in found.lines([head.id], binning="")} == {""}

    def test_leaderboard_is_ordered(self, found: Index, place: Place, evidence: Evidence, task: str) -> None:
        runs = {}
        for letter, factor in zip("abc", (2.0, 0.5, math.nan), strict=True):
            origin = place(letter)
            runs[letter] = origin.run
            found.put(origin, scaled(evidence, factor))
        quantity, mine = evidence.quantities[0].name, Selection(task=task)

        def order(**how: bool) -> list[str]:
            return [
                place.head.run for place in found.leaderboard(mine, quantity, "sigma", subjects=True, **how)
            ]

        assert order() == [runs["b"], runs["a"], runs["c"]], "NaN comes last"
        assert order(descending=True) == [runs["a"], runs["b"], runs["c"]]
        best, *_, last = found.leaderboard(mine, quantity, "sigma", subjects=True)
        assert best.value == 0.5 * evidence.row("network", quantity).sigma
        assert best.err == evidence.row("network", quantity).sigma_err
        assert math.isnan(best.low)
        assert math.isnan(last.value)
        everyone = found.leaderboard(mine, quantity, "sigma")
        assert len(everyone) == 3 * len(evidence.estimators)
        paged = [
            standing
            for offset in range(0, len(everyone), 4)
            for standing in found.leaderboard(mine, quantity, "sigma", limit=4, offset=offset)
        ]
        assert [(s.head.run, s.estimator) for s in paged] == [(s.head.run, s.estimator) for s in everyone]
        shares = found.leaderboard(mine, quantity, "failures", subjects=True)
        assert shares[0].low <= shares[0].value <= shares[0].high
        assert {s.value for s in found.leaderboard(mine, "", "ns_per_event", subjects=True)} == {12_000.0}
        assert found.leaderboard(mine, "banana", "sigma") == ()
        assert found.leaderboard(mine, quantity, "x'; DROP TABLE shashlik_evidence --") == ()

    def test_a_version_stands_once_from_where_it_is_the_subject(
        self, found: Index, place: Place, evidence: Evidence, task: str
    ) -> None:
        quantity = evidence.quantities[0].name
        names = {"network": "v3-network", "fit": "v1-fit", "fit-tuned": "v2-fit-tuned"}
        versions = {name: int(name[1]) for name in names.values()}
        first = place("a", time=1, versions=versions, **ON_FROZEN)
        found.put(first, renamed(evidence, names))
        # The same network is somebody else's rival later; what counts is where it was looked at itself.
        names = {"network": "v3-network", "fit": "v4-fit", "fit-tuned": "v2-fit-tuned"}
        versions = {name: int(name[1]) for name in names.values()}
        later = replace(renamed(scaled(evidence, 3.0), names), subject="v4-fit")
        found.put(place("b", time=2, versions=versions, **ON_FROZEN), later)
        found.put(place("c"), scaled(evidence, 0.1))
        places = found.leaderboard(Selection(task=task, sample=frozen(1)), quantity, "sigma", once=True)
        assert sorted(place.version for place in places if place.version) == [1, 2, 3, 4]
        (own,) = (place for place in places if place.version == 3)
        assert own.head.run == first.run
        assert own.value == evidence.row("network", quantity).sigma

    @pytest.mark.parametrize(
        ("selection", "wanted"),
        [
            (Selection(), "abc"),
            (Selection(sample=frozen(1)), "c"),
            (Selection(user="bob"), "b"),
            (Selection(since=1000), "abc"),
            (Selection(since=1001), "b"),
            (Selection(until=2000), "ac"),
            (Selection(runs=("a", "c")), "ac"),
            (Selection(kind="classification"), ""),
            (Selection(sample_sha256="0123456789abcdef" * 4), "abc"),
            (Selection(user="' OR 1=1 --"), ""),
            (Selection(user="100%"), ""),
        ],
    )
    def test_only_what_is_asked_for(
        self, found: Index, place: Place, evidence: Evidence, task: str, selection: Selection, wanted: str
    ) -> None:
        origins = {"a": place("a"), "b": place("b", user="bob", time=2000), "c": place("c", **ON_FROZEN)}
        for origin in origins.values():
            found.put(origin, evidence)
        letters = {origin.run: letter for letter, origin in origins.items()}
        runs = tuple(origins[letter].run for letter in selection.runs)
        heads = found.heads(replace(selection, task=task, runs=runs))
        assert sorted(letters[head.run] for head in heads) == list(wanted)

    def test_an_artifact_is_indexed_once(
        self, found: Index, place: Place, evidence: Evidence, task: str
    ) -> None:
        origin = place("a", versions={"network": 1})
        found.put(origin, evidence)
        found.put(replace(origin, versions={}), scaled(evidence, 2.0))
        (head,) = found.heads(Selection(task=task))
        assert len(found.lines([head.id])) == len(evidence.rows)
        assert {entry.version for entry in found.estimators([head.id])} == {None}
        found.put(replace(origin, **ON_FROZEN), evidence)
        assert len(found.heads(Selection(task=task))) == 2
        assert origin.run in found.runs()
        found.drop([origin.run])
        assert found.heads(Selection(task=task)) == ()
        assert origin.run not in found.runs()

    def test_a_version_is_assigned_later(
        self, found: Index, place: Place, evidence: Evidence, task: str
    ) -> None:
        origins = [place(letter) for letter in "ab"]
        for origin in origins:
            found.put(origin, evidence)
        found.assign(origins[1].run, "network", 9)
        by_run = {head.run: head.id for head in found.heads(Selection(task=task))}
        first, second = (
            {entry.estimator: entry.version for entry in found.estimators([by_run[origin.run]])}
            for origin in origins
        )
        assert second["network"] == 9
        assert set(first.values()) == {None}
