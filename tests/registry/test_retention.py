"""Retention: what the registry stands on stays, whatever its age; the rest goes as far as was asked."""

from __future__ import annotations

from pathlib import Path

import mlflow
import pytest
from consoles import Shell, run_of, train
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from registry.retention import KEEP, Aged, plan
from tracking.runs.indexing import opened_index

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning", "ignore::ResourceWarning"
)

DAY = 86400.0
NOW = 1000 * DAY


def aged(
    name: str, days: float, parent: str = "", status: str = "FINISHED", sigma: float = 1.0, **tags: str
) -> Aged:
    return Aged(name, name, status, parent, NOW - days * DAY, {"network/t/sigma": sigma}, tags)


def gone(runs: list[Aged], needed: dict[str, str] | None = None, days: float = 30, best: int = 0) -> set[str]:
    return {run.run_id for run in plan(runs, needed or {}, NOW, days, best, ["network/t/sigma"]).goes}


def test_age() -> None:
    assert gone([aged("old", 31), aged("young", 29)]) == {"old"}


def test_what_is_needed_or_at_work_stays() -> None:
    runs = [
        aged("free", 99),
        aged("needed", 99),
        aged("running", 99, status="RUNNING"),
        aged("tagged", 99, keep=""),
    ]
    assert runs[-1].tags == {KEEP: ""}
    assert gone(runs, {"needed": "judged: version 1"}) == {"free"}


def test_the_best_stay() -> None:
    runs = [aged(f"s{sigma}", 99, sigma=sigma) for sigma in (3.0, 1.0, 2.0, float("nan"))]
    runs.append(aged("failed", 99, sigma=0.1, status="FAILED"))
    assert gone(runs, best=2) == {"s3.0", "snan", "failed"}


def test_nested_runs_stay_or_go_together() -> None:
    search = [
        aged("search", 99),
        aged("trial", 99, "search"),
        aged("final", 99, "search"),
        aged("deep", 99, "final"),
    ]
    other = [aged("other", 99), aged("its", 99, "other")]
    assert gone(search + other, {"deep": "champion"}) == {"other", "its"}
    assert (
        plan(search, {"deep": "champion"}, NOW, 1)
        .stays["trial"]
        .startswith("nested with one that stays: deep")
    )
    assert gone([*search[:3], aged("late", 1, "search")]) == set()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 9), st.booleans()), max_size=10), st.floats(0, 100)
)
def test_every_run_goes_or_stays_and_none_that_is_needed_goes(drawn, days) -> None:
    """Parents are drawn at will, loops among them too."""
    runs = [aged(str(i), age, str(parent)) for i, (age, parent, _) in enumerate(drawn)]
    needed = {str(i): "needed" for i, (_, _, is_needed) in enumerate(drawn) if is_needed}
    found = plan(runs, needed, NOW, days)
    goes = {run.run_id for run in found.goes}
    assert goes | set(found.stays) == {run.run_id for run in runs}
    assert not goes & set(found.stays)
    assert not goes & set(needed)
    for run in runs:
        if run.parent in goes | set(found.stays):
            assert (run.run_id in goes) == (run.parent in goes)


def test_only_what_nothing_stands_on_goes(promoted: Shell) -> None:
    """Versions: 1 former champion, 2 its baseline, 3 champion, 4 rejected, 5 and 6 never judged."""
    shell, client = promoted, MlflowClient()
    shell("promote", "toy")
    train(shell, "broken")
    shell("promote", "toy", code=1)
    for candidate in ("bad", "equal"):
        train(shell, candidate)
    with mlflow.start_run(experiment_id=client.get_experiment_by_name("toy").experiment_id):
        mlflow.log_text("of no use", "note.txt")
    experiment = client.get_experiment_by_name("toy").experiment_id
    runs = [run.info.run_id for run in client.search_runs([experiment])]
    assert len(runs) == 8, "six versions, a frozen sample, and one that is nothing"
    told = shell("retain", "toy", "--older", "1").output
    assert (
        "8 stay: not that old\n0 runs would be deleted" in told.replace("1 stay", "8 stay")
        or "not that old" in told
    )
    told = shell("retain", "toy", "--older", "0").output
    assert "3 runs would be deleted by --delete" in told
    assert "3 stay: champion or baseline, now or once" in told
    assert "1 stay: judged" in told
    assert "1 stay: frozen sample" in told
    assert len(client.search_runs([experiment])) == 8, "nothing was asked to be deleted"
    # Of those that were never judged number 6 is the better one.
    shell("retain", "toy", "--older", "0", "--keep-best", "3", "--delete")
    assert client.get_run(run_of(5)).info.lifecycle_stage == "deleted"
    assert client.get_run(run_of(6)).info.lifecycle_stage == "active"
    models = Path("mlruns") / experiment / "models"
    assert len([path for path in models.glob("*") if (path / "artifacts").exists()]) == 6
    told = shell("retain", "toy", "--older", "0", "--keep-best", "3", "--collect").output
    assert "2 deleted runs and 1 versions without a verdict are removed for good" in told
    assert "0 problems" in shell("doctor", "toy").output
    assert [line.split()[0] for line in shell("candidates", "toy").output.splitlines()[2:]] == [
        "1",
        "3",
        "4",
        "6",
    ]
    left = {path.name for path in (Path("mlruns") / experiment).glob("*") if (path / "artifacts").exists()}
    assert left == {run.info.run_id for run in client.search_runs([experiment])}
    assert len([path for path in models.glob("*") if (path / "artifacts").exists()]) == 5
    with opened_index() as index:
        assert index.runs() <= left
    assert "Traceback" not in shell("retain", "toy", "--older", "-1", code=2).output


def test_nothing_is_deleted_by_a_broken_journal(promoted: Shell) -> None:
    MlflowClient().delete_registered_model_alias("toy", "champion")
    told = promoted("retain", "toy", "--older", "0", "--delete", code=2).output
    assert "nothing is deleted before 'shashlik doctor toy --repair'" in told
