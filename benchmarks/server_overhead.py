"""Benchmark the cost of tracking on a server: the same run, alternately with and without a record.

    python -m benchmarks.server_overhead
    python -m benchmarks.server_overhead --task mass --times 1

Off means that evidence, figures and the model, packed and checked as usual, are written to a local folder
without a server. On is ``shashlik run`` with the address of a dedicated server on this machine, which uses
the same cores. The ratios of wall time and of processor time of the run are printed.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))


class Unrecorded:
    """Recorder that writes the files of a run to a local folder."""

    run_id = "none"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, *what: Any) -> None:
        """Write the files that would be sent."""
        from tracking.report import run_report

        run_report.write(self._folder, *what)

    def fetch_checkpoint(self, folder: Path) -> bool:
        """Report that there is no checkpoint."""
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **named: None


def unrecorded(name: str, preset: str) -> None:
    """Run without tracking."""
    from shashlik.evaluation import run
    from shashlik.task import catalog
    from shashlik.task.settings import resolve
    from tracking.runs.packing import pack

    task = catalog.load(name)
    settings = resolve(task.settings, task.presets, {"preset": preset})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # Without a store there is no frozen sample and no registration.
        run.identities = lambda task: None  # type: ignore[assignment]
        run.log_model = lambda *what, **named: pack(*what, folder / "packed")  # type: ignore[assignment]
        run.store.register = lambda *what: 0
        run.perform(task, settings, Unrecorded(folder), folder)  # type: ignore[arg-type]


def timed(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Measure wall and processor time of a process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    process = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode:
        raise SystemExit(process.stderr[-2000:])
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(task: str, preset: str, times: int) -> None:
    """Run both alternately, and print the ratios of the medians."""
    from servers import shashlik_server

    with tempfile.TemporaryDirectory() as folder, shashlik_server(Path(folder)) as (address, _):
        environment = os.environ | {
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MLFLOW_TRACKING_URI": address,
        }
        off = [
            sys.executable,
            "-m",
            "benchmarks.server_overhead",
            "--off",
            "--task",
            task,
            "--preset",
            preset,
        ]
        on = [sys.executable, "-m", "shashlik", "run", task, "--preset", preset]
        times_by_mode: dict[str, list[tuple[float, float]]] = {"off": [], "server": []}
        for number in range(times):
            for name, command in (("off", off), ("server", on))[:: 1 if number % 2 == 0 else -1]:
                times_by_mode[name].append(timed(command, environment))
                wall, processor = times_by_mode[name][-1]
                print(f"{name}: {wall:.1f} s, of processors {processor:.1f} s", flush=True)
    for index, label in enumerate(("wall time", "processor time of the client")):
        medians = {
            name: statistics.median(pair[index] for pair in pairs) for name, pairs in times_by_mode.items()
        }
        print(f"{label}: {medians['server'] / medians['off']:.3f} of that without tracking")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="ecal_stage4")
    parser.add_argument("--preset", default="smoke")
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--off", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.off:
        unrecorded(given.task, given.preset)
    else:
        main(given.task, given.preset, given.times)
