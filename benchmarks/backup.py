"""Benchmark backup, restore and migrate by rows, relative to copying the pages of a database.

``python benchmarks/backup.py --rows 300000`` uses a SQLite store with this number of metric values and no
artifacts. ``--postgres ADDRESS`` names an empty database: the migration into it, and a backup of it beside
``pg_dump``, are then timed too.
"""

from __future__ import annotations

import argparse
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

from sqlalchemy.engine import make_url

from shashlik.commands.storage import SCHEMAS, facts
from tracking.database import opened
from tracking.storage.backup import backup, state
from tracking.storage.databases import load, new
from tracking.storage.mlflow_schemas import TRACKING
from tracking.storage.restore import restore

RUN = 1000


def silent(_: str) -> None:
    """Discard a progress line."""


def filled(file: Path, rows: int) -> str:
    """Create a store with runs of a thousand values each."""
    address = f"sqlite:///{file}"
    with new(address) as connection:
        TRACKING.upgrade(connection)
    with opened(address), closing(sqlite3.connect(file)) as connection:
        connection.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location) VALUES (1, 'a', '/a/1')"
        )
        for number in range(-(-rows // RUN)):
            run = f"{number:032x}"
            connection.execute(
                "INSERT INTO runs (run_uuid, experiment_id, lifecycle_stage, status, artifact_uri) "
                "VALUES (?, 1, 'active', 'FINISHED', ?)",
                (run, f"/a/1/{run}/artifacts"),
            )
            connection.executemany(
                "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
                "VALUES (?, ?, ?, ?, ?, 0)",
                ((f"network/x/{i % 30}", i / 7, 1_700_000_000_000 + i, run, i) for i in range(RUN)),
            )
        connection.commit()
    return address


def timed(name: str, rows: int, work: Callable[[], object], relative: float | None = None) -> float:
    """Time a piece of work in seconds, and print a line about it."""
    begin = time.perf_counter()
    work()
    seconds = time.perf_counter() - begin
    ratio = f", {seconds / relative:6.1f} times the first" if relative else ""
    print(f"{name:28} {seconds:7.2f} s {rows / seconds / 1000:8.0f} k rows/s{ratio}", flush=True)
    return seconds


def pages(source: Path, target: Path) -> None:
    """Copy the pages with SQLite's own backup."""
    with closing(sqlite3.connect(source)) as original, closing(sqlite3.connect(target)) as copy:
        original.backup(copy)


def moved(source: str, target: str) -> None:
    """Migrate a store as ``shashlik migrate`` does."""
    with state(source, SCHEMAS) as now, new(target) as connection:
        load(connection, SCHEMAS, now.present, {name: partial(now.rows, name) for name in now.tables}, silent)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--postgres", default="")
    options = parser.parse_args()
    rows = options.rows
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        store = filled(folder / "mlflow.db", rows)
        baseline = timed("SQLite: pages", rows, lambda: pages(folder / "mlflow.db", folder / "copy.db"))
        archive = folder / "kept.tar"
        timed("SQLite: backup", rows, lambda: backup(archive, store, SCHEMAS, facts(), say=silent), baseline)
        target = f"sqlite:///{folder}/restored.db"
        timed(
            "SQLite: restore",
            rows,
            lambda: restore(archive, target, f"{folder}/a", SCHEMAS, say=silent),
            baseline,
        )
        if options.postgres:
            timed("SQLite to PostgreSQL", rows, lambda: moved(store, options.postgres), baseline)
            url = (
                make_url(options.postgres).set(drivername="postgresql").render_as_string(hide_password=False)
            )
            words = ["pg_dump", "--format=custom", f"--file={folder}/dump", url]
            baseline = timed("PostgreSQL: pg_dump", rows, lambda: subprocess.run(words, check=True))
            other = folder / "other.tar"
            work = partial(backup, other, options.postgres, SCHEMAS, facts(), say=silent)
            timed("PostgreSQL: backup", rows, work, baseline)


if __name__ == "__main__":
    main()
