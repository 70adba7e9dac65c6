"""One training of a study: a variant on shared events, judged, recorded as a run below the study's."""

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
#: Metrics of it.
PARAMETERS, SECONDS = "parameters", "processor_seconds"
#: Settings that make the same events of one seed make the same of every seed; so many tell them apart.
PROBE = 64
#: Samples kept for other variants.
KEPT = 24


def answers_path(sha256: str) -> str:
    """The artifact with answers to the test events of another variant."""
    return f"answers/{sha256[:16]}.parquet"


@dataclass
class Studied:
    """A study under way.

    Parameters
    ----------
    run_id : str
        Its run.
    task : Task
    settings : RunSettings
        Those of the base.
    share : float
        Of the training events.
    """

    run_id: str
    task: Task
    settings: RunSettings
    share: float
    _scenes: dict[str, str] = field(default_factory=dict)
    _samples: OrderedDict[tuple[str, int, int], Sample] = field(default_factory=OrderedDict)
    _events: dict[str, Events] = field(default_factory=dict)

    def settings_of(self, variant: str) -> RunSettings:
        """Settings of a variant."""
        assert self.task.study is not None
        changed: RunSettings = variant_settings(self.task.study, self.settings, variant, self.share)
        return changed

    def simulate(self, settings: RunSettings, events: int, seed: int) -> Sample:
        """The task's simulation; what another variant has simulated the same way is taken from there."""
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
        """Training and test events of a variant; the latter are those of another one if it says so."""
        assert self.task.study is not None
        task = replace(self.task, simulate=self.simulate)
        if self.settings.data:
            if not self._events:
                self._events[""] = gather(task, self.settings)
            return self._events[""]
        own = gather(task, self.settings_of(variant))
        judged = self.task.study.all[variant].judged
        return replace(own, test=self.events(judged).test) if judged else own

    def before(self, variant: str, repetition: int) -> Found | None:
        """The run of this training, if there is one: the finished one, else the latest."""
        found = nested(self.run_id, **{VARIANT: variant, REPETITION: str(repetition)})
        done = [run for run in found if run.status == "FINISHED"]
        return done[0] if done else found[-1] if found else None

    def train(self, variant: str, repetition: int, also: Mapping[str, Sample]) -> None:
        """Train, judge and record.

        Parameters
        ----------
        variant : str
        repetition : int
            Another one has other training events and another start of the network.
        also : mapping of str to Sample
            Test events of other variants, by their hash, that this one is to answer too.
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
        # The network alone: the fits are the same in every variant.
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
        found = judge(task, settings, events, bench)
        evidence = evidence_of(task, settings, events.test, found, SUBJECT)
        model: Any = getattr(found.estimators[SUBJECT], "model", None)
        if model is not None:
            recorder.metrics({PARAMETERS: model.count_params()})
        for sha256, sample in also.items():
            if sha256 != events.test.sha256:
                answer = {SUBJECT: found.estimators[SUBJECT].predict(sample)}
                table = answers_of(task, sample, Judged({}, answer, {}, {}))
                recorder.answers(table, answers_path(sha256))
        recorder.metrics({SECONDS: time.process_time() - begin})
        recorder.record(evidence, {}, answers_of(task, events.test, found))
