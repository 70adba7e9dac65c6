"""CLAS12: correction of the momentum of protons in e p -> e p pi0 for their energy loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from projects.clas12.corrections import COLUMNS
from projects.clas12.evaluation import BINNINGS, QUANTITIES, metrics, residuals
from projects.clas12.simulation import events as simulation
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

    eta_share: float = setting(
        0.25, "share of simulated events with an eta, which nothing is trained on", least=0, most=0.9
    )
    trees: int = setting(30, "trees of the random forest; 0: none is grown", least=0, most=1000)
    network: str = setting(
        "default",
        "the network that sees the proton alone, or the original study's",
        allowed=("default", "seed"),
    )
    network_events: int = setting(
        120_000, "events simulated for the network; a fourth of them validates", least=400
    )
    epochs: int = setting(15, "passes over them", least=1)
    batch: int = setting(512, "events in a step", least=1)
    rate: float = setting(0.0, "peak learning rate; 0: the network's own", least=0, most=1)
    width: int = setting(0, "units of a hidden layer; 0: the network's own", least=0, most=4096)
    depth: int = setting(0, "hidden layers; 0: the network's own", least=0, most=20)
    activation: str = setting(
        "relu", "activation of the hidden layers", allowed=("relu", "gelu", "silu", "elu", "selu", "tanh")
    )
    mm2_weight: float = setting(
        0.0, "weight of the error of MM2 in the loss, beside 1 of dlogp; 0: the network's own", least=0
    )
    patience: int = setting(0, "epochs without improvement after which the training ends; 0: never", least=0)


#: Outputs of every estimator.
_ANSWERS = {
    "dlogp": {"unit": "", "meaning": "correction of the logarithm of the proton's momentum"},
    "dmm2": {"unit": "GeV2", "meaning": "change of the squared missing mass by it"},
}

#: Values for settings of 0.
_OWN = {
    "default": {"width": 64, "depth": 3, "rate": 4e-3, "mm2_weight": 0.0},
    "seed": {"width": 412, "depth": 7, "rate": 9.6e-4, "mm2_weight": 1.0},
}


def _simulate(settings: Settings, events: int, seed: int) -> Sample:
    return simulation.simulate(events, settings.eta_share, seed)


def _estimators(settings: Settings) -> Sequence[Estimator]:
    from projects.clas12.baselines import Classical, Forest, examples
    from projects.clas12.networks import Architecture, train_network
    from shashlik.estimators.regression import Regression

    defaults = _OWN[settings.network]
    values: dict[str, Any] = {
        field.name: getattr(settings, field.name) or defaults.get(field.name, 0)
        for field in fields(Architecture)
        if field.name != "kind"
    }
    network = Regression(
        COLUMNS,
        tuple(_ANSWERS),
        partial(train_network, Architecture(settings.network, **values)),
        simulated=0 if settings.data else settings.network_events,
        told=_ANSWERS,
        examples=lambda sample: examples(sample).learnt,
    )
    forest = [Forest(settings.trees)] if settings.trees else []
    return [*(Classical(name) for name in ("raw", "iguana", "polynomial")), *forest, network]


def _pictures(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Figure]:
    from projects.clas12.figures import draw

    return draw(sample, predictions)


def _findings(fitted: Mapping[str, Estimator]) -> Mapping[str, Finding]:
    forest = fitted.get("forest")
    return {"importances": forest.finding()} if forest else {}  # type: ignore[attr-defined]


TASK = Task(
    name="clas12_proton",
    title="Momentum of CLAS12 protons: energy loss corrected by a network that sees the proton alone",
    description=(
        "Protons of e p -> e p pi0 at 10.6 GeV in the forward and central detector of CLAS12. A network's "
        "correction is compared with none, the published one, a polynomial and a random forest; events with "
        "an eta, unseen in training, show whether it learnt the proton or the pi0."
    ),
    schema=simulation.SCHEMA,
    settings=Settings,
    presets={
        "default": {},
        "smoke": {
            "train_events": 4000,
            "test_events": 4000,
            "trees": 10,
            "network_events": 20_000,
            "epochs": 8,
            "batch": 256,
        },
        "seed": {"network": "seed", "network_events": 40_000, "epochs": 10, "batch": 128},
    },
    simulate=_simulate,
    estimators=_estimators,
    residuals=residuals,
    quantities=QUANTITIES,
    binnings=BINNINGS,
    pictures=_pictures,
    extra_metrics=metrics,
    findings=_findings,
    spaces={
        "default": Space(
            {
                "rate": Range(5e-4, 1e-2, log=True),
                "batch": Choice((256, 512, 1024, 2048)),
                "width": Range(16, 256, step=2, log=True),
                "depth": Range(1, 5),
                "activation": Choice(("relu", "gelu", "silu")),
            },
            epochs="epochs",
            events="network_events",
        ),
        # The original study's own search.
        "seed": Space(
            {"depth": Range(2, 8), "width": Range(64, 1024), "rate": Range(1e-7, 1e-2, log=True)},
            fixed={"network": "seed"},
            epochs="epochs",
            events="network_events",
        ),
    },
    rule=Rule(
        primary=("p", "p_relative"),
        rivals=("raw", "iguana", "polynomial"),
        bias={"p": 0.002},
        ns_per_event=1e5,
        megabytes=20.0,
        checks=(
            Check("eta/shift", -0.002, 0.002, "shift of the eta's peak in GeV2, unseen in training"),
            Check("bias_momentum", most=0.01, meaning="largest bias of dP/P in a bin of momentum"),
            Check("bias_theta", most=0.01, meaning="largest bias of dP/P in a bin of polar angle"),
        ),
    ),
)
