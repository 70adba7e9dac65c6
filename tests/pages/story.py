"""A small history of a task in a real store: runs, versions, a frozen sample, verdicts, a search.

Photon pairs with known widths stand for the events; all that is recorded goes through the doors that real
runs use.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
from made_up import BINNINGS as MADE_UP
from made_up import QUANTITIES, pairs
from mlflow.tracking import MlflowClient
from scores_made_up import scores

from registry.gate.decision import Contestant, judge
from registry.gate.verdict import Verdict
from registry.journal.champions import opened_registry
from registry.models import lineage
from registry.models.versions import set_anchor
from tracking.evidence import from_scores
from tracking.evidence.from_residuals import build
from tracking.evidence.residual_table import ResidualTable
from tracking.evidence.resolution import Evidence, Facts
from tracking.index.records import TEST, Selection
from tracking.rule import Rule
from tracking.runs.indexing import GATE, judged, keep, opened_index
from tracking.runs.recorder import recording
from tracking.statistics.residuals import Residuals
from tracking.statistics.scores import Criteria

__all__ = ["CLASSES", "NASTY", "TASK", "Story", "tell"]

TASK, CLASSES = "photons", "resonances"
#: A name that some user will give a run.
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
#: One of them: a comparison has four figures for each.
BINNINGS = MADE_UP[:1]
WIDTHS = {"network": 0.05, "fit": 0.10, "fit-tuned": 0.06}
EVENTS = 600


@dataclass(frozen=True)
class Story:
    """What was recorded.

    Parameters
    ----------
    runs : tuple of str
        Three runs of the task; the first two on the same events, the last with a nasty name on others.
    evidence : tuple of Evidence
        Of these runs.
    frozen : Evidence
        Of versions 1, 2 and the baseline on the frozen sample.
    verdicts : tuple of Verdict
        The one that promoted version 1, and the one that rejected version 2.
    search : str
        The run of a search.
    classified : tuple of str
        Two runs of another task, a classification.
    """

    runs: tuple[str, ...]
    evidence: tuple[Evidence, ...]
    frozen: Evidence
    verdicts: tuple[Verdict, ...]
    search: str
    classified: tuple[str, ...]


def _evidence(found: dict[str, Residuals], sha256: str, seed: int, subject: str = "network") -> Evidence:
    facts = Facts(TASK, sha256, "made up", EVENTS, 2, seed)
    speeds = dict.fromkeys(found, 12_000.0)
    return build(
        found,
        QUANTITIES,
        BINNINGS,
        facts=facts,
        seed=1,
        subject=subject,
        ns_per_event=speeds,
        replicas=60,
        bin_replicas=20,
    )


def _run(sha256: str, seed: int, events: int, name: str, width: float) -> tuple[str, Evidence]:
    found = pairs(EVENTS, WIDTHS | {"network": width}, seed=events)
    evidence = _evidence(found, sha256, seed)
    with recording(
        TASK, seed=seed, settings={"seed": seed, "width": 32 * seed, "preset": "smoke"}
    ) as recorder:
        recorder.tag("mlflow.runName", name)
        recorder.tag("campaign", "summer" if seed < 3 else "winter")
        recorder.dataset("test", sha256, "made up", EVENTS, "evaluation")
        recorder.record(evidence, {}, residuals=ResidualTable(found, sha256))
    return recorder.run_id, evidence


def _version(run_id: str, estimator: str, sha256: str, baseline: bool = False) -> int:
    client = MlflowClient()
    tags = {"estimator": estimator, "data.sha256": sha256, "task": TASK, "model.sha256": "e" * 64}
    source = f"{client.get_run(run_id).info.artifact_uri}/model"
    tags |= {"baseline": estimator} if baseline else {}
    made = client.create_model_version(TASK, source, run_id, tags)
    with opened_index() as index:
        index.assign(run_id, estimator, int(made.version))
    return int(made.version)


def _verdict(candidate: str, found: dict[str, Residuals]) -> Verdict:
    who = {name: Contestant(name, one, sha256="e" * 64) for name, one in found.items()}
    rule = Rule(primary=("x",), rivals=("fit-tuned",), replicas=100)
    return judge(
        rule,
        who[candidate],
        who.get("champion"),
        {"fit-tuned": who["fit-tuned"]},
        task=TASK,
        sample_sha256="f" * 64,
        seed=1,
    )


def _classified(seed: int, distance: float) -> str:
    found = scores({"cuts": 1.0, "network": distance}, 400, 100, seed=5)
    evidence = from_scores.build(
        found,
        Criteria(label="$m_X$", unit="GeV", efficiencies=(0.5,)),
        facts=Facts(CLASSES, "c" * 64, "made up", 800, 4, seed),
        seed=1,
        replicas=20,
    )
    with recording(CLASSES, seed=seed, settings={"seed": seed}) as recorder:
        recorder.record(evidence, {})
    return recorder.run_id


def _search(scratch: Path) -> str:
    rng = np.random.default_rng(3)
    table, weights = io.StringIO(), io.StringIO()
    writer = csv.writer(table)
    writer.writerow(
        [
            "trial",
            "rate",
            "units",
            "objective",
            "objective_err",
            "ns_per_event",
            "parameters",
            "seconds",
            "status",
            "failure",
            "run_id",
        ]
    )
    for number in range(12):
        rate, units = float(10 ** rng.uniform(-4, -1)), int(2 ** rng.integers(4, 8))
        failed = number == 5
        value = "" if failed else 0.03 + 0.01 * abs(np.log10(rate) + 2.5)
        writer.writerow(
            [
                f"{number:04d}",
                rate,
                units,
                value,
                0.0005,
                100 * units,
                units**2,
                3.0,
                "FAILED" if failed else "FINISHED",
                "Diverged: <b>nan</b>" if failed else "",
                f"{number:032x}",
            ]
        )
    csv.writer(weights).writerows(
        [("setting", "importance", "scatter"), ("rate", 0.9, 0.1), ("units", 0.1, 0.05)]
    )
    folder = scratch / "search"
    folder.mkdir()
    (folder / "trials.csv").write_text(table.getvalue())
    (folder / "importance.csv").write_text(weights.getvalue())
    settings = {"search.trials": 12, "search.algorithm": "random"}
    with recording(TASK, seed=1, settings=settings) as recorder:
        recorder.keep(folder, "search")
        recorder.metrics({"best/objective": 0.031, "best/objective_err": 0.0005, "trials/finished": 11})
    return recorder.run_id


def tell(uri: str, scratch: Path) -> Story:
    """Record all of it in the store at `uri`, which is a database."""
    mlflow.set_tracking_uri(uri)
    made = [
        _run("a" * 64, 1, 11, "plain", 0.050),
        _run("a" * 64, 2, 11, "wider", 0.056),
        _run("b" * 64, 3, 12, NASTY, 0.052),
    ]
    runs, evidence = zip(*made, strict=True)
    MlflowClient().create_registered_model(TASK)
    versions = [
        _version(runs[0], "network", "a" * 64),
        _version(runs[1], "network", "a" * 64),
        _version(runs[0], "fit-tuned", "a" * 64, baseline=True),
    ]
    one, two, fit = pairs(2000, {"v1": 0.050, "v2": 0.056, "fit-tuned": 0.06}, seed=13).values()
    names = {"v1-network": one, "v2-network": two, "v3-fit-tuned": fit}
    frozen = _evidence(names, "f" * 64, 1, "v1-network")
    keep(runs[0], frozen, judged(1, GATE), ResidualTable(names, "f" * 64))
    first = _verdict("version 1", {"version 1": one, "fit-tuned": fit})
    second = _verdict("version 2", {"version 2": two, "champion": one, "fit-tuned": fit})
    for run, verdict in zip(runs, (first, second), strict=False):
        folder = scratch / verdict.sha256
        folder.mkdir()
        (folder / "verdict.json").write_text(verdict.to_json())
        lineage.log_files(run, folder, f"verdicts/{verdict.sha256[:12]}")
    assert (first.decision, second.decision) == ("PROMOTE", "REJECT"), (first.reasons, second.reasons)
    with opened_registry() as registry:
        registry.note(
            TASK,
            "freeze",
            None,
            {
                "version": 1,
                "sha256": "f" * 64,
                "events": 2000,
                "source": "made up",
                "simulated": True,
                "run_id": runs[0],
            },
        )
        registry.baseline(TASK, "fit-tuned", versions[2])
        for version, verdict in zip(versions, (first, second), strict=False):
            told = {"decision": verdict.decision, "reasons": list(verdict.reasons)}
            registry.note(TASK, "look", version, told, verdict.sha256)
            if verdict.promoted:
                # There are no files of a model here that could be loaded through the alias.
                entry = registry.journal.promote(
                    TASK, version, expected=None, verdict=verdict.sha256, details=told
                )
                set_anchor(TASK, entry.anchor)
                registry.settle(TASK)
    with opened_index() as index:
        assert {head.sample for head in index.heads(Selection(task=TASK))} == {TEST, "frozen 1"}
    classified = tuple(_classified(seed, distance) for seed, distance in ((1, 1.7), (2, 1.4)))
    return Story(runs, evidence, frozen, (first, second), _search(scratch), classified)
