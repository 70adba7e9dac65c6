"""Benchmark searches: the gain of a second worker, and of proposals over random trials at the same budget.

    python -m benchmarks.search workers
    python -m benchmarks.search algorithms --seeds 3

The first command runs the same random search with one worker and with two, of one core each, and prints the
ratio of their times, including the start of the workers. The second runs every algorithm on the same task,
trials and random seeds. It prints the best validation objective of each, and that of the best configuration
after a training on all events, evaluated on other events.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev

ALGORITHMS = ("random", "bayesian", "hyperband")


def search(task: str, folder: Path, *words: str) -> tuple[float, str]:
    """Run a search in a temporary store; return the seconds and the id of its run."""
    store = f"sqlite:///{folder / 'mlflow.db'}"
    begin = time.perf_counter()
    process = subprocess.run(
        [sys.executable, "-m", "shashlik", "tune", task, *words],
        env={**os.environ, "MLFLOW_TRACKING_URI": store},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise SystemExit(process.stderr)
    return time.perf_counter() - begin, process.stdout.partition("search in run ")[2].split()[0]


def objectives(folder: Path, run_id: str) -> tuple[float, float]:
    """Read the best objective on validation events, and that of its final training on test events."""
    import mlflow

    from tracking.runs.reader import look, nested

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    finals = nested(run_id, **{"trial.kind": "final"})
    return look(run_id).metrics["best/objective"], finals[0].metrics["objective"]


def workers(task: str, trials: int) -> None:
    """Print the time of one worker over that of two."""
    times = []
    for number in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            words = ("--preset", "smoke", "--algorithm", "random", "--trials", str(trials), "--best", "0")
            seconds, _ = search(task, Path(folder), *words, "--workers", str(number), "--threads", "1")
            times.append(seconds)
            print(f"{number} worker(s) of one core: {trials} trials in {seconds:.0f} s", flush=True)
    print(f"two workers finish {times[0] / times[1]:.2f} times faster than one")


def algorithms(task: str, trials: int, seeds: int) -> None:
    """Print the objectives of every algorithm at the same number of trials."""
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in ALGORITHMS}
    for seed in range(1, seeds + 1):
        for name in ALGORITHMS:
            with tempfile.TemporaryDirectory() as folder:
                words = ("--preset", "smoke", "--algorithm", name, "--trials", str(trials))
                # All algorithms use the same events for one random seed.
                seconds, run_id = search(task, Path(folder), *words, "--seed", str(seed), "--workers", "2")
                results[name].append(objectives(Path(folder), run_id))
            print(f"seed {seed}, {name}: {results[name][-1]}, {seconds:.0f} s", flush=True)
    print("\n| algorithm | best of the trials, by seed | final training, by seed | the latter / random |")
    print("|---|---|---|---:|")
    for name, pairs in results.items():
        best, final = zip(*pairs, strict=True)
        ratios = [
            math.log(pair[1] / baseline[1]) for pair, baseline in zip(pairs, results["random"], strict=True)
        ]
        error = stdev(ratios) / len(ratios) ** 0.5 if len(ratios) > 1 else math.nan
        print(
            f"| {name} | {', '.join(f'{value:.4f}' for value in best)} "
            f"| {', '.join(f'{value:.4f}' for value in final)} "
            f"| {math.exp(mean(ratios)):.3f} ± {error:.3f} |"
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("workers", "algorithms"))
    parser.add_argument("--task")
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    if given.what == "workers":
        workers(given.task or "ecal_stage1", given.trials)
    else:
        algorithms(given.task or "ecal_stage2", given.trials, given.seeds)
