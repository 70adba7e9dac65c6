"""A task of two classes and three hypotheses, with candidates whose worth is known in closed form.

Each hypothesis is measured twice, and a signal of it is shifted by 1 in both measurements; the errors are
normal, of width 1. One measurement alone separates by 1, the mean of both by sqrt(2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shashlik.estimators.formula import Formula
from shashlik.task.definition import Task
from shashlik.task.estimator import Estimator
from shashlik.task.sample import Column, Predictions, Sample, Schema
from shashlik.task.settings import RunSettings, setting
from tracking.rule import ScoreRule
from tracking.statistics.residuals import Binning
from tracking.statistics.scores import Criteria, Scores

NAMES, VALUES = ("m300", "m500", "m900"), np.array([300.0, 500.0, 900.0])
MEASURED = tuple(f"{which}{place}" for which in "ab" for place in range(3))
SCHEMA = Schema(
    "Events",
    (
        Column("run", "", "int", "run number", role="id"),
        Column("event", "", "int", "event number", role="id"),
        *(Column(name, "", "float", "a measurement") for name in MEASURED),
        Column("mass", "GeV", "float", "mass of the signal, 0 for background", role="truth"),
        Column("m_hh", "GeV", "float", "a mass that is measured", role="truth"),
    ),
)


@dataclass(frozen=True)
class Settings(RunSettings):
    """Which candidate a run trains."""

    network: str = setting("good", "candidate")


def simulate(settings: Settings, events: int, seed: int) -> Sample:
    rng = np.random.default_rng(seed)
    # Half background; the signal takes turns.
    place = np.where(np.arange(events) % 2 == 0, -1, np.arange(events) // 2 % 3)
    columns = {"run": np.full(events, seed % 2**31, dtype=np.int64), "event": np.arange(events)}
    columns |= {name: rng.normal(size=events) + (place == int(name[1])) for name in MEASURED}
    columns["mass"] = np.where(place < 0, 0.0, VALUES[place])
    columns["m_hh"] = rng.uniform(250, 1000, events)
    return Sample(SCHEMA, columns, f"toy, seed {seed}")


def cuts(a0, a1, a2):
    return {name: (a > 0.5) * 1.0 for name, a in (("m300", a0), ("m500", a1), ("m900", a2))}


def fair(a0, a1, a2):
    return {name: 1 / (1 + np.exp(0.5 - a)) for name, a in (("m300", a0), ("m500", a1), ("m900", a2))}


def good(a0, a1, a2, b0, b1, b2):
    sums = (("m300", a0 + b0), ("m500", a1 + b1), ("m900", a2 + b2))
    return {name: 1 / (1 + np.exp(1 - both)) for name, both in sums}


def equal(a0, a1, a2, b0, b1, b2):
    sums = (("m300", a0 + b0), ("m500", a1 + b1), ("m900", a2 + b2))
    return {name: 1 / (1 + np.exp(1 - both - 0.01 * np.sin(1000 * a0))) for name, both in sums}


def lame(a0, a1, a2, b0, b1, b2):
    sums = (("m300", a0 + b0), ("m500", a1 + 0 * b1), ("m900", a2 + b2))
    return {name: 1 / (1 + np.exp(1 - both)) for name, both in sums}


CANDIDATES = {of.__name__: of for of in (fair, good, equal, lame)}


def estimators(settings: Settings) -> tuple[Estimator, ...]:
    return Formula("cuts", cuts), Formula("network", CANDIDATES[settings.network])


def scores(sample: Sample, predictions: Predictions) -> Scores:
    mass = np.asarray(sample["mass"])
    signal = mass > 0
    asked = (mass[:, None] == VALUES) | ~signal[:, None]
    expected = np.where(signal, 150.0, 5000.0) / np.where(signal, signal.sum(), (~signal).sum())
    return Scores(
        np.stack([predictions[name] for name in NAMES], axis=1),
        asked,
        signal,
        np.ones(len(mass)),
        expected,
        NAMES,
        VALUES,
        VALUES == 900,
        {"m_hh": np.asarray(sample["m_hh"])},
    )


TASK = Task(
    name="classes",
    title="Classes",
    description="Classes.",
    schema=SCHEMA,
    settings=Settings,
    presets={"default": {"train_events": 500, "test_events": 2000}},
    simulate=simulate,
    estimators=estimators,
    scores=scores,
    criteria=Criteria("mass", "GeV", sculpted=(Binning("m_hh", "GeV", "m", tuple(range(250, 1001, 50))),)),
    rule=ScoreRule(
        primary=("auc", "ams"), rivals=("cuts",), margin=0.01, ams=0.2, peak=0, spread=0.1, replicas=200
    ),
    frozen_events=6000,
)
