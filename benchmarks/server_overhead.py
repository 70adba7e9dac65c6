"""What tracking on a server costs a run: the same run recorded there and not recorded at all, by turns.

    python -m benchmarks.server_overhead
    python -m benchmarks.server_overhead --task mass --times 1

Off means that evidence, figures and the model, packed and checked as ever, are written to a local folder, and
that no server is asked. On is ``shashlik run`` with the address of a server of its own on this machine,
which takes its share of the same cores. Printed are the ratios of wall time and of processor time of the run.
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
    """Takes what a run records, and writes its files to a local folder."""

    run_id = "none"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def record(self, *what: Any) -> None:
        """Write what would be sent."""
        from tracking.report import run_report

        run_report.write(self._folder, *what)

    def fetch_checkpoint(self, folder: Path) -> bool:
        """There is none."""
        return False

    def __getattr__(self, name: str) -> Any:
        return lambda *values, **named: None


def unrecorded(name: str, preset: str) -> None:
    """The run without tracking."""
    from shashlik.evaluation import run
    from shashlik.task import catalog
    from shashlik.task.settings import resolve
    from tracking.runs.packing import pack

    task = catalog.load(name)
    settings = resolve(task.settings, task.presets, {"preset": preset})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        # Nothing is frozen in a store that is not there, nor registered.
        run.identities = lambda task: None  # type: ignore[assignment]
        run.log_model = lambda *what, **named: pack(*what, folder / "packed")  # type: ignore[assignment]
        run.store.register = lambda *what: 0
        run.perform(task, settings, Unrecorded(folder), folder)  # type: ignore[arg-type]


def timed(command: list[str], environment: Mapping[str, str]) -> tuple[float, float]:
    """Wall and processor time of a process, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=dict(environment), capture_output=True, text=True)
    wall = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(task: str, preset: str, times: int) -> None:
    """By turns, then the ratios of medians."""
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
        found: dict[str, list[tuple[float, float]]] = {"off": [], "server": []}
        for number in range(times):
            for name, command in (("off", off), ("server", on))[:: 1 if number % 2 == 0 else -1]:
                found[name].append(timed(command, environment))
                wall, processor = found[name][-1]
                print(f"{name}: {wall:.1f} s, of processors {processor:.1f} s", flush=True)
    for place, what in enumerate(("wall time", "processor time of the client")):
        medians = {name: statistics.median(pair[place] for pair in pairs) for name, pairs in found.items()}
        print(f"{what}: {medians['server'] / medians['off']:.3f} of that without tracking")


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
