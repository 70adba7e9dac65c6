"""Benchmark the server's index: leaderboard and comparison over many runs, relative to mlflow.search_runs.

    python -m benchmarks.server sqlite:////tmp/large.db
    python -m benchmarks.server postgresql+psycopg://user@host/empty --runs 10000

The database must be new. It is filled in bulk with runs of 30 metrics and evidence of 200 rows of resolutions
each, and with evidence on a frozen sample for every tenth. Index and mlflow then answer the same queries:
the best hundred runs by a core width, with its error, and three runs side by side. Medians and the ratio of
the two within this run are printed. Queries that only the index supports have no ratio.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

import numpy as np
import sqlalchemy as sa

ESTIMATORS = ("network", "coral", "lednev", "coral-tuned", "lednev-tuned")
QUANTITIES = ("x", "y")
BINS = 19
METRICS = ("sigma", "sigma_err", "mu")
TASK, COMMIT = "made_up", "c0ffee" * 6
#: Records in one statement.
CHUNK = 50_000


def filled(engine: sa.Engine, runs: int) -> None:
    """Fill the tables of mlflow and of the index with the same numbers."""
    from mlflow.tracking import MlflowClient

    from tracking.database import opened
    from tracking.index.records import Estimator, Line, Ratio
    from tracking.index.tables import EVIDENCE, PARTS

    address = engine.url.render_as_string(hide_password=False)
    experiment = MlflowClient(address).create_experiment(TASK)
    with opened(address):
        pass
    rng = np.random.default_rng(1)
    widths = 0.04 * np.exp(0.1 * rng.normal(size=(runs, len(ESTIMATORS), len(QUANTITIES), BINS + 1)))
    mlflow_tables = {
        name: sa.table(name, *map(sa.column, columns.split()))
        for name, columns in {
            "runs": "run_uuid name user_id status start_time end_time lifecycle_stage experiment_id "
            "artifact_uri source_type source_name entry_point_name source_version",
            "latest_metrics": "key value timestamp step is_nan run_uuid",
            "metrics": "key value timestamp step is_nan run_uuid",
            "tags": "key value run_uuid",
        }.items()
    }
    first = _Bulk(engine, mlflow_tables.pop("runs"))
    put = {name: _Bulk(engine, table, first) for name, table in mlflow_tables.items()}
    put["runs"] = first
    heads = _Bulk(engine, EVIDENCE)
    parts = {record: _Bulk(engine, table, heads) for record, table in PARTS.items()}
    number = 0
    for run in range(runs):
        name, began = run_id(run), 1_700_000_000_000 + run
        put["runs"].add(
            {
                "run_uuid": name,
                "name": f"run {run}",
                "user_id": "ada",
                "status": "FINISHED",
                "start_time": began,
                "end_time": began + 1,
                "lifecycle_stage": "active",
                "experiment_id": int(experiment),
                "artifact_uri": f"mlflow-artifacts:/{name}",
                "source_type": "LOCAL",
                "source_name": "",
                "entry_point_name": "",
                "source_version": "",
            }
        )
        for key, value in (("task", TASK), ("mlflow.user", "ada"), ("git.commit", COMMIT)):
            put["tags"].add({"key": key, "value": value, "run_uuid": name})
        for key, value in metrics(widths[run]):
            row = {
                "key": key,
                "value": value,
                "timestamp": began,
                "step": 0,
                "is_nan": False,
                "run_uuid": name,
            }
            put["metrics"].add(row)
            put["latest_metrics"].add(row)
        samples = ["test", *(["frozen 1"] if run % 10 == 0 else [])]
        for sample in samples:
            number += 1
            heads.add(
                {
                    "id": number,
                    "run": name,
                    "experiment": experiment,
                    "name": f"run {run}",
                    "sample": sample,
                    "artifact": f"{sample}.json",
                    "time": began,
                    "user": "ada",
                    "commit": COMMIT,
                    "task": TASK,
                    "kind": "resolution",
                    "subject": "network",
                    "sha256": "ab" * 32,
                    "sample_sha256": "cd" * 32,
                    "source": "made up",
                    "events": 20_000,
                    "objects": 2,
                    "seed": run,
                }
            )
            for place, estimator in enumerate(ESTIMATORS):
                version = place if place else run + 10
                parts[Estimator].add(
                    {
                        "evidence": number,
                        "estimator": estimator,
                        "position": place,
                        "version": version if sample != "test" or not place else None,
                    }
                )
            parts[Line].extend(lines(number, widths[run]))
            for quantity in QUANTITIES:
                for reference in ESTIMATORS[1:]:
                    parts[Ratio].add(
                        {
                            "evidence": number,
                            "subject": "network",
                            "reference": reference,
                            "quantity": quantity,
                            "statistic": "sigma",
                            "ratio": 0.95,
                            "ratio_low": 0.94,
                            "ratio_high": 0.96,
                            "level": 0.95,
                        }
                    )
    for bulk in (*put.values(), heads, *parts.values()):
        bulk.send()
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        # Both databases do this by themselves after some time.
        connection.execute(sa.text("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"))


class _Bulk:
    """Bulk insertion of rows into a table, after the rows that they refer to."""

    def __init__(self, engine: sa.Engine, table: Any, behind: _Bulk | None = None) -> None:
        self._engine, self._name, self._behind = engine, table.name, behind
        self._columns = [column.name for column in table.c]
        self._rows: list[tuple[Any, ...]] = []

    def add(self, row: dict[str, Any]) -> None:
        self.extend([tuple(row[name] for name in self._columns)])

    def extend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        self._rows.extend(rows)
        if len(self._rows) >= CHUNK:
            self.send()

    def send(self) -> None:
        if self._behind is not None:
            self._behind.send()
        columns = ", ".join(f'"{name}"' for name in self._columns)
        with self._engine.begin() as connection:
            raw = connection.connection.driver_connection
            if self._engine.dialect.name == "postgresql":
                with raw.cursor().copy(f"COPY {self._name} ({columns}) FROM STDIN") as copy:
                    for row in self._rows:
                        copy.write_row(row)
            else:
                marks = ", ".join("?" * len(self._columns))
                raw.executemany(f"INSERT INTO {self._name} ({columns}) VALUES ({marks})", self._rows)
        self._rows = []


def run_id(run: int) -> str:
    """Return the id of a run."""
    return UUID(int=(run + 1) * 0x9E3779B97F4A7C15).hex


def metrics(widths: np.ndarray) -> Iterator[tuple[str, float]]:
    """Yield thirty metrics of a run, the overall numbers."""
    for place, estimator in enumerate(ESTIMATORS):
        for other, quantity in enumerate(QUANTITIES):
            sigma = float(widths[place, other, 0])
            for name, value in zip(METRICS, (sigma, sigma / 140, 0.001), strict=True):
                yield f"{estimator}/{quantity}/{name}", value


def lines(number: int, widths: np.ndarray) -> Iterator[tuple[Any, ...]]:
    """Yield two hundred rows of an evidence, in the order of the columns."""
    for estimator, of_estimator in zip(ESTIMATORS, widths.tolist(), strict=True):
        for quantity, sigmas in zip(QUANTITIES, of_estimator, strict=True):
            for bin_, sigma in enumerate(sigmas):
                binning, err = "energy" if bin_ else "", sigma / 140
                yield (
                    number,
                    estimator,
                    quantity,
                    binning,
                    bin_,
                    float(bin_),
                    bin_ + 1.0,
                    20_000,
                    0.001,
                    1e-4,
                    sigma,
                    err,
                    sigma,
                    err,
                    sigma,
                    0.003,
                    1e-4,
                    0.99,
                    0.98,
                    1.0,
                    0.01,
                    0.009,
                    0.011,
                )


def median(what: Callable[[], Any], times: int) -> float:
    """Measure the median time in seconds, after a call that does not count."""
    what()
    taken = []
    for _ in range(times):
        begin = time.perf_counter()
        what()
        taken.append(time.perf_counter() - begin)
    return statistics.median(taken)


def main(address: str, runs: int, times: int) -> None:
    """Fill the database, run the queries and print the times."""
    import mlflow

    from tracking.database import connect
    from tracking.index.direct import DirectIndex
    from tracking.index.records import Selection

    engine = sa.create_engine(address)
    begin = time.perf_counter()
    filled(engine, runs)
    print(f"{runs} runs of 30 metrics and evidence of 200 rows in {time.perf_counter() - begin:.0f} s")
    mlflow.set_tracking_uri(address)
    index = DirectIndex(connect(address))
    on_test, on_frozen = Selection(task=TASK, sample="test"), Selection(task=TASK, sample="frozen 1")
    three = tuple(run_id(run) for run in (0, runs // 2, runs - 1))

    def ours() -> list[tuple[str, float]]:
        board = index.leaderboard(on_test, "x", "sigma", subjects=True)
        ids = [place.head.id for place in board]
        index.lines(ids, binning="")
        index.ratios(ids)
        return [(place.head.run, place.value) for place in board]

    def theirs() -> list[tuple[str, float]]:
        table = mlflow.search_runs(
            experiment_names=[TASK], order_by=["metrics.`network/x/sigma` ASC"], max_results=100
        )
        return list(zip(table["run_id"], table["metrics.network/x/sigma"], strict=True))

    def compared() -> Any:
        ids = [head.id for head in index.heads(Selection(task=TASK, sample="test", runs=three))]
        return index.lines(ids), index.ratios(ids), index.estimators(ids)

    def compared_by_mlflow() -> Any:
        ids = ", ".join(f"'{run}'" for run in three)
        return mlflow.search_runs(experiment_names=[TASK], filter_string=f"attributes.run_id IN ({ids})")

    assert ours() == theirs(), "both must have the same order and numbers"
    assert len(compared()[0]) == 600
    assert len(compared_by_mlflow()) == 3
    print("| | index (s) | mlflow.search_runs (s) | index / mlflow |\n|---|---:|---:|---:|")
    for name, mine, other in (
        ("leaderboard, best 100 of all runs", ours, theirs),
        ("compare 3 runs (index: in all bins too)", compared, compared_by_mlflow),
    ):
        pair = median(mine, times), median(other, max(times // 3, 3))
        print(f"| {name} | {pair[0]:.3f} | {pair[1]:.3f} | {pair[0] / pair[1]:.4f} |", flush=True)
    alone = {
        "leaderboard, page 50 of it": lambda: index.leaderboard(
            on_test, "x", "sigma", subjects=True, offset=runs // 2
        ),
        "leaderboard, all estimators of all runs": lambda: index.leaderboard(on_test, "x", "sigma"),
        "leaderboard of versions on the frozen sample": lambda: index.leaderboard(
            on_frozen, "x", "sigma", once=True
        ),
        "leaderboard of a user and a tag": lambda: index.leaderboard(
            Selection(task=TASK, sample="test", user="ada", tags={"git.commit": COMMIT}),
            "x",
            "sigma",
            subjects=True,
        ),
    }
    for name, what in alone.items():
        print(f"| {name} | {median(what, times):.3f} | – | – |", flush=True)
    engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=9)
    given = parser.parse_args()
    main(given.database, given.runs, given.times)
