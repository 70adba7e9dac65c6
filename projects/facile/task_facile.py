"""FACILE: the energy of a hit in CMS's hadron calorimeter from eight time slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from projects.facile.evaluation import BINNINGS, QUANTITIES, carried, metrics, residuals
from projects.facile.simulation import events as simulation
from projects.facile.simulation.readout import floor
from shashlik.task.definition import Finding, Task
from shashlik.task.estimator import Estimator
from shashlik.task.rule import Check, Rule
from shashlik.task.sample import Predictions, Sample
from shashlik.task.search_space import Choice, Range, Space
from shashlik.task.settings import RunSettings, setting

__all__ = ["TASK", "Settings"]


@dataclass(frozen=True)
class Settings(RunSettings):
    """Parameters of a run."""

    test_events: int = setting(40_000, "events on which all estimators are judged", least=200)
    network: str = setting(
        "default", "a factor on Method 0, or the original study's network", allowed=("default", "seed")
    )
    network_events: int = setting(
        400_000, "hits simulated for the network; a tenth of them validates", least=400
    )
    epochs: int = setting(15, "passes over them", least=1)
    batch: int = setting(1024, "hits in a step", least=1)
    rate: float = setting(0.005, "peak learning rate", least=0, most=1)
    width: int = setting(24, "units of a hidden layer of the default network", least=1, most=1024)
    depth: int = setting(3, "its hidden layers", least=1, most=20)
    activation: str = setting(
        "relu", "activation of its hidden layers", allowed=("relu", "gelu", "silu", "elu", "selu", "tanh")
    )
    patience: int = setting(0, "epochs without improvement after which the training ends; 0: never", least=0)
    speed: bool = setting(True, "whether the network's time an event is measured against the batch's size")


#: Outputs of every estimator.
_ANSWERS = {"energy": {"unit": "GeV", "meaning": "energy of the hit"}}


def _simulate(settings: Settings, events: int, seed: int) -> Sample:
    return simulation.simulate(events, seed)


def _estimators(settings: Settings) -> Sequence[Estimator]:
    from projects.facile.baselines import CLASSICAL
    from projects.facile.networks import COLUMNS, Architecture, examples, train_network
    from shashlik.estimators.regression import Regression

    values: dict[str, Any] = {
        field.name: getattr(settings, field.name) for field in fields(Architecture) if field.name != "kind"
    }
    network = Regression(
        COLUMNS,
        tuple(_ANSWERS),
        partial(train_network, Architecture(settings.network, **values)),
        simulated=0 if settings.data else settings.network_events,
        told=_ANSWERS,
        examples=examples,
    )
    return [*CLASSICAL, network]


def _limit(settings: Settings, sample: Sample) -> Predictions:
    """Return the true energy, smeared only by sampling and photo-electrons."""
    true, gain = (np.asarray(sample[name], dtype=np.float64) for name in ("genE", "gain"))
    rng = np.random.default_rng((settings.seed, len(sample)))
    return {"energy": true * (1.0 + floor(true, gain) * rng.standard_normal(len(sample)))}


def _pictures(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Figure]:
    from projects.facile.figures import draw

    return draw(sample, predictions)


def _probes(settings: Settings, fitted: Mapping[str, Estimator]) -> Mapping[str, Finding]:
    from projects.facile.speed import measured

    if not settings.speed or "network" not in fitted:
        return {}
    return {"speed": measured(fitted["network"].trained)}  # type: ignore[attr-defined]


TASK = Task(
    name="facile",
    title="Energy of a hit in CMS's hadron calorimeter from eight time slices, in 2 000 parameters",
    description=(
        "Hits of charged pions in CMS's HCAL under pile-up, read out by QIE11 in eight slices of 25 ns. A "
        "network small enough for the trigger is compared with Method 0, a sum, and MAHI, CMS's fit of "
        "pulses. The response stands beside every resolution."
    ),
    schema=simulation.SCHEMA,
    settings=Settings,
    presets={
        "default": {},
        "smoke": {
            "train_events": 2000,
            "test_events": 5000,
            "network_events": 60_000,
            "epochs": 5,
            "batch": 512,
            "speed": False,
        },
        # The study had three times as many hits.
        "seed": {"network": "seed", "network_events": 700_000, "epochs": 11, "batch": 1024, "rate": 1e-3},
    },
    simulate=_simulate,
    estimators=_estimators,
    residuals=residuals,
    quantities=QUANTITIES,
    binnings=BINNINGS,
    carried=carried,
    limit=_limit,
    pictures=_pictures,
    extra_metrics=metrics,
    probes=_probes,
    spaces={
        "default": Space(
            {
                "rate": Range(1e-3, 2e-2, log=True),
                "batch": Choice((256, 512, 1024, 2048, 4096)),
                "width": Range(8, 64, step=2, log=True),
                "depth": Range(1, 5),
                "activation": Choice(("relu", "gelu", "silu")),
            },
            epochs="epochs",
            events="network_events",
        ),
        # The original study's network; the study does not describe its training.
        "seed": Space(
            {"rate": Range(1e-4, 1e-2, log=True), "batch": Choice((256, 1024, 4096))},
            fixed={"network": "seed"},
            epochs="epochs",
            events="network_events",
        ),
    },
    rule=Rule(
        primary=("stochastic",),
        rivals=("m0", "mahi", "mahi-8"),
        bias={"stochastic": 0.1},
        ns_per_event=5e4,
        megabytes=5.0,
        checks=(
            Check("bias_energy", most=0.05, meaning="farthest median response from 1 in a bin from 8 GeV on"),
        ),
    ),
)
