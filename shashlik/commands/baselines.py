"""Fit a task's classical methods and register them like any other model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from registry.journal.champions import Registry
from registry.models import registration
from registry.models.frozen_sample import identities
from shashlik.evaluation.evaluate import gather, judge, only
from shashlik.evaluation.leakage import refuse
from shashlik.evaluation.run import EXAMPLE, SUBJECT, answers_of, evidence_of, metrics_of, recorded
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Task
from shashlik.task.estimator import Bench
from shashlik.task.settings import parse, resolve
from tracking.evidence import residual_table
from tracking.runs.models import log_model
from tracking.runs.recorder import recording

__all__ = ["ensure", "register"]


def register(
    registry: Registry, name: str, parameters: Sequence[str] = (), say: Callable[[str], object] = print
) -> dict[str, int]:
    """Fit all estimators of a task except the network, record their results, and register each.

    Parameters
    ----------
    registry : Registry
        Registry that records the baselines.
    name : str
        The task.
    parameters : sequence of str
        Settings of the task as ``--name value``.
    say : callable
        Receives one line of progress at a time.

    Returns
    -------
    dict of str to int
        Versions by name of the estimator.
    """
    task = only(catalog.load(name), lambda estimator: estimator != SUBJECT)
    settings = resolve(task.settings, task.presets, parse(parameters))
    versions: dict[str, int] = {}
    with recording(
        name, seed=settings.seed, settings=recorded(settings), code=catalog.root(name)
    ) as recorder:
        recorder.tag("mlflow.runName", "baselines")
        events = gather(task, settings)
        if (frozen := identities(name)) is not None:
            refuse(events.train, *frozen)
        for context, sample in (("training", events.train), ("evaluation", events.test)):
            recorder.dataset(name, sample.sha256, sample.source, len(sample), context)
        with tempfile.TemporaryDirectory() as folder:
            scratch = Path(folder)
            judged = judge(task, settings, events, Bench(seed=events.seed, scratch=scratch), say=say)
            evidence = evidence_of(task, settings, events.test, judged, next(iter(judged.estimators)))
            pictures = task.judgement.figures(evidence, judged.outcomes)
            recorder.record(
                evidence,
                pictures,
                answers_of(task, events.test, judged),
                residuals=residual_table.of(judged.outcomes, events.test.sha256),
            )
            few = events.test.select(EXAMPLE)
            for estimator in judged.estimators.values():
                uri = log_model(
                    estimator.portable(scratch / estimator.name),
                    few.columns,
                    estimator.predict(few),
                    name=f"baseline-{estimator.name}",
                    metrics=metrics_of(evidence, estimator.name),
                )
                version = registration.register(
                    name, uri, recorder.run_id, evidence, estimator.name, baseline=True
                )
                registry.baseline(name, estimator.name, version)
                say(f"baseline-{estimator.name} is version {version} of {name}")
                versions[estimator.name] = version
    return versions


def ensure(registry: Registry, task: Task) -> dict[str, int]:
    """Return the versions of the baselines in the task's rule, and create missing ones.

    Raises
    ------
    BadInput
        If the rule needs a baseline that the task does not have.
    """
    assert task.rule is not None
    versions = dict(registry.state(task.name).baselines)
    if set(task.rule.rivals) - set(versions):
        versions = register(registry, task.name)
    for name in task.rule.rivals:
        if name not in versions:
            raise BadInput(
                f"the rule of {task.name} asks for the baseline {name!r}, which the task does not have"
            )
    return {name: versions[name] for name in task.rule.rivals}
