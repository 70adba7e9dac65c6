"""Benchmark pages of the server over many runs, relative to mlflow's time for the same rows.

    python -m benchmarks.pages --runs 10000
    python -m benchmarks.pages postgresql+psycopg://user@host/empty --runs 10000

A new database, by default SQLite in a temporary folder, is filled as by `benchmarks.server` and served by
``shashlik server``. The benchmark requests a page of the leaderboard (50 rows, in HTML) and the comparison of
three runs. For reference, mlflow's client requests the best 50 runs by the same width from the same server.
Medians and their ratio are printed.
"""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from benchmarks.server import ESTIMATORS, QUANTITIES, TASK, filled, median, run_id
from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Evidence, Facts
from tracking.index.tables import EVIDENCE
from tracking.statistics.residuals import Binning, Quantity, Residuals


def evidence(seed: int) -> Evidence:
    """Build evidence that matches the rows of the index."""
    rng = np.random.default_rng(seed)
    energy = {"energy": rng.uniform(1, 20, (2000, 1))}
    residuals = {
        name: Residuals({quantity: rng.normal(0, 0.04, (2000, 1)) for quantity in QUANTITIES}, energy)
        for name in ESTIMATORS
    }
    return build(
        residuals,
        [Quantity(name, "cm", name) for name in QUANTITIES],
        [Binning("energy", "GeV", "energy", tuple(float(edge) for edge in range(1, 21)))],
        facts=Facts(TASK, "cd" * 32, "made up", 2000, 1, seed),
        seed=1,
        replicas=20,
        bin_replicas=5,
    )


@contextmanager
def served(folder: Path, database: str) -> Iterator[str]:
    """Serve a database, with artifacts in a folder, and yield the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["MLFLOW_BACKEND_STORE_URI"] = database
    command = [str(Path(sys.executable).with_name("shashlik")), "server", "--port", str(port)]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/ready", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(1)
        yield address
    finally:
        process.terminate()
        process.wait(60)


def main(database: str, runs: int, times: int) -> None:
    """Fill the database, serve it, request pages and print the times."""
    import mlflow

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        database = database or f"sqlite:///{folder}/mlflow.db"
        engine = sa.create_engine(database)
        filled(engine, runs)
        three = [run_id(run) for run in (0, runs // 2, runs - 1)]
        for seed, run in enumerate(three):
            place = folder / "mlartifacts" / run / "test.json"
            place.parent.mkdir(parents=True)
            document = evidence(seed)
            place.write_text(document.to_json())
            with engine.begin() as connection:
                own_row = (EVIDENCE.c.run == run) & (EVIDENCE.c.sample == "test")
                connection.execute(sa.update(EVIDENCE).where(own_row).values(sha256=document.sha256))
        with served(folder, database) as address:
            mlflow.set_tracking_uri(address)

            def page(path: str) -> int:
                with urllib.request.urlopen(f"{address}/shashlik/{path}", timeout=300) as response:
                    return len(response.read())

            def theirs() -> None:
                mlflow.search_runs(
                    experiment_names=[TASK], order_by=["metrics.`network/x/sigma` ASC"], max_results=50
                )

            assert page(f"leaderboard/{TASK}") > 30_000
            other = median(theirs, max(times // 3, 3))
            print(f"{runs} runs; mlflow.search_runs of the best 50 through the same server: {other:.3f} s")
            print("| page | s | page / mlflow |\n|---|---:|---:|")
            items = "&".join(f"item={run}" for run in three)
            for words, path in (
                ("leaderboard, first page", f"leaderboard/{TASK}"),
                ("leaderboard, page 100, all estimators", f"leaderboard/{TASK}?who=all&page=100"),
                ("leaderboard on the frozen sample", f"leaderboard/{TASK}?sample=frozen+1"),
                ("leaderboard by another width, worst first", f"leaderboard/{TASK}?sort=y/q68&order=desc"),
                ("comparison of three runs", f"compare/{TASK}?{items}"),
                ("all tasks", ""),
            ):
                seconds = median(lambda path=path: page(path), times)  # type: ignore[misc]
                print(f"| {words} | {seconds:.3f} | {seconds / other:.3f} |", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("database", nargs="?", default="")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=15)
    arguments = parser.parse_args()
    main(arguments.database, arguments.runs, arguments.times)
