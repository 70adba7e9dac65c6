"""Benchmark speed and memory of ``shashlik predict``, relative to Keras alone on the same network.

Run ``python benchmarks/predict.py`` in the folder of a store (or with MLFLOW_TRACKING_URI) that has a network
of ecal_stage4; ``--events`` and ``--model`` are options. The benchmark writes a ROOT file of jagged cells,
predicts it by the command in a process of its own, and times Keras's ``predict`` on prepared windows. The
file repeats 20 000 simulated events, as their content does not matter here.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from registry.models import versions
from shashlik.task import catalog, rootio
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve
from tracking.runs.models import graph

TASK, SIMULATED, BATCH = "ecal_stage4", 20_000, 2048


def command(model: str, file: Path, output: Path) -> tuple[float, float]:
    """Measure time in seconds and peak memory (GB) of the command.

    The kernel's record is read while the command runs, because its record of ended children includes this
    process.
    """
    begin = time.perf_counter()
    words = ["predict", str(file), str(output), "--task", TASK, "--model", model]
    process = subprocess.Popen([sys.executable, "-m", "shashlik", *words])
    largest = 0.0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status")
        if match := re.search(r"VmHWM:\s+(\d+) kB", status.read_text()):
            largest = max(largest, int(match[1]) / 1e6)
        time.sleep(0.2)
    if process.returncode:
        raise SystemExit(process.returncode)
    return time.perf_counter() - begin, largest


def keras_alone(model: str, sample: Sample) -> float:
    """Measure the seconds per event that Keras needs for prepared windows, without compilation."""
    version = versions.find(TASK, model)
    exportable = graph(versions.fetch(TASK, str(version.number)))
    assert exportable is not None, "the version was registered before networks could be exported"
    network, prepare, _ = exportable
    inputs = list(prepare(sample.columns)[0].values())
    network.predict([values[:BATCH] for values in inputs], batch_size=BATCH, verbose=0)
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        network.predict(inputs, batch_size=BATCH, verbose=0)
        seconds.append(time.perf_counter() - begin)
    return min(seconds) / len(sample)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--model", default="champion")
    options = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    task = catalog.load(TASK)
    few = task.simulate(resolve(task.settings, task.presets, {}), SIMULATED, 1)
    with tempfile.TemporaryDirectory() as folder:
        file, output = Path(folder) / "in.root", Path(folder) / "out.root"
        rootio.write(Sample.concatenate([few] * (options.events // SIMULATED)), file)
        seconds, memory = command(options.model, file, output)
        megabytes = file.stat().st_size / 1e6
    alone = keras_alone(options.model, few)
    rate = options.events / seconds
    print(
        f"{options.events} events in {megabytes:.0f} MB: {seconds:.0f} s with start-up, {rate:.0f} events/s, "
        f"at most {memory:.2f} GB; Keras alone {1 / alone:.0f} events/s; ratio {rate * alone:.2f}"
    )


if __name__ == "__main__":
    main()
