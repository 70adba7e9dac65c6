"""Common parts of the single-photon stages: settings, presets, evaluation, promotion rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from projects.ecal.evaluation import photons
from projects.ecal.fits.baselines import baselines
from projects.ecal.networks.pair_estimator import NetworkEstimator, NetworkSettings
from projects.ecal.stages.switches import HELP, switched
from shashlik.statistics import Residuals
from shashlik.task.estimator import Estimator
from shashlik.task.rule import Rule
from shashlik.task.sample import Predictions, Sample
from shashlik.task.search_space import Choice, Range, Space
from shashlik.task.settings import RunSettings, setting

__all__ = [
    "BINNINGS",
    "WINDOW",
    "SingleSettings",
    "carried",
    "estimators",
    "extra_metrics",
    "pictures",
    "presets",
    "residuals",
    "rule",
    "spaces",
]

#: Cells on a side of the window, as in the original study.
WINDOW = 5


@dataclass(frozen=True)
class SingleSettings(RunSettings):
    """Parameters of a run with one photon per event."""

    noise: float = setting(0.02, "noise of a cell, GeV", least=0, most=1)
    threshold: float = setting(0.1, "threshold of a cell, GeV", least=0, most=1)
    cluster: str = setting(
        "corners",
        "what links hit cells to a cluster: common sides, or corners too",
        allowed=("sides", "corners"),
    )
    larger: str = setting(
        "cut",
        "clusters larger than the 5 x 5 window are cut, or dropped without an answer",
        allowed=("cut", "drop"),
    )
    placement: str = setting("centred", "how the window is placed in training", allowed=("centred", "random"))
    network: str = setting(
        "default", "the corrected fit, or the network of the original study", allowed=("default", "seed")
    )
    network_events: int = setting(400_000, "events simulated for the network", least=1000)
    epochs: int = setting(20, "passes over them", least=1)
    batch: int = setting(1024, "events in a step", least=1)
    rate: float = setting(2e-3, "peak learning rate", least=1e-9, most=1)
    patience: int = setting(0, "epochs without improvement after which the training ends; 0: never", least=0)
    width: int = setting(128, "units of a hidden layer", least=1, most=4096)
    depth: int = setting(3, "hidden layers", least=0, most=20)
    activation: str = setting(
        "relu", "activation of the hidden layers", allowed=("relu", "gelu", "silu", "elu", "selu", "tanh")
    )
    dropout: float = setting(0.0, "share of the units left out in training", least=0, most=0.9)
    switches: str = setting("", HELP)


def presets(batch: int) -> Mapping[str, Mapping[str, Any]]:
    """Return ``default``, ``smoke``, and ``seed``: the study's training and batch size, fewer events."""
    return {
        "default": {},
        "smoke": {
            "train_events": 4000,
            "test_events": 4000,
            "network_events": 30_000,
            "epochs": 8,
            "batch": 512,
        },
        "seed": {
            "network": "seed",
            "network_events": 40_000,
            "epochs": 200,
            "batch": batch,
            "rate": 1e-5,
            "placement": "random",
        },
    }


def estimators(settings: SingleSettings, incidence: str, scaling: str) -> Sequence[Estimator]:
    """Return the classical methods of a single photon, then the network; settings are matched by name.

    Parameters
    ----------
    settings : SingleSettings
    incidence : {"normal", "target"}
    scaling : str
        Scaling of the study's network, see `projects.ecal.networks.original_networks.network`.
    """
    common = {field.name for field in fields(NetworkSettings)} & {field.name for field in fields(settings)}
    values = {name: getattr(settings, name) for name in common}
    values["switches"] = switched(settings.switches, settings.network, 1, incidence)
    network = NetworkSettings(photons=1, window=WINDOW, incidence=incidence, scaling=scaling, **values)
    return [*baselines(1, incidence), NetworkEstimator(network)]


#: Binnings for events with one photon.
BINNINGS = tuple(
    binning for binning in photons.BINNINGS if binning.name in ("energy", "cell_position", "angle")
)

#: Functions of a task with a fixed number of one photon.
residuals = partial(photons.residuals, photons=1)
carried = partial(photons.carried, photons=1)


def _all_residuals(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Residuals]:
    return {name: residuals(sample, prediction) for name, prediction in predictions.items()}


def pictures(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Figure]:
    """Draw resolution against energy, for tasks with more than one energy."""
    from projects.ecal.evaluation.energy_figures import energy_figure

    return {"energy_terms": energy_figure(_all_residuals(sample, predictions), photons.QUANTITIES)}


def extra_metrics(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, float]:
    """Return the terms of the resolution against energy, see `projects.ecal.evaluation.energy_terms`."""
    from projects.ecal.evaluation.energy_figures import energy_numbers

    return energy_numbers(_all_residuals(sample, predictions), photons.QUANTITIES)


def rule(*primary: str) -> Rule:
    """Return the promotion rule of single-photon networks: at least one of `primary` better than all fits."""
    return Rule(
        primary=primary,
        rivals=("coral", "lednev", "coral-tuned", "lednev-tuned"),
        bias={"x": 0.02, "y": 0.02, "energy": 0.005},
        ns_per_event=1e6,
        megabytes=50.0,
    )


def spaces(placement: tuple[str, ...] = ("centred", "random")) -> Mapping[str, Space]:
    """Return the search spaces of our network, and of the study's own network."""
    return {
        "default": Space(
            {
                "rate": Range(2e-4, 8e-3, log=True),
                "batch": Choice((256, 512, 1024, 2048)),
                "width": Range(32, 256, step=2, log=True),
                "depth": Range(1, 5),
                "activation": Choice(("relu", "gelu", "silu")),
                "dropout": Choice((0.0, 0.05, 0.1)),
            },
            epochs="epochs",
            events="network_events",
        ),
        "seed": Space(
            {
                "rate": Range(1e-6, 1e-3, log=True),
                "batch": Choice((32, 64, 128, 256, 512)),
                "placement": Choice(placement),
            },
            fixed={"network": "seed"},
            epochs="epochs",
            events="network_events",
        ),
    }
