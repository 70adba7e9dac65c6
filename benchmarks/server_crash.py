"""Kill and restart the server while many clients log, and check that every acknowledged run is complete.

    python -m benchmarks.server_crash
    python -m benchmarks.server_crash --clients 2 --runs 2 --kills 1

Every client is a process that records runs one after the other, each with evidence, tables and a registered
name of its own. It writes each acknowledgement to its own disk immediately. The server is killed with SIGKILL
in the meantime, and started again on the same port, database and artifacts. The benchmark then looks for
everything that was acknowledged.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

TASK = "crash"


@dataclass(frozen=True)
class Outcome:
    """Result of a crash test.

    Parameters
    ----------
    acknowledged : int
        Number of runs acknowledged as complete.
    lost : list of str
        Descriptions of acknowledged data that are missing.
    failed : list of str
        Error line of each failed run.
    half : list of str
        Runs that look complete but are not.
    seconds : float
    """

    acknowledged: int
    lost: list[str]
    failed: list[str]
    half: list[str]
    seconds: float


def client(number: int, runs: int, journal: Path) -> None:
    """Record runs, and log the acknowledged ones."""
    from made_up import BINNINGS, QUANTITIES, WIDTHS, pairs

    from tracking.evidence.from_residuals import build
    from tracking.evidence.resolution import Facts
    from tracking.runs.recorder import CannotRecord, recording

    facts = Facts(TASK, f"{number:064x}", "made up", 500, 2, number)
    evidence = build(
        pairs(500, WIDTHS, seed=number),
        QUANTITIES,
        BINNINGS,
        facts=facts,
        seed=1,
        replicas=20,
        bin_replicas=5,
    )
    with journal.open("a") as log:
        for run in range(runs):
            try:
                with recording(TASK, seed=run, settings={"client": number}) as recorder:
                    recorder.curve("loss", {"value": float(run)}, step=run)
                    recorder.record(evidence, {})
                line = {"run": recorder.run_id, "evidence": evidence.sha256}
            except CannotRecord as error:
                line = {"failed": str(error)}
            print(json.dumps(line), file=log, flush=True)


def crash(folder: Path, clients: int, runs: int, kills: int, seed: int = 1) -> Outcome:
    """Run clients against a server that is killed and restarted.

    Parameters
    ----------
    folder : pathlib.Path
        Folder for all files of server and clients.
    clients, runs, kills : int
        Number of processes, of runs per process, and of kills, at equal intervals.
    seed : int
        Random seed of the moments of the kills.
    """
    from servers import free_port, kill, shashlik_server

    port, times = free_port(), random.Random(seed)
    address = f"http://127.0.0.1:{port}"
    place = folder / "server"
    place.mkdir()
    begin = time.perf_counter()
    journals = [folder / f"client-{number}.jsonl" for number in range(clients)]
    with ExitStack() as stack:
        _, server = stack.enter_context(shashlik_server(place, port=port))
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": address,
            "OMP_NUM_THREADS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        logs = [stack.enter_context((folder / f"client-{n}.log").open("w")) for n in range(clients)]
        processes = [
            subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "benchmarks.server_crash",
                    "--client",
                    f"{n}",
                    "--runs",
                    f"{runs}",
                    "--journal",
                    str(journals[n]),
                ],
                cwd=ROOT,
                env=environment,
                stdout=logs[n],
                stderr=logs[n],
            )
            for n in range(clients)
        ]
        for number in range(1, kills + 1):
            # A kill before the first write or after the last one would test nothing.
            while _lines(journals) < number * clients * runs / (kills + 1):
                assert any(process.poll() is None for process in processes), "see the logs of the clients"
                time.sleep(0.02)
            time.sleep(times.uniform(0, 0.5))
            kill(server)
            print(f"killed with {_lines(journals)} of {clients * runs} runs told", flush=True)
            _, server = stack.enter_context(shashlik_server(place, port=port))
        for process in processes:
            process.wait()
        seconds = time.perf_counter() - begin
        return _look(address, journals, seconds)


def _lines(journals: Sequence[Path]) -> int:
    return sum(len(path.read_text().splitlines()) for path in journals if path.exists())


def _look(address: str, journals: Sequence[Path], seconds: float) -> Outcome:
    """Compare the acknowledgements with the content of the server."""
    import mlflow
    from mlflow.tracking import MlflowClient

    from tracking.index.records import Selection
    from tracking.runs.indexing import opened_index
    from tracking.runs.reader import recall
    from tracking.runs.recorder import CannotRecord

    os.environ["MLFLOW_TRACKING_URI"] = address
    mlflow.set_tracking_uri(address)
    entries = [json.loads(line) for path in journals for line in path.read_text().splitlines()]
    acknowledged = {line["run"]: line["evidence"] for line in entries if "run" in line}
    failed = [line["failed"] for line in entries if "failed" in line]
    client, lost, half = MlflowClient(), [], []
    with opened_index() as index:
        indexed = {head.run: head.sha256 for head in index.heads(Selection(task=TASK))}
    for run, sha256 in acknowledged.items():
        record = client.get_run(run)
        if record.info.status != "FINISHED":
            lost.append(f"run {run} is {record.info.status}")
        evidence = recall(run)
        if evidence.sha256 != sha256:
            lost.append(f"run {run} has other evidence")
        missing = {name for name, value in evidence.metrics().items() if value == value} - set(
            record.data.metrics
        )
        missing -= {name for name in missing if abs(evidence.metrics()[name]) == float("inf")}
        if missing:
            lost.append(f"run {run} lacks {len(missing)} metrics")
        if indexed.get(run) != sha256:
            lost.append(f"run {run} is not in the index")
    experiment = client.get_experiment_by_name(TASK)
    assert experiment is not None
    for record in client.search_runs([experiment.experiment_id], max_results=50_000):
        run = record.info.run_id
        if run in acknowledged:
            continue
        if record.info.status == "FINISHED":
            half.append(f"run {run} is FINISHED and nobody was told")
        if run in indexed:
            try:
                if recall(run).sha256 != indexed[run]:
                    half.append(f"run {run} is in the index with evidence that it does not have")
            except CannotRecord:
                half.append(f"run {run} is in the index without evidence")
    return Outcome(len(acknowledged), lost, failed, half, seconds)


def main() -> None:
    """Parse the sizes, run the test and print the result."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--kills", type=int, default=2)
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--journal", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client is not None:
        client(options.client, options.runs, options.journal)
        return
    with tempfile.TemporaryDirectory() as folder:
        outcome = crash(Path(folder), options.clients, options.runs, options.kills)
    print(
        f"{outcome.acknowledged} runs acknowledged, {len(outcome.failed)} failed in {outcome.seconds:.0f} s"
    )
    for title, lines in (
        ("lost", outcome.lost),
        ("half", outcome.half),
        ("failed", sorted(set(outcome.failed))),
    ):
        print(f"{title}: {len(lines)}", *lines[:5], sep="\n  ")


if __name__ == "__main__":
    main()
