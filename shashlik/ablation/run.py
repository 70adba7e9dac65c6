"""A study from the strings of a command line to its comparison."""

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
#: What takes part, with the number of trainings: a tag, since a resumed study may have more.
PLAN = "study.variants"


def study(name: str, tokens: Sequence[str], say: Callable[[str], object] = print) -> str:
    """Train the variants that the task `name` declares, and compare them.

    Parameters
    ----------
    name : str
        The task.
    tokens : sequence of str
        Parameters of study and task as ``--name value``.
    say : callable
        Told in one line what happens.

    Returns
    -------
    str
        Id of the study's run.

    Raises
    ------
    BadInput
        For an unknown task and parameters that cannot be used.
    CannotRecord
        If the tracking server fails, or the base cannot be trained.
    """
    task = catalog.load(name)
    try:
        parameters, settings = _settings(task, parse(tokens))
        asked = chosen(study_of(task), parameters)
    except (BadInput, CannotRecord):
        # Also a study that cannot begin is recorded, as FAILED and with this reason.
        with active(name):
            raise
    record = {**recorded(settings), f"{PREFIX}share": parameters.share}
    resume = parameters.resume or None
    # Also a finished study can be given more variants and more trainings.
    with recording(
        name, seed=settings.seed, settings=record, resume=resume, reopen=True, code=catalog.root(name)
    ) as recorder:
        say(f"{name}: study in {recorder.where}; if it is interrupted, resume={recorder.run_id} continues it")
        recorder.tag("mlflow.runName", f"study, {len(asked)} variants")
        recorder.tag(PLAN, ",".join(f"{variant}:{number}" for variant, number in asked.items()))
        studied = Studied(recorder.run_id, task, settings, parameters.share)
        _train(studied, asked, say)
        _tell(studied, asked, recorder, say)
        return recorder.run_id


def _settings(task: Task, given: dict[str, str]) -> tuple[StudySettings, Any]:
    """Parameters of study and task; a resumed study has those that it had, and may have more variants."""
    own, others = separate(given)
    if "resume" not in own:
        return resolve(StudySettings, {}, own), common(task, others)
    settings = settings_of(own["resume"], task.name, reopen=True)
    known = {name: text for name, text in settings.items() if text}
    plan = look(own["resume"]).tags.get(PLAN)
    if plan is None:
        raise BadInput(f"run {own['resume']} is no study: give resume= the id of one")
    before = {"variants": plan, "share": known.pop(f"{PREFIX}share")}
    if "seeds" in own:
        # Told anew for all: only what is named with a number of its own keeps it.
        before["variants"] = ",".join(word.partition(":")[0] for word in plan.split(","))
    return resolve(StudySettings, {}, {**before, **own}), common(task, {**known, **others})


def _train(studied: Studied, asked: dict[str, int], say: Callable[[str], object]) -> None:
    """Train what is not finished yet; a variant that fails is not the end of the study."""
    study = study_of(studied.task)
    # The base with all its trainings first, which tell what chance is; then every variant once, and again.
    rounds = sorted(
        ((variant, repetition) for variant, number in asked.items() for repetition in range(number)),
        key=lambda one: (one[0] != BASE, one[1]),
    )
    with tqdm(total=len(rounds), unit="training", desc="study") as bar:
        for variant, repetition in rounds:
            bar.set_postfix(variant=variant)
            before = studied.before(variant, repetition)
            if before is None or before.status != "FINISHED":
                also: dict[str, Sample] = {}
                for other in study.asked(variant):
                    if other in asked:
                        test = studied.events(other).test
                        also[test.sha256] = test
                try:
                    studied.train(variant, repetition, also)
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


def _tell(studied: Studied, asked: dict[str, int], recorder: Recorder, say: Callable[[str], object]) -> None:
    """Record table and figure of all trainings in the study's own run."""
    task, study = studied.task, study_of(studied.task)
    names = [one.name for one in task.quantities]
    tests = {variant: studied.events(variant).test for variant in asked}
    home = {variant: test.sha256 for variant, test in tests.items()}
    runs = [
        run
        for run in nested(studied.run_id)
        if run.tags.get(VARIANT) in asked and int(run.tags[REPETITION]) < asked[run.tags[VARIANT]]
    ]
    residuals = {}
    for run in runs:
        if run.status != "FINISHED":
            continue
        variant, repetition = run.tags[VARIANT], int(run.tags[REPETITION])
        others = {home[other] for other in study.asked(variant) if other in asked} - {home[variant]}
        for sha256 in (home[variant], *sorted(others)):
            path = () if sha256 == home[variant] else (answers_path(sha256),)
            test = next(test for test in tests.values() if test.sha256 == sha256)
            table = answers(run.run_id, *path)
            residuals[Answer(variant, repetition, sha256)] = task.residuals(test, table.answers[SUBJECT])
    widths = Widths(residuals, home, names, studied.settings.seed)
    trainings = [_training(run, names) for run in runs]
    found = summary.rows(study, list(asked), trainings, widths)
    lines = summary.told(study, list(asked), trainings, widths)
    compared, findings = summary.table(study, found, task.quantities), summary.findings(lines)
    outcome = summary.sentence(lines, found)
    blocks = [f"**{outcome}**", compared, summary.CAPTION, *([findings] if findings else [])]
    files = {"study/table.md": compared, "study/trainings.csv": summary.frame(found).to_csv(index=False)}
    if findings:
        files["study/findings.md"] = findings
    recorder.tell(blocks, {"study": figure(study, found, task.quantities)}, files)
    recorder.metrics(
        {
            "trainings/finished": sum(one.done for one in trainings),
            "variants/failed": sum(not row.trainings for row in found),
            SECONDS: math.fsum(one.seconds for one in trainings if one.done),
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
    """Free what Keras keeps of a finished training, if the task's networks are of Keras."""
    if (keras := sys.modules.get("keras")) is not None:
        keras.utils.clear_session()  # It collects garbage, too.
