"""ECAL stage 3: one photon of 2 to 200 GeV from the target, so that its angle follows from its position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import awkward as ak
import numpy as np

from projects.ecal.detector import SCHEMA, SHASHLIK
from projects.ecal.evaluation.photons import QUANTITIES
from projects.ecal.simulation.events import Scene
from projects.ecal.stages import single_photon
from projects.ecal.stages.ablations import STAGE3
from projects.ecal.stages.scenes import limit, simulator
from shashlik.exceptions import BadInput
from shashlik.statistics import Residuals
from shashlik.task.definition import Task
from shashlik.task.estimator import Estimator
from shashlik.task.sample import Predictions, Sample
from shashlik.task.settings import setting

__all__ = ["TASK", "Settings"]


@dataclass(frozen=True)
class Settings(single_photon.SingleSettings):
    """Parameters of a run."""

    energy_low: float = setting(2.0, "smallest photon energy simulated, GeV", least=0.5, most=400)
    energy_high: float = setting(200.0, "largest photon energy simulated, GeV", least=0.5, most=400)
    dataset: int = setting(
        2, "1: angles up to 0.012 rad; 2: the whole shashlik part, up to 0.027 rad", allowed=(1, 2)
    )
    position: bool = setting(
        True,
        "whether the network knows where its window lies: 27 inputs instead of 25",
        allowed=(True, False),
    )


def _scene(settings: Settings) -> Scene:
    return Scene(
        photons=1,
        energy=(settings.energy_low, settings.energy_high),
        incidence="target",
        region="dataset1" if settings.dataset == 1 else "shashlik",
        noise=settings.noise,
        threshold=settings.threshold,
    )


def _estimators(settings: Settings) -> Sequence[Estimator]:
    return single_photon.estimators(settings, "target", scaling="fixed")


def _residuals(sample: Sample, predictions: Predictions) -> Residuals:
    """Return the residuals of events with shashlik cells only, as in the original study.

    Raises
    ------
    BadInput
        If a file contains a cell of another type.
    """
    if "cell_type" in sample:
        foreign = ak.to_numpy(ak.any(sample["cell_type"] != SHASHLIK, axis=1))
        if foreign.any():
            event = int(np.flatnonzero(foreign)[0])
            raise BadInput(
                f"{sample.source}: event {event} has a cell that is not shashlik (cell_type {SHASHLIK}); "
                "stage 3 judges clusters of shashlik cells: remove such events"
            )
    return single_photon.residuals(sample, predictions)


TASK = Task(
    name="ecal_stage3",
    title="One photon from the target in the COMPASS shashlik calorimeter",
    description=(
        "Position and energy of photons of 2 to 200 GeV that come from the target at up to 27 mrad, from "
        "5 x 5 cells of ECAL2, knowing or not where these are. A network that corrects a shower fit is "
        "compared with the coral and Lednev fits, as shipped and tuned."
    ),
    schema=SCHEMA,
    settings=Settings,
    presets=single_photon.presets(batch=64),
    simulate=simulator(_scene),
    estimators=_estimators,
    residuals=_residuals,
    quantities=QUANTITIES,
    binnings=single_photon.BINNINGS,
    carried=single_photon.carried,
    limit=limit(_scene),
    pictures=single_photon.pictures,
    extra_metrics=single_photon.extra_metrics,
    spaces=single_photon.spaces(),
    study=STAGE3,
    rule=single_photon.rule("x", "y", "energy"),
)
