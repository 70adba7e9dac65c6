"""Searches in mlflow: list the runs that are searches, and find their experiments."""

from __future__ import annotations

from mlflow.tracking import MlflowClient

from registry.server.pages.rendering import moment
from tracking.report.links import address
from tracking.report.numbers import MISSING
from tracking.report.table import ERROR, Cell, Column, Table, measured

__all__ = ["experiment_of", "searches"]

MOST = 200


def experiment_of(run_id: str) -> str:
    """Return the id of the experiment of a run."""
    return str(MlflowClient().get_run(run_id).info.experiment_id)


def searches(task: str, experiments: tuple[str, ...] | None) -> Table:
    """Tabulate the searches of a task, the newest first."""
    client = MlflowClient()
    existing = [experiment.experiment_id for experiment in client.search_experiments()]
    readable = [identifier for identifier in existing if experiments is None or identifier in experiments]
    runs = (
        client.search_runs(
            readable,
            f"tags.task = '{task}' and params.`cfg.search.trials` != ''",
            max_results=MOST,
            order_by=["attributes.start_time DESC"],
        )
        if readable
        else []
    )
    rows = []
    for run in runs:
        metrics, params = run.data.metrics, run.data.params
        best = metrics.get("best/objective", float("nan")), metrics.get("best/objective_err", float("nan"))
        rows.append(
            (
                Cell(run.info.run_name or run.info.run_id[:8], href=address("search", task, run.info.run_id)),
                Cell(run.info.status, mark="badge"),
                Cell(params.get("cfg.search.algorithm", MISSING)),
                Cell(params.get("cfg.search.trials", "")),
                Cell(f"{metrics['trials/finished']:.0f}" if "trials/finished" in metrics else MISSING),
                measured(*best),
                Cell(run.data.tags.get("mlflow.user", MISSING)),
                Cell(moment(run.info.start_time)),
            )
        )
    columns = (
        Column("search"),
        Column("status"),
        Column("algorithm"),
        Column("trials"),
        Column("finished"),
        Column("best objective", parts=ERROR),
        Column("user"),
        Column("made", "UTC"),
    )
    return Table(f"Searches of {task}", columns, tuple(rows))
