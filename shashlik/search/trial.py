"""Run one trial in a worker: train, evaluate on validation data, record as a child of the search's run."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from shashlik.evaluation.evaluate import Events, judge, only, rehearsal
from shashlik.evaluation.run import SUBJECT, evidence_of, perform, recorded, unseen
from shashlik.search.oracle import FINAL, SEED
from shashlik.search.settings import SearchSettings, space_of, trial_settings
from shashlik.task import catalog
from shashlik.task.definition import Task
from shashlik.task.estimator import Bench
from shashlik.task.search_space import Space
from shashlik.task.settings import RunSettings, resolve
from tracking.runs.lifecycle import abandon
from tracking.runs.reader import Found, look, nested
from tracking.runs.recorder import Recorder, recording

__all__ = ["KIND", "OBJECTIVE", "OBJECTIVE_ERR", "ORIGIN", "PARAMETERS", "TRIAL", "Searched", "searched"]

#: Tags of a trial's run.
TRIAL, KIND, ORIGIN = "trial", "trial.kind", "trial.of"
#: Metrics of a trial's run.
OBJECTIVE, OBJECTIVE_ERR, PARAMETERS = "objective", "objective_err", "parameters"
PREFIX = "search."


def searched(run_id: str) -> Searched:
    """Reconstruct the search from the record of its run.

    Raises
    ------
    CannotRecord
        If there is no such run.
    BadInput
        If this version of the program knows another task or other parameters.
    """
    run = look(run_id)
    task = catalog.load(run.tags.get("task", ""))
    parameters = {
        name.removeprefix(PREFIX): text for name, text in run.settings.items() if name.startswith(PREFIX)
    }
    shared = {name: text for name, text in run.settings.items() if text and not name.startswith(PREFIX)}
    return Searched(
        run_id,
        task,
        resolve(SearchSettings, {}, parameters),
        resolve(task.settings, task.presets, shared),
    )


@dataclass(frozen=True)
class Searched:
    """A search, as seen by a worker.

    Parameters
    ----------
    run_id : str
        Run of the search.
    task : Task
    search : SearchSettings
    settings : RunSettings
        Settings that all trials share.
    """

    run_id: str
    task: Task
    search: SearchSettings
    settings: RunSettings

    @property
    def space(self) -> Space:
        """Search space."""
        return space_of(self.task, self.search)

    @cached_property
    def events(self) -> Events:
        """Training and validation events, the same for all trials."""
        share = trial_settings(self.settings, self.space, {}, self.search.share)
        return rehearsal(self.task, share, self.search.validation_events)

    def perform(self, trial_id: str, values: Mapping[str, Any]) -> float:
        """Run a trial, unless a lost worker had already finished it.

        Returns
        -------
        float
            The objective; NaN where it is not finite.

        Raises
        ------
        CannotRecord
            If the tracking server fails.
        """
        final = FINAL in values
        settings = trial_settings(self.settings, self.space, values, 1.0 if final else self.search.share)
        if final:
            settings = replace(settings, seed=settings.seed + values[SEED])
        before = self._before(trial_id, settings)
        if before is not None and before.status == "FINISHED":
            return before.metrics.get(OBJECTIVE, math.nan)
        with recording(
            self.task.name,
            seed=settings.seed,
            settings=recorded(settings),
            resume=None if before is None else before.run_id,
            parent=self.run_id,
            code=catalog.root(self.task.name),
        ) as recorder:
            recorder.tag("search", self.run_id)
            recorder.tag(TRIAL, trial_id)
            recorder.tag(KIND, "final" if final else "search")
            origin = f" of trial {values[FINAL]}, seed {settings.seed}" if final else ""
            recorder.tag("mlflow.runName", f"{'final training' if final else f'trial {trial_id}'}{origin}")
            if final:
                recorder.tag(ORIGIN, values[FINAL])
                recorder.tag("search.trials", self.search.trials)
            with tempfile.TemporaryDirectory(prefix="shashlik-") as folder:
                work = self._final if final else self._trial
                value = work(settings, recorder, Path(folder), values.get(SEED, 0))
        _forget_networks()
        return value

    def _before(self, trial_id: str, settings: RunSettings) -> Found | None:
        """Return the run that another worker started for this trial with the same settings."""
        expected = {name: str(value) for name, value in recorded(settings).items()}
        for run in nested(self.run_id, **{TRIAL: trial_id}):
            if all(run.settings.get(name, text) == text for name, text in expected.items()):
                if run.status == "RUNNING":
                    # The chief assigned the trial to this worker, so the other one is lost.
                    abandon(run.run_id, "its worker was lost; another one takes over")
                return run
        return None

    def _trial(self, settings: RunSettings, recorder: Recorder, folder: Path, seed: int) -> float:
        # Only the network: the other estimators are the same in every trial.
        alone = only(self.task, lambda name: name == SUBJECT)
        task = replace(alone, limit=None, carried=lambda sample: {})
        events = self.events
        allowed = unseen(task, recorder)
        for context, sample in (("training", events.train), ("evaluation", events.test)):
            recorder.dataset(task.name, allowed(sample).sha256, sample.source, len(sample), context)
        bench = Bench(
            seed=events.seed,
            scratch=folder,
            curve=recorder.curve,
            simulate=lambda number, seed: allowed(task.simulate(settings, number, seed)),
            measured=bool(settings.data),
        )
        judged = judge(task, settings, events, bench)
        evidence = evidence_of(task, settings, events.test, judged, SUBJECT)
        value = self._metrics(recorder, judged)
        recorder.record(evidence, {})
        return value

    def _final(self, settings: RunSettings, recorder: Recorder, folder: Path, seed: int) -> float:
        # The first seed is registered, not the best one, which would be another selection.
        _, judged = perform(self.task, settings, recorder, folder, register=seed == 0)
        return self._metrics(recorder, judged)

    def _metrics(self, recorder: Recorder, judged: Any) -> float:
        value, error = self.task.judgement.objective(judged.outcomes[SUBJECT], self.task.primary)
        model = getattr(judged.estimators[SUBJECT], "model", None)
        recorder.metrics({OBJECTIVE: value, OBJECTIVE_ERR: error})
        if model is not None:
            recorder.metrics({PARAMETERS: model.count_params()})
        return value


def _forget_networks() -> None:
    """Free the memory that Keras holds for a finished trial."""
    import keras

    keras.utils.clear_session()  # It collects garbage, too.
