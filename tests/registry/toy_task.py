"""A task of one quantity, measured twice, with candidates whose worth is known in closed form.

Each measurement has an error of 1: using one alone gives sigma 1, their mean sigma 1/sqrt(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shashlik.estimators.formula import Formula
from shashlik.task.definition import Task
from shashlik.task.estimator import Estimator
from shashlik.task.sample import Column, Predictions, Sample, Schema
from shashlik.task.settings import RunSettings, setting
from tracking.rule import Rule
from tracking.statistics.residuals import Quantity, Residuals

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
    """Which candidate a run trains."""

    network: str = setting("good", "candidate")


def simulate(settings: Settings, events: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    truth = rng.uniform(-10, 10, events)
    columns = {
        "run": np.full(events, seed, dtype=np.int64),
        "event": np.arange(events),
        "a": truth + rng.normal(size=events),
        "b": truth + rng.normal(size=events),
        "t": truth,
    }
    return Sample(SCHEMA, columns, f"toy, seed {seed}")


def first(a):
    return {"t": a}


def bad(a, b):
    return {"t": a + 0.5 * (a - b)}


def fair(a, b):
    return {"t": 0.8 * a + 0.2 * b}


def good(a, b):
    return {"t": (a + b) / 2}


def equal(a, b):
    return {"t": (a + b) / 2 + 0.05 * np.sin(1000 * a)}


def broken(a, b):
    return {"t": np.where(a > 0, np.nan, (a + b) / 2)}


def odd(a, b):
    return {"t": 0.95 * a + 0.05 * b}


def even(a, b):
    return {"t": 0.6 * a + 0.4 * b}


CANDIDATES = {of.__name__: of for of in (bad, fair, good, equal, broken)}


def linear(inputs, truth, bench):
    """The mean as a network."""
    import keras

    vector = keras.Input((2,))
    model = keras.Model(vector, keras.layers.Dense(1, use_bias=False)(vector))
    model.set_weights([np.array([[0.5], [0.5]], np.float32)])
    return model


def candidate(settings: Settings) -> Estimator:
    if settings.network == "linear":
        from shashlik.estimators.regression import Regression

        return Regression(("a", "b"), ("t",), linear)
    if settings.network == "wobbly":
        # What it finds depends on the seed.
        return Formula("network", (even, odd, fair)[settings.seed % 3])
    return Formula("network", CANDIDATES[settings.network])


def residuals(sample: Sample, predictions: Predictions) -> Residuals:
    error = predictions["t"] - sample["t"]
    return Residuals({"t": error[:, None]}, {"t": sample["t"][:, None]}, np.abs(error)[:, None] > 5)


TASK = Task(
    name="toy",
    title="Toy",
    description="Toy.",
    schema=SCHEMA,
    settings=Settings,
    presets={"default": {"train_events": 500, "test_events": 1000}},
    simulate=simulate,
    estimators=lambda settings: (Formula("first", first), candidate(settings)),
    residuals=residuals,
    quantities=(Quantity("t", "cm", "t"),),
    # Of the figures of a run three are for each binning, and take longer than all the rest of it.
    binnings=(),
    rule=Rule(primary=("t",), rivals=("first",), bias={"t": 0.1}, replicas=200),
    # A core width is known to 1.3 % then; the candidates differ by 14 % and more.
    frozen_events=4000,
)
