"""Record the outcome of a search: tables and figures of all trials in its own run."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Callable, Sequence

from shashlik.evaluation.run import SUBJECT
from shashlik.search import summary
from shashlik.search.figures import figures
from shashlik.search.trial import KIND, OBJECTIVE, OBJECTIVE_ERR, ORIGIN, PARAMETERS, TRIAL, Searched
from tracking.report.numbers import with_error
from tracking.report.rendering import escaped
from tracking.runs.lifecycle import CannotRecord
from tracking.runs.reader import Found, nested
from tracking.runs.recorder import Recorder

__all__ = ["tell"]


def tell(searched: Searched, recorder: Recorder, say: Callable[[str], object]) -> str:
    """Record tables and figures of all trials in the search's own run.

    Returns
    -------
    str
        Run id of the candidate with the best trial; empty if no candidate was requested.

    Raises
    ------
    CannotRecord
        If no trial has an objective.
    """
    runs = nested(searched.run_id)
    trials = [_trial(searched, run) for run in runs if run.tags.get(KIND) == "search"]
    done = [trial for trial in trials if trial.done]
    if not done:
        raise CannotRecord(f"none of {len(trials)} trials has an objective; see their runs for the reasons")
    goal = f"{searched.task.judgement.goal(searched.task.primary)}, on validation events"
    blocks = summary.markdown(trials, searched.space, goal)
    finals = [run for run in runs if run.tags.get(KIND) == "final"]
    candidates = [
        run
        for run in finals
        if run.status == "FINISHED" and run.tags.get("seed") == str(searched.settings.seed)
    ]
    if finals:
        blocks.insert(1, _final_table(finals))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn on small samples
        weights, score = summary.importance(trials, searched.space, searched.settings.seed)
        pictures = figures(trials, searched.space, weights, score)
    files = {"search/trials.csv": summary.frame(trials), "search/importance.csv": summary.weighed(weights)}
    recorder.tell(blocks, pictures, {name: table.to_csv(index=False) for name, table in files.items()})
    best = summary.ranked(trials)[0]
    recorder.metrics(
        {
            "best/objective": best.objective,
            "best/objective_err": best.error,
            "trials/finished": len(done),
            "trials/failed": sum(trial.status == "FAILED" for trial in trials),
        }
    )
    recorder.tag("search.trials", len(trials))
    for block in blocks[:1]:
        say(block.replace("**", ""))
    # Ranked by the trial itself: a choice by the final trainings would use up their test events.
    ranks = {trial.name: rank for rank, trial in enumerate(summary.ranked(trials))}
    return min(candidates, key=lambda run: ranks[run.tags[ORIGIN]]).run_id if candidates else ""


def _final_table(finals: Sequence[Found]) -> str:
    lines = ["| final training of trial | seed | objective on test events | run |", "|---|---:|---:|---|"]
    for run in sorted(finals, key=lambda run: (run.tags.get(ORIGIN, ""), int(run.tags.get("seed", 0)))):
        value = with_error(run.metrics.get(OBJECTIVE, math.nan), run.metrics.get(OBJECTIVE_ERR, math.nan))
        outcome = value if run.status == "FINISHED" else escaped(run.failure or run.status)
        lines.append(f"| {run.tags.get(ORIGIN)} | {run.tags.get('seed')} | {outcome} | `{run.run_id}` |")
    return "\n".join(lines)


def _trial(searched: Searched, run: Found) -> summary.Trial:
    """Reconstruct a trial from its run, with values in the types of the task's settings."""
    kinds = {
        setting.name: type(getattr(searched.settings, setting.name))
        for setting in dataclasses.fields(searched.settings)
    }
    values = {
        name: (run.settings[name] == "True") if kinds[name] is bool else kinds[name](run.settings[name])
        for name in searched.space.varied
        if name in run.settings
    }
    metrics = {name: run.metrics.get(name, math.nan) for name in (OBJECTIVE, OBJECTIVE_ERR, PARAMETERS)}
    return summary.Trial(
        run.tags[TRIAL],
        values,
        metrics[OBJECTIVE],
        metrics[OBJECTIVE_ERR],
        run.metrics.get(f"{SUBJECT}/ns_per_event", math.nan),
        metrics[PARAMETERS],
        run.seconds,
        run.status,
        run.failure,
        run.run_id,
    )
