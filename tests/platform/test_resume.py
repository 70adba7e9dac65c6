"""A run that is killed in the middle of its training continues, under its own id, to its usual end."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from programs import program, until

from shashlik.__main__ import main
from tracking.runs.reader import recall


@dataclass(frozen=True)
class Case:
    """A task that trains in stages, of which a later one is long enough to be killed in."""

    task: str
    words: tuple[str, ...]
    #: Names of the first and the last stage, and their epochs.
    first: str
    last: str
    epochs: tuple[int, int]
    estimators: frozenset[str]
    #: Files of the evidence, beside those that every run has.
    more: frozenset[str] = frozenset()


CASES = (
    Case(
        "mass",
        ("--network", "seed", "--train_events", "10000", "--test_events", "400", "--figures", "false"),
        "seed-0.03",
        "seed-0.001",
        (1, 12),
        frozenset({"closed-form", "closed-form-32", "network"}),
    ),
    Case(
        "ecal_stage4",
        (
            *("--train_events", "400", "--test_events", "400", "--network_events", "2000"),
            *("--epochs", "12", "--batch", "256", "--seed", "5"),
        ),
        "start",
        "correction",
        (12, 12),
        frozenset({"bound", "coral", "coral-tuned", "lednev", "lednev-tuned", "network"}),
        frozenset({"evidence/counting.md"}),
    ),
)


def runs(task: str) -> list[Run]:
    """Runs of a task, oldest first."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(task)
    if experiment is None:
        return []
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def steps(run_id: str, curve: str) -> list[int]:
    return sorted(point.step for point in MlflowClient().get_metric_history(run_id, curve))


def killed(case: Case, folder: Path) -> str:
    """Id of a run whose process was killed behind its first stage, after the checkpoint of that one."""
    with program("run", case.task, *case.words, cwd=folder) as process:
        until(lambda: "checkpoint" in runs(case.task)[0].data.tags, process)
        process.kill()
        process.communicate()
    run = runs(case.task)[0]
    assert run.info.status == "RUNNING", "nobody could say that it was killed"
    assert not MlflowClient().list_artifacts(run.info.run_id, "evidence")
    return run.info.run_id


@pytest.mark.parametrize(
    "case", [CASES[0], pytest.param(CASES[1], marks=pytest.mark.slow)], ids=lambda case: case.task
)
def test_killed_run_continues(
    case: Case, store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `mlflow run . -e TASK -P resume=ID` does it, which makes a run of its own first."""
    run_id = killed(case, tmp_path)
    client = MlflowClient()
    given = client.create_run(client.get_run(run_id).info.experiment_id).info.run_id
    before = client.get_run(run_id).data.params
    monkeypatch.setenv("MLFLOW_RUN_ID", given)
    done = CliRunner().invoke(main, ["run", case.task, "--resume", run_id])
    assert done.exit_code == 0, f"{done.output} {done.exception!r}"
    assert "continues from the checkpoint of the run" in done.output

    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert not {"failure", "process"} & set(run.data.tags)
    assert run.data.params == before, "the settings were not given again, and are the same"
    first, last = (list(range(1, epochs + 1)) for epochs in case.epochs)
    assert steps(run_id, f"training/{case.first}/loss") == first, "the first stage was not repeated"
    assert sorted(set(steps(run_id, f"training/{case.last}/loss"))) == last
    assert {item.path for item in client.list_artifacts(run_id, "evidence")} == case.more | {
        "evidence/evidence.json",
        "evidence/residuals.parquet",
        "evidence/tables.md",
        "evidence/predictions.parquet",
    }
    assert set(recall(run_id).estimators) == case.estimators
    (version,) = client.search_model_versions(f"name='{case.task}'")
    assert version.run_id == run_id

    pointer = client.get_run(given)
    assert pointer.info.status == "FINISHED"
    assert run_id in pointer.data.tags["mlflow.note.content"]
