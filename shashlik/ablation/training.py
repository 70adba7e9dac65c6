"""Train one variant on shared events, evaluate it, and record it as a child of the ablation's run."""

from __future__ import annotations

import tempfile
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from shashlik.ablation.settings import variant_settings
from shashlik.evaluation.evaluate import Events, Judged, gather, judge, only
from shashlik.evaluation.run import SUBJECT, answers_of, evidence_of, recorded, unseen
from shashlik.task import catalog
from shashlik.task.definition import Task
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from shashlik.task.settings import RunSettings
from tracking.runs.reader import Found, nested
from tracking.runs.recorder import Recorder, recording

__all__ = ["REPETITION", "SECONDS", "VARIANT", "Studied", "answers_path"]

#: Tags of a training's run.
VARIANT, REPETITION = "variant", "variant.repetition"
#: Metrics of a training's run.
PARAMETERS, SECONDS = "parameters", "processor_seconds"
#: Settings that simulate the same events for one seed do so for every seed; this many events tell them apart.
PROBE = 64
#: Maximum number of samples cached for other variants.
KEPT = 24


def answers_path(sha256: str) -> str:
    """Return the artifact path of predictions for the test events of another variant."""
    return f"answers/{sha256[:16]}.parquet"


@dataclass
class Studied:
    """An ablation in progress.

    Parameters
    ----------
    run_id : str
        Run of the ablation.
    task : Task
    settings : RunSettings
        Settings of the base.
    share : float
        Share of the training events that is used.
    """

    run_id: str
    task: Task
    settings: RunSettings
    share: float
    _scenes: dict[str, str] = field(default_factory=dict)
    _samples: OrderedDict[tuple[str, int, int], Sample] = field(default_factory=OrderedDict)
    _events: dict[str, Events] = field(default_factory=dict)

    def settings_of(self, variant: str) -> RunSettings:
        """Return the settings of a variant."""
        assert self.task.study is not None
        changed: RunSettings = variant_settings(self.task.study, self.settings, variant, self.share)
        return changed

    def simulate(self, settings: RunSettings, events: int, seed: int) -> Sample:
        """Simulate with the task, reusing a sample that another variant simulated identically."""
        key = (self._scene(settings), events, seed)
        if key not in self._samples:
            self._samples[key] = self.task.simulate(settings, events, seed)
        self._samples.move_to_end(key)
        while len(self._samples) > KEPT:
            self._samples.popitem(last=False)
        return self._samples[key]

    def _scene(self, settings: RunSettings) -> str:
        text = repr(sorted(recorded(settings).items()))
        if text not in self._scenes:
            self._scenes[text] = self.task.simulate(settings, PROBE, settings.seed).sha256
        return self._scenes[text]

    def events(self, variant: str) -> Events:
        """Return training and test events of a variant.

        The test events are those of another variant if the variant declares so.
        """
        assert self.task.study is not None
        task = replace(self.task, simulate=self.simulate)
        if self.settings.data:
            if not self._events:
                self._events[""] = gather(task, self.settings)
            return self._events[""]
        events = gather(task, self.settings_of(variant))
        judged = self.task.study.all[variant].judged
        return replace(events, test=self.events(judged).test) if judged else events

    def before(self, variant: str, repetition: int) -> Found | None:
        """Return the run of this training if there is one: the finished one, else the latest."""
        runs = nested(self.run_id, **{VARIANT: variant, REPETITION: str(repetition)})
        done = [run for run in runs if run.status == "FINISHED"]
        return done[0] if done else runs[-1] if runs else None

    def train(self, variant: str, repetition: int, also: Mapping[str, Sample]) -> None:
        """Train, evaluate and record one variant.

        Parameters
        ----------
        variant : str
        repetition : int
            Each repetition has its own training events and initial weights.
        also : mapping of str to Sample
            Test events of other variants, by their hash, to predict as well.
        """
        settings = self.settings_of(variant)
        before = self.before(variant, repetition)
        with (
            recording(
                self.task.name,
                seed=settings.seed,
                settings=recorded(settings),
                resume=None if before is None else before.run_id,
                parent=self.run_id,
                code=catalog.root(self.task.name),
            ) as recorder,
            tempfile.TemporaryDirectory(prefix="shashlik-") as folder,
        ):
            for tag, value in (("study", self.run_id), (VARIANT, variant), (REPETITION, repetition)):
                recorder.tag(tag, value)
            recorder.tag("mlflow.runName", f"{variant}, training {repetition + 1}")
            self._train(variant, repetition, settings, recorder, Path(folder), also)

    def _train(
        self,
        variant: str,
        repetition: int,
        settings: RunSettings,
        recorder: Recorder,
        folder: Path,
        also: Mapping[str, Sample],
    ) -> None:
        begin = time.process_time()
        # Only the network: the fits are the same in every variant.
        task = replace(only(self.task, lambda name: name == SUBJECT), limit=None, carried=lambda sample: {})
        allowed = unseen(task, recorder)
        events = self.events(variant)
        for context, sample in (("training", events.train), ("evaluation", events.test)):
            recorder.dataset(task.name, allowed(sample).sha256, sample.source, len(sample), context)
        seed = events.seed
        if repetition:
            seed = int(np.random.SeedSequence((events.seed, repetition)).generate_state(1)[0])
        bench = Bench(
            seed=seed,
            scratch=folder,
            curve=recorder.curve,
            simulate=lambda number, seed: allowed(self.simulate(settings, number, seed)),
            measured=bool(settings.data),
        )
        judged = judge(task, settings, events, bench)
        evidence = evidence_of(task, settings, events.test, judged, SUBJECT)
        model: Any = getattr(judged.estimators[SUBJECT], "model", None)
        if model is not None:
            recorder.metrics({PARAMETERS: model.count_params()})
        for sha256, sample in also.items():
            if sha256 != events.test.sha256:
                answer = {SUBJECT: judged.estimators[SUBJECT].predict(sample)}
                table = answers_of(task, sample, Judged({}, answer, {}, {}))
                recorder.answers(table, answers_path(sha256))
        recorder.metrics({SECONDS: time.process_time() - begin})
        recorder.record(evidence, {}, answers_of(task, events.test, judged))
