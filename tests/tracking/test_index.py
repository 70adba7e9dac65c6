"""The index of evidence: what goes in comes out, in the right order, whatever it is kept in."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from projects.__main__ import main
from tracking.database import opened
from tracking.evidence import Evidence
from tracking.index.direct import DirectIndex
from tracking.index.protocol import Index
from tracking.index.records import TEST, Head, Origin, Selection, frozen
from tracking.index.tables import EVIDENCE, PARTS
from tracking.indexing import opened_index
from tracking.recorder import recording

RUNS = tuple(letter * 32 for letter in "abc")


def origin(run: str, **changed: object) -> Origin:
    plain = Origin(run, "1", f"run {run[0]}", TEST, "evidence/evidence.json", 1000, "ada", "c0ffee")
    return replace(plain, **changed)


def scaled(evidence: Evidence, factor: float) -> Evidence:
    """The same evidence with other core widths."""
    rows = tuple(
        replace(row, result=replace(row.result, sigma=factor * row.result.sigma)) for row in evidence.rows
    )
    return replace(evidence, rows=rows)


@pytest.fixture
def found(tmp_path: Path) -> Iterator[Index]:
    with opened(f"sqlite:///{tmp_path / 'index.db'}") as engine:
        yield DirectIndex(engine)


def same(first: object, second: object) -> bool:
    """Equal, where NaN is equal to itself."""
    return first == second or (first != first and second != second)


def test_what_goes_in_comes_out(found: Index, evidence: Evidence) -> None:
    found.put(origin(RUNS[0], versions={"network": 7}), evidence)
    (head,) = found.heads(Selection())
    facts = evidence.facts
    assert asdict(head) == {
        "id": head.id, "run": RUNS[0], "experiment": "1", "name": "run a", "sample": TEST,
        "artifact": "evidence/evidence.json", "time": 1000, "user": "ada", "commit": "c0ffee",
        "task": facts.task, "kind": "resolution", "subject": evidence.subject, "sha256": evidence.sha256,
        "sample_sha256": facts.sha256, "source": facts.source, "events": facts.events,
        "objects": facts.objects, "seed": facts.seed,
    }  # fmt: skip
    entered = found.estimators([head.id])
    assert [entry.estimator for entry in entered] == list(evidence.estimators)
    assert {entry.version for entry in entered if entry.estimator == "network"} == {7}
    lines = {(i.estimator, i.quantity, i.binning, i.low): i for i in found.lines([head.id])}
    assert len(lines) == len(evidence.rows)
    for row in evidence.rows:
        line = lines[row.estimator, row.quantity, row.binning, row.low]
        for name in ("n", "mu", "mu_err", "sigma", "sigma_err", "q68", "q68_err", "rms", "tail", "tail_err"):
            assert same(getattr(line, name), getattr(row.result, name))
    for count in evidence.counts:
        line = next(
            i for i in lines.values()
            if (i.estimator, i.binning, i.low) == (count.estimator, count.binning, count.low)
        )  # fmt: skip
        assert (line.efficiency, line.efficiency_low, line.efficiency_high) == (
            count.efficiency.value, count.efficiency.low, count.efficiency.high,
        )  # fmt: skip
        assert line.failures == count.failures.value
    overall = [c for c in evidence.comparisons if not c.binning]
    ratios = {(r.reference, r.quantity, r.statistic): r for r in found.ratios([head.id])}
    assert len(ratios) == len(overall)
    for c in overall:
        r = ratios[c.reference, c.quantity, c.statistic]
        assert same(r.ratio, c.ratio)
        assert same(r.ratio_high, c.ratio_high)
        assert (r.subject, r.level) == (c.subject, c.level)
    others = {(s.estimator, s.quantity, s.statistic): s.value for s in found.statistics([head.id])}
    assert others == {
        ("network", "", "ns_per_event"): 12_000.0, ("fit", "", "ns_per_event"): 80_000.0,
        ("", "pi0", "mass"): 0.1349,
    }  # fmt: skip


def test_bins_are_counted_in_their_order(found: Index, evidence: Evidence) -> None:
    found.put(origin(RUNS[0]), evidence)
    (head,) = found.heads(Selection())
    for binning in evidence.binnings:
        lines = found.lines([head.id], evidence.quantities[0].name, binning.name)
        mine = [line for line in lines if line.estimator == "network"]
        assert [line.low for line in mine] == list(binning.edges[:-1])
        assert [line.bin for line in mine] == list(range(1, len(binning.edges)))
    assert {line.binning for line in found.lines([head.id], binning="")} == {""}


def test_leaderboard_is_ordered(found: Index, evidence: Evidence) -> None:
    for run, factor in zip(RUNS, (2.0, 0.5, math.nan), strict=True):
        found.put(origin(run), scaled(evidence, factor))
    quantity = evidence.quantities[0].name
    best = found.leaderboard(Selection(task="toy"), quantity, "sigma", subjects=True)
    assert [standing.head.run for standing in best] == [RUNS[1], RUNS[0], RUNS[2]], "NaN comes last"
    assert best[0].value == 0.5 * evidence.row("network", quantity).sigma
    assert best[0].err == evidence.row("network", quantity).sigma_err
    assert math.isnan(best[0].low)
    assert math.isnan(best[2].value)
    worst = found.leaderboard(Selection(task="toy"), quantity, "sigma", subjects=True, descending=True)
    assert [standing.head.run for standing in worst] == [RUNS[0], RUNS[1], RUNS[2]]
    everyone = found.leaderboard(Selection(), quantity, "sigma")
    assert len(everyone) == 3 * len(evidence.estimators)
    paged = [
        standing
        for offset in range(0, len(everyone), 2)
        for standing in found.leaderboard(Selection(), quantity, "sigma", limit=2, offset=offset)
    ]
    assert [(s.head.run, s.estimator) for s in paged] == [(s.head.run, s.estimator) for s in everyone]
    shares = found.leaderboard(Selection(), quantity, "failures", subjects=True)
    assert shares[0].low <= shares[0].value <= shares[0].high
    speed = found.leaderboard(Selection(), "", "ns_per_event", subjects=True)
    assert {standing.value for standing in speed} == {12_000.0}
    assert found.leaderboard(Selection(), "banana", "sigma") == ()
    assert found.leaderboard(Selection(), quantity, "banana'; DROP TABLE shashlik_evidence --") == ()


def test_a_version_stands_once_from_where_it_is_the_subject(found: Index, evidence: Evidence) -> None:
    quantity = evidence.quantities[0].name
    on = {"sample": frozen(1), "artifact": "judged/frozen-1/evidence.json"}
    fits = {"fit": 1, "fit-tuned": 2}
    found.put(origin(RUNS[0], time=1, versions={"network": 3, **fits}, **on), scaled(evidence, 1.0))
    # The same network is somebody else's rival later; what counts is where it was looked at itself.
    later = replace(scaled(evidence, 3.0), subject="fit")
    found.put(origin(RUNS[1], time=2, versions={"network": 3, "fit": 4}, **on), later)
    found.put(origin(RUNS[2]), scaled(evidence, 0.1))
    places = found.leaderboard(Selection(sample=frozen(1)), quantity, "sigma", once=True)
    assert sorted(place.version for place in places if place.version) == [1, 2, 3, 4]
    (own,) = (place for place in places if place.version == 3)
    assert own.head.run == RUNS[0]
    assert own.value == evidence.row("network", quantity).sigma


@pytest.mark.parametrize(
    ("selection", "wanted"),
    [
        (Selection(task="toy"), "abc"),
        (Selection(task="to"), ""),
        (Selection(sample=frozen(1)), "c"),
        (Selection(user="bob"), "b"),
        (Selection(since=1000), "abc"),
        (Selection(since=1001), "b"),
        (Selection(until=2000), "ac"),
        (Selection(runs=(RUNS[0], RUNS[2])), "ac"),
        (Selection(kind="classification"), ""),
        (Selection(sample_sha256="0123456789abcdef" * 4), "abc"),
        (Selection(experiments=("2",)), "c"),
        (Selection(experiments=()), ""),
        (Selection(user="' OR 1=1 --"), ""),
    ],
)
def test_only_what_is_asked_for(found: Index, evidence: Evidence, selection: Selection, wanted: str) -> None:
    found.put(origin(RUNS[0]), evidence)
    found.put(origin(RUNS[1], user="bob", time=2000), evidence)
    found.put(origin(RUNS[2], experiment="2", sample=frozen(1)), evidence)
    assert sorted(head.run[0] for head in found.heads(selection)) == list(wanted)


def test_an_artifact_is_indexed_once(found: Index, evidence: Evidence) -> None:
    found.put(origin(RUNS[0], versions={"network": 1}), evidence)
    found.put(origin(RUNS[0]), scaled(evidence, 2.0))
    (head,) = found.heads(Selection())
    assert len(found.lines([head.id])) == len(evidence.rows)
    found.put(origin(RUNS[0], artifact="judged/frozen-1/evidence.json", sample=frozen(1)), evidence)
    assert len(found.heads(Selection())) == 2


def test_a_version_is_assigned_later(found: Index, evidence: Evidence) -> None:
    for run in RUNS[:2]:
        found.put(origin(run), evidence)
    found.assign(RUNS[1], "network", 9)
    by_run = {head.run: head.id for head in found.heads(Selection())}
    versions = {
        run: {entry.estimator: entry.version for entry in found.estimators([number])}
        for run, number in by_run.items()
    }
    assert versions[RUNS[1]]["network"] == 9
    assert set(versions[RUNS[0]].values()) == {None}


def test_dropped_runs_leave_nothing(tmp_path: Path, evidence: Evidence) -> None:
    with opened(f"sqlite:///{tmp_path / 'index.db'}") as engine:
        found = DirectIndex(engine)
        for run in RUNS:
            found.put(origin(run), evidence)
        found.drop(RUNS)
        with engine.begin() as connection:
            for table in (EVIDENCE, *PARTS.values()):
                assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 0


def heads() -> tuple[Head, ...]:
    with opened_index() as found:
        return found.heads(Selection())


def test_a_recorded_run_is_in_the_index(store: str, evidence: Evidence) -> None:
    with recording("toy", seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    (head,) = heads()
    run = MlflowClient().get_run(recorder.run_id)
    assert (head.run, head.experiment, head.name) == (
        recorder.run_id, run.info.experiment_id, run.info.run_name,
    )  # fmt: skip
    assert head.sha256 == evidence.sha256
    assert head.user == run.data.tags["mlflow.user"]
    with opened_index() as found:
        MlflowClient().set_tag(recorder.run_id, "colour", "red")
        assert len(found.heads(Selection(tags={"colour": "red"}))) == 1
        assert len(found.heads(Selection(tags={"colour": "blue"}))) == 0
        MlflowClient().delete_run(recorder.run_id)
        assert found.heads(Selection()) == (), "a deleted run is not on the leaderboard"
        MlflowClient().restore_run(recorder.run_id)
        assert found.heads(Selection()) == (head,)


def test_rebuilt_from_artifacts(store: str, evidence: Evidence) -> None:
    with recording("toy", seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    before = [replace(head, id=0) for head in heads()]
    with opened_index() as found:
        found.drop([recorder.run_id])
        found.put(origin(RUNS[0]), evidence)
    done = CliRunner().invoke(main, ["index", "--rebuild"])
    assert done.exit_code == 0, done.output
    assert "1 evidences indexed" in done.output
    assert [replace(head, id=0) for head in heads()] == before


def test_a_record_without_an_index_is_complete(
    store: str, evidence: Evidence, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHASHLIK_DATABASE", "sqlite:////nowhere/at/all.db")
    with recording("toy", seed=1, settings={}) as recorder:
        recorder.record(evidence, {})
    assert MlflowClient().get_run(recorder.run_id).info.status == "FINISHED"
    (line,) = capfd.readouterr().err.strip().splitlines()
    assert line.startswith(f"shashlik: evidence of run {recorder.run_id} is recorded, but the index")
    assert "shashlik index --rebuild" in line
