"""Run an ablation, from the strings of a command line to the comparison of its variants."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

from tqdm.auto import tqdm

from shashlik.ablation import summary
from shashlik.ablation.comparison import Answer, Widths
from shashlik.ablation.figures import figure
from shashlik.ablation.settings import StudySettings, chosen, common, separate, study_of
from shashlik.ablation.training import REPETITION, SECONDS, VARIANT, Studied, answers_path
from shashlik.evaluation.run import SUBJECT, recorded
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Task
from shashlik.task.sample import Sample
from shashlik.task.settings import parse, resolve
from shashlik.task.variants import BASE
from tracking.runs.lifecycle import CannotRecord, active, one_line
from tracking.runs.reader import Found, answers, look, nested, settings_of
from tracking.runs.recorder import Recorder, recording

__all__ = ["study"]

PREFIX = "study."
#: Tag with the variants and their numbers of trainings; not a parameter, as a resumed ablation may have more.
PLAN = "study.variants"


def study(name: str, tokens: Sequence[str], say: Callable[[str], object] = print) -> str:
    """Train the variants that the task `name` declares, and compare them.

    Parameters
    ----------
    name : str
        The task.
    tokens : sequence of str
        Parameters of the ablation and the task as ``--name value``.
    say : callable
        Receives one line of progress at a time.

    Returns
    -------
    str
        Id of the ablation's run.

    Raises
    ------
    BadInput
        For an unknown task, or parameters that cannot be used.
    CannotRecord
        If the tracking server fails, or the base cannot be trained.
    """
    task = catalog.load(name)
    try:
        parameters, settings = _settings(task, parse(tokens))
        trainings = chosen(study_of(task), parameters)
    except (BadInput, CannotRecord):
        # An ablation that cannot start is recorded too, as FAILED with this reason.
        with active(name):
            raise
    record = {**recorded(settings), f"{PREFIX}share": parameters.share}
    resume = parameters.resume or None
    # A finished ablation can be extended by variants and trainings.
    with recording(
        name, seed=settings.seed, settings=record, resume=resume, reopen=True, code=catalog.root(name)
    ) as recorder:
        say(f"{name}: study in {recorder.where}; if it is interrupted, resume={recorder.run_id} continues it")
        recorder.tag("mlflow.runName", f"study, {len(trainings)} variants")
        recorder.tag(PLAN, ",".join(f"{variant}:{number}" for variant, number in trainings.items()))
        studied = Studied(recorder.run_id, task, settings, parameters.share)
        _train(studied, trainings, say)
        _tell(studied, trainings, recorder, say)
        return recorder.run_id


def _settings(task: Task, arguments: dict[str, str]) -> tuple[StudySettings, Any]:
    """Resolve the parameters of ablation and task.

    A resumed ablation keeps its own and may add variants.
    """
    parameters, others = separate(arguments)
    if "resume" not in parameters:
        return resolve(StudySettings, {}, parameters), common(task, others)
    settings = settings_of(parameters["resume"], task.name, reopen=True)
    inherited = {name: text for name, text in settings.items() if text}
    plan = look(parameters["resume"]).tags.get(PLAN)
    if plan is None:
        raise BadInput(f"run {parameters['resume']} is no study: give resume= the id of one")
    before = {"variants": plan, "share": inherited.pop(f"{PREFIX}share")}
    if "seeds" in parameters:
        # A new number for all variants; only one given with its own number keeps that.
        before["variants"] = ",".join(word.partition(":")[0] for word in plan.split(","))
    return resolve(StudySettings, {}, {**before, **parameters}), common(task, {**inherited, **others})


def _train(studied: Studied, trainings: dict[str, int], say: Callable[[str], object]) -> None:
    """Run the trainings that are not finished; a variant that fails does not end the ablation."""
    study = study_of(studied.task)
    # First all trainings of the base, whose scatter measures chance; then every variant once, and again.
    rounds = sorted(
        ((variant, repetition) for variant, number in trainings.items() for repetition in range(number)),
        key=lambda training: (training[0] != BASE, training[1]),
    )
    with tqdm(total=len(rounds), unit="training", desc="study") as bar:
        for variant, repetition in rounds:
            bar.set_postfix(variant=variant)
            before = studied.before(variant, repetition)
            if before is None or before.status != "FINISHED":
                other_samples: dict[str, Sample] = {}
                for other in study.asked(variant):
                    if other in trainings:
                        test = studied.events(other).test
                        other_samples[test.sha256] = test
                try:
                    studied.train(variant, repetition, other_samples)
                except CannotRecord:
                    raise
                except Exception as error:
                    bar.write(f"variant {variant} failed: {one_line(error)}", file=sys.stderr)
                    if variant == BASE and repetition == 0:
                        raise CannotRecord(
                            f"the base of the study failed, and nothing can be compared: {one_line(error)}"
                        ) from error
                _forget_networks()
            bar.update()


def _tell(
    studied: Studied, planned: dict[str, int], recorder: Recorder, say: Callable[[str], object]
) -> None:
    """Record tables and figure of all trainings in the ablation's own run."""
    task, study = studied.task, study_of(studied.task)
    names = [quantity.name for quantity in task.quantities]
    tests = {variant: studied.events(variant).test for variant in planned}
    home = {variant: test.sha256 for variant, test in tests.items()}
    runs = [
        run
        for run in nested(studied.run_id)
        if run.tags.get(VARIANT) in planned and int(run.tags[REPETITION]) < planned[run.tags[VARIANT]]
    ]
    residuals = {}
    for run in runs:
        if run.status != "FINISHED":
            continue
        variant, repetition = run.tags[VARIANT], int(run.tags[REPETITION])
        others = {home[other] for other in study.asked(variant) if other in planned} - {home[variant]}
        for sha256 in (home[variant], *sorted(others)):
            path = () if sha256 == home[variant] else (answers_path(sha256),)
            test = next(test for test in tests.values() if test.sha256 == sha256)
            table = answers(run.run_id, *path)
            residuals[Answer(variant, repetition, sha256)] = task.residuals(test, table.answers[SUBJECT])
    widths = Widths(residuals, home, names, studied.settings.seed)
    trainings = [_training(run, names) for run in runs]
    rows = summary.rows(study, list(planned), trainings, widths)
    lines = summary.told(study, list(planned), trainings, widths)
    compared, findings = summary.table(study, rows, task.quantities), summary.findings(lines)
    outcome = summary.sentence(lines, rows)
    blocks = [f"**{outcome}**", compared, summary.CAPTION, *([findings] if findings else [])]
    files = {"study/table.md": compared, "study/trainings.csv": summary.frame(rows).to_csv(index=False)}
    if findings:
        files["study/findings.md"] = findings
    recorder.tell(blocks, {"study": figure(study, rows, task.quantities)}, files)
    recorder.metrics(
        {
            "trainings/finished": sum(training.done for training in trainings),
            "variants/failed": sum(not row.trainings for row in rows),
            SECONDS: math.fsum(training.seconds for training in trainings if training.done),
        }
    )
    for block in (compared, findings, outcome):
        if block:
            say(f"\n{block}")


def _training(run: Found, names: Sequence[str]) -> summary.Training:
    def metric(name: str) -> float:
        return run.metrics.get(f"{SUBJECT}/{name}", math.nan)

    return summary.Training(
        run.tags[VARIANT],
        int(run.tags[REPETITION]),
        run.status,
        run.failure,
        run.run_id,
        run.metrics.get(SECONDS, math.nan),
        {name: (metric(f"{name}/sigma"), metric(f"{name}/sigma_err")) for name in names},
        (metric("failures"), metric("failures_low"), metric("failures_high")),
    )


def _forget_networks() -> None:
    """Free the memory that Keras holds for a finished training, if Keras is loaded."""
    if (keras := sys.modules.get("keras")) is not None:
        keras.utils.clear_session()  # It collects garbage, too.
