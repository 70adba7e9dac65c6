"""ECAL stage 4*: one or more photons anywhere in the whole shashlik part of the calorimeter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from matplotlib.figure import Figure

from projects.ecal.detector import SCHEMA
from projects.ecal.evaluation import counting, photons
from projects.ecal.evaluation.energy_figures import energy_figure, energy_numbers
from projects.ecal.fits.baselines import baselines
from projects.ecal.networks.whole_estimator import WholeEstimator, WholeSettings
from projects.ecal.simulation.events import Scene
from projects.ecal.stages.mixtures import mixture, mixture_limit
from shashlik.exceptions import BadInput
from shashlik.statistics import Binning, Residuals
from shashlik.task.definition import Finding, Task
from shashlik.task.estimator import Estimator
from shashlik.task.rule import Rule
from shashlik.task.sample import Predictions, Sample
from shashlik.task.search_space import Choice, Range, Space
from shashlik.task.settings import RunSettings, setting

__all__ = ["TASK", "Settings"]

_DEFAULT = WholeSettings()
#: Largest number of photons of an event, limited by the network's time and the assignment of photons.
MOST = 4


@dataclass(frozen=True)
class Settings(RunSettings):
    """Parameters of a run."""

    fewest_photons: int = setting(1, "photons of an event at least", least=1, most=MOST)
    most_photons: int = setting(2, "photons of an event at most", least=2, most=MOST)
    incidence: str = setting(
        "target", "whether photons come from the target or in parallel", allowed=("target", "normal")
    )
    energy_low: float = setting(2.0, "smallest photon energy simulated, GeV", least=0.5, most=400)
    energy_high: float = setting(200.0, "largest photon energy simulated, GeV", least=0.5, most=400)
    distance_low: float = setting(
        4.0, "smallest distance of further photons from the first simulated, cm", least=0, most=60
    )
    distance_high: float = setting(
        16.0, "largest distance of further photons from the first simulated, cm", least=0, most=60
    )
    noise: float = setting(0.02, "noise of a cell, GeV", least=0, most=1)
    threshold: float = setting(0.1, "threshold of a cell, GeV", least=0, most=1)
    network_events: int = setting(_DEFAULT.network_events, "events simulated for the network", least=1000)
    finder_epochs: int = setting(_DEFAULT.finder_epochs, "passes of the finder over them", least=1)
    finder_batch: int = setting(_DEFAULT.finder_batch, "events in a step of the finder", least=1)
    finder_rate: float = setting(_DEFAULT.finder_rate, "its peak learning rate", least=1e-9, most=1)
    filters: int = setting(_DEFAULT.filters, "filters of a layer of the finder", least=1, most=512)
    epochs: int = setting(_DEFAULT.epochs, "passes of the correction over their photons", least=1)
    batch: int = setting(_DEFAULT.batch, "photons in a step of the correction", least=1)
    rate: float = setting(_DEFAULT.rate, "its peak learning rate", least=1e-9, most=1)


def _scene(settings: Settings) -> Scene:
    if settings.fewest_photons > settings.most_photons:
        raise BadInput(
            f"fewest_photons={settings.fewest_photons} is more than most_photons={settings.most_photons}; "
            "give at least as many at most"
        )
    return Scene(
        photons=settings.most_photons,
        energy=(settings.energy_low, settings.energy_high),
        distance=(settings.distance_low, settings.distance_high),
        incidence=settings.incidence,  # type: ignore[arg-type]  # checked by the settings
        region="shashlik",
        noise=settings.noise,
        threshold=settings.threshold,
    )


def _simulate(settings: Settings, events: int, seed: int) -> Sample:
    return mixture(_scene(settings), settings.fewest_photons, events, seed)


def _limit(settings: Settings, sample: Sample) -> Predictions:
    return mixture_limit(_scene(settings), settings.fewest_photons, sample)


def _estimators(settings: Settings) -> Sequence[Estimator]:
    values = {field.name: getattr(settings, field.name) for field in fields(WholeSettings)}
    classical = baselines(settings.most_photons, settings.incidence, mixed=True)
    return [*classical, WholeEstimator(WholeSettings(**values))]


def _residuals(sample: Sample, predictions: Predictions) -> Residuals:
    """Return residuals of the true photons; events of the sample may have different numbers of them."""
    return photons.residuals(sample, predictions, MOST, 1)


def _all_residuals(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Residuals]:
    return {name: _residuals(sample, prediction) for name, prediction in predictions.items()}


def _pictures(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, Figure]:
    from projects.ecal.evaluation.event_displays import event_displays

    return {
        "events": event_displays(sample, predictions, photons=MOST, fewest=1),
        "energy_terms": energy_figure(_all_residuals(sample, predictions), photons.QUANTITIES),
    }


def _extra_metrics(sample: Sample, predictions: Mapping[str, Predictions]) -> Mapping[str, float]:
    """Return resolution terms against energy, and ``<estimator>/count/false``: mean surplus photons."""
    all_residuals = _all_residuals(sample, predictions)
    numbers = dict(energy_numbers(all_residuals, photons.QUANTITIES))
    for name, prediction in predictions.items():
        if "photons" in prediction:
            true = next(iter(all_residuals.values())).present.sum(axis=1)
            extra = np.maximum(np.nan_to_num(prediction["photons"]) - true, 0.0)
            numbers[f"{name}/count/false"] = float(extra.mean())
    return numbers


def _probes(settings: Settings, fitted: Mapping[str, Estimator]) -> Mapping[str, Finding]:
    return {"counting": counting.finding(fitted, _scene(settings), settings.test_events, settings.seed)}


TASK = Task(
    name="ecal_stage4_whole",
    title="One or more photons in the whole shashlik part of the COMPASS calorimeter",
    description=(
        "Number, positions and energies of photons of 2 to 200 GeV from the target, anywhere in the 25 x 49 "
        "cells of the shashlik part of ECAL2. A convolutional network finds them; each is fitted with its "
        "neighbour and corrected, as in stage 4. It is compared with the coral and Lednev fits, as shipped "
        "and tuned, which find their clusters themselves."
    ),
    schema=SCHEMA,
    settings=Settings,
    presets={
        "default": {},
        "smoke": {
            "train_events": 4000,
            "test_events": 4000,
            "network_events": 20_000,
            "finder_epochs": 2,
            "epochs": 6,
            "batch": 512,
        },
    },
    simulate=_simulate,
    estimators=_estimators,
    residuals=_residuals,
    quantities=photons.QUANTITIES,
    binnings=(
        *photons.BINNINGS,
        Binning("photons", "", "photons of the event", tuple(0.5 + number for number in range(MOST + 1))),
    ),
    carried=lambda sample: photons.carried(sample, MOST),
    limit=_limit,
    pictures=_pictures,
    extra_metrics=_extra_metrics,
    probes=_probes,
    spaces={
        "default": Space(
            {
                "finder_rate": Range(1e-3, 1e-2, log=True),
                "finder_batch": Choice((32, 64, 128, 256)),
                "filters": Range(8, 64, step=2, log=True),
                "rate": Range(2e-4, 8e-3, log=True),
                "batch": Choice((512, 1024, 2048, 4096)),
            },
            epochs="epochs",
            events="network_events",
        ),
    },
    rule=Rule(
        primary=("x", "y", "energy"),
        rivals=("coral", "lednev", "coral-tuned", "lednev-tuned"),
        bias={"x": 0.02, "y": 0.02, "energy": 0.005},
        ns_per_event=5e6,
        megabytes=50.0,
    ),
)
