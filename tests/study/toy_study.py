"""A task of two measurements whose variants have widths known in closed form.

Each measurement has an error of 1 (the second one of ``error``), so that ``w a + (1 - w) b`` has the width
sqrt(w^2 + (1 - w)^2 error^2), exactly.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shashlik.task.definition import Task
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Column, Predictions, Sample, Schema
from shashlik.task.settings import RunSettings, setting
from shashlik.task.variants import Statement, Study, Variant
from tracking.statistics.residuals import Binning, Quantity, Residuals

SCHEMA = Schema(
    "events",
    (
        Column("run", "", "int", "run number", role="id"),
        Column("event", "", "int", "event number", role="id"),
        Column("a", "cm", "float", "first measurement"),
        Column("b", "cm", "float", "second measurement"),
        Column("t", "cm", "float", "truth", role="truth"),
    ),
)


@dataclass(frozen=True)
class Settings(RunSettings):
    weight: float = setting(0.5, "of the first measurement", least=0, most=1)
    spread: float = setting(0.0, "of the weight from training to training", least=0)
    error: float = setting(1.0, "of the second measurement", least=0)
    number: int = setting(1000, "events for the training", least=1)
    pause: float = setting(0.0, "seconds that a training takes", least=0)


def simulate(settings: Settings, events: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-10, 10, events)
    columns = {
        "run": np.full(events, seed, dtype=np.int64),
        "event": np.arange(events),
        "a": truth + rng.normal(size=events),
        "b": truth + settings.error * rng.normal(size=events),
        "t": truth,
    }
    return Sample(SCHEMA, columns, f"toy, seed {seed}")


@dataclass(frozen=True)
class Mean:
    settings: Settings
    name: str = "network"

    def fit(self, train: Sample, bench: Bench) -> Mean:
        assert bench.simulate is not None
        bench.simulate(self.settings.number, bench.seed)
        time.sleep(self.settings.pause)
        if self.settings.weight == 1.0:
            raise RuntimeError("one measurement is not enough")
        shift = self.settings.spread * np.random.default_rng(bench.seed).normal()
        return Mean(replace(self.settings, weight=self.settings.weight + shift))

    def predict(self, sample: Sample) -> Predictions:
        return {"t": self.settings.weight * sample["a"] + (1 - self.settings.weight) * sample["b"]}

    def portable(self, folder: Path) -> Portable:
        raise NotImplementedError


def residuals(sample: Sample, predictions: Predictions) -> Residuals:
    error = predictions["t"] - sample["t"]
    return Residuals({"t": error[:, None]}, {"t": sample["t"][:, None]}, np.abs(error)[:, None] > 5)


STUDY = Study(
    base={"weight": 0.5},
    title="the mean",
    variants={
        "lopsided": Variant("mostly the first", {"weight": 0.8}),
        "wobbly": Variant("another weight each time", {"spread": 0.05}),
        "single": Variant("the first alone", {"weight": 1.0}),
        "precise": Variant("the second without error, still the mean", {"error": 0.0}),
        "moved": Variant("the same on events of 'precise'", {}, judged="precise"),
        "deep": Variant("mostly the second, where it has no error", {"error": 0.0, "weight": 0.2}, "precise"),
    },
    statements=(
        Statement("most of one is worse", "lopsided", "base", "worse"),
        Statement("the mean is better", "base", "lopsided", "better"),
        Statement("weights may wobble", "wobbly", "base", "same"),
        Statement("of one, less is better", "deep", "precise", "better"),
        Statement("one alone is no help", "single", "base", "no help"),
    ),
    stated={"t": 0.75},
    events="number",
)

TASK = Task(
    name="toy",
    title="Toy",
    description="Toy.",
    schema=SCHEMA,
    settings=Settings,
    presets={"default": {"train_events": 500, "test_events": 4000}},
    simulate=simulate,
    estimators=lambda settings: (Mean(settings),),
    residuals=residuals,
    quantities=(Quantity("t", "cm", "t"),),
    binnings=(Binning("t", "cm", "t", (-10, 0, 10)),),
    study=STUDY,
)
