"""Run a task, from the strings of a command line to a registered version."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from registry.models import registration
from registry.models.frozen_sample import identities
from shashlik.evaluation.evaluate import Judged, gather, judge
from shashlik.evaluation.leakage import refuse
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Finding, Task
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from shashlik.task.settings import RunSettings, parse, resolve
from tracking.evidence import residual_table
from tracking.evidence.predictions import PredictionTable
from tracking.evidence.resolution import AnyEvidence, Facts
from tracking.report import rendering
from tracking.runs.lifecycle import CannotRecord, active
from tracking.runs.models import log_model
from tracking.runs.provenance import versions
from tracking.runs.reader import settings_of
from tracking.runs.recorder import Recorder, recording

__all__ = [
    "EXAMPLE",
    "SUBJECT",
    "answers_of",
    "evidence_of",
    "metrics_of",
    "perform",
    "recorded",
    "run",
    "unseen",
]

#: The estimator that a run registers; all others serve for comparison.
SUBJECT = "network"
#: Events on which a packed model must reproduce its estimator.
EXAMPLE = slice(0, 200)


def run(name: str, tokens: Sequence[str]) -> int:
    """Run the task `name` and record it.

    Parameters
    ----------
    name : str
        Name of the task.
    tokens : sequence of str
        Parameters as ``--name value``.

    Returns
    -------
    int
        Version of the registered model.

    Raises
    ------
    BadInput
        For an unknown task, parameters or files that cannot be used.
    CannotRecord
        When the tracking server rejects a record, or a run cannot be resumed.
    """
    task = catalog.load(name)
    try:
        settings = _settings(task, tokens)
    except (BadInput, CannotRecord):
        # A run that cannot start is recorded too, as FAILED with this reason.
        with active(name):
            raise
    resume = settings.resume or None
    with recording(
        name, seed=settings.seed, settings=recorded(settings), resume=resume, code=catalog.root(name)
    ) as recorder:
        print(f"{task.name}: {recorder.where}")
        with tempfile.TemporaryDirectory(prefix="shashlik-") as folder:
            version, _ = perform(task, settings, recorder, Path(folder))
    assert version is not None
    print(f"registered as version {version} of {task.name}; {recorder.where}")
    return version


def _settings(task: Task, tokens: Sequence[str]) -> RunSettings:
    """Resolve the settings of the run; a resumed run inherits its own."""
    parameters = parse(tokens)
    inherited = settings_of(parameters["resume"], task.name) if "resume" in parameters else {}
    return resolve(
        task.settings,
        task.presets,
        {**{name: text for name, text in inherited.items() if text}, **parameters},
    )


def recorded(settings: RunSettings) -> dict[str, object]:
    """Return the settings that describe the run; ``resume`` is not one of them."""
    values = dataclasses.asdict(settings)
    del values["resume"]
    return values


def unseen(task: Task, recorder: Recorder) -> Callable[[Sample], Sample]:
    """Return a check that passes a sample if it has no event of the frozen sample."""
    frozen = identities(task.name)
    if frozen is None:
        return lambda sample: sample
    version, fingerprints = frozen
    recorder.tag("frozen.unseen", version)
    return lambda sample: refuse(sample, version, fingerprints)


def perform(
    task: Task, settings: RunSettings, recorder: Recorder, folder: Path, register: bool = True
) -> tuple[int | None, Judged]:
    """Gather events, fit, evaluate, record and register, once the record of the run is open.

    Parameters
    ----------
    task : Task
    settings : RunSettings
        Settings of the task.
    recorder : Recorder
        Recorder of the run.
    folder : pathlib.Path
        Folder for temporary files.
    register : bool
        Whether the network becomes a version of the registered model.

    Returns
    -------
    tuple of int or None, and Judged
        The version, and the evaluated estimators.
    """
    events = gather(task, settings)
    allowed = unseen(task, recorder)
    allowed(events.train)
    for context, sample in (("training", events.train), ("evaluation", events.test)):
        recorder.dataset(task.name, sample.sha256, sample.source, len(sample), context)
    scratch = folder / "checkpoint"
    scratch.mkdir()
    if recorder.fetch_checkpoint(scratch):
        print("continues from the checkpoint of the run")
    bench = Bench(
        seed=events.seed,
        scratch=scratch,
        curve=recorder.curve,
        checkpointed=lambda path: recorder.checkpoint(scratch),
        simulate=lambda number, seed: allowed(task.simulate(settings, number, seed)),
        measured=bool(settings.data),
    )
    judged = judge(task, settings, events, bench, say=print)
    findings = {**task.findings(judged.estimators), **task.probes(settings, judged.estimators)}
    numbers = {key: value for finding in findings.values() for key, value in finding.numbers.items()}
    evidence = evidence_of(task, settings, events.test, judged, SUBJECT, numbers)
    print(rendering.terminal(evidence))
    pictures = _figures(task, events.test, judged, evidence, findings) if settings.figures else {}
    tables = {name: finding.table for name, finding in findings.items()}
    for table in tables.values():
        print(f"\n{table}")
    residuals = residual_table.of(judged.outcomes, events.test.sha256)
    recorder.record(evidence, pictures, answers_of(task, events.test, judged), tables, residuals)
    for member in getattr(judged.estimators[SUBJECT], "nested", ()):
        recorder.nest(member.name, member.settings, member.metrics, member.curves)
    if not register:
        return None, judged
    return _register(task, recorder, folder / "model", events.test, judged, evidence), judged


def _figures(
    task: Task, test: Sample, judged: Judged, evidence: AnyEvidence, findings: Mapping[str, Finding]
) -> dict[str, Figure]:
    """Figures of the findings, of the evidence and of the task, in this order."""
    return {
        **{name: finding.figure for name, finding in findings.items()},
        **task.judgement.figures(evidence, judged.outcomes),
        **task.pictures(test, judged.predictions),
    }


def evidence_of(
    task: Task,
    settings: RunSettings,
    test: Sample,
    judged: Judged,
    subject: str,
    numbers: Mapping[str, float] | None = None,
) -> AnyEvidence:
    """Build the evidence of a run, which compares `subject` with all others; `numbers` are added to it."""
    facts = Facts(
        task=task.name,
        sha256=test.sha256,
        source=test.source,
        events=len(test),
        objects=next(iter(judged.outcomes.values())).shape[1],
        seed=settings.seed,
        versions=versions(),
    )
    return task.judgement.evidence(
        judged.outcomes,
        facts=facts,
        seed=settings.seed,
        subject=subject,
        ns_per_event=judged.ns_per_event,
        extra={**task.extra_metrics(test, judged.predictions), **(numbers or {})},
    )


def metrics_of(evidence: AnyEvidence, estimator: str) -> dict[str, float]:
    """Select the overall metrics of one estimator."""
    return {name: value for name, value in evidence.metrics().items() if name.startswith(f"{estimator}/")}


def answers_of(task: Task, test: Sample, judged: Judged) -> PredictionTable:
    """Tabulate predictions event by event, with ids and truth."""
    ids, truth = (
        {name: test[name] for name in task.schema.having(role) if name in test} for role in ("id", "truth")
    )
    return PredictionTable(ids, truth, judged.predictions, test.sha256)


def _register(
    task: Task, recorder: Recorder, folder: Path, test: Sample, judged: Judged, evidence: AnyEvidence
) -> int:
    estimator = judged.estimators[SUBJECT]
    few = test.select(EXAMPLE)
    portable, answers = estimator.portable(folder), estimator.predict(few)
    uri = log_model(portable, few.columns, answers, metrics=metrics_of(evidence, SUBJECT))
    return registration.register(task.name, uri, recorder.run_id, evidence, SUBJECT)
