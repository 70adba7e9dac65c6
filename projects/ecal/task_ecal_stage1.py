"""ECAL stage 1: one photon of 140 GeV at normal incidence, in a 5 x 5 window of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from projects.ecal.detector import SCHEMA
from projects.ecal.evaluation.photons import QUANTITIES
from projects.ecal.simulation.events import Scene
from projects.ecal.stages import single_photon
from projects.ecal.stages.ablations import STAGE1
from projects.ecal.stages.scenes import limit, simulator
from shashlik.statistics import Residuals
from shashlik.task.definition import Task
from shashlik.task.estimator import Estimator
from shashlik.task.sample import Predictions, Sample
from shashlik.task.settings import setting

__all__ = ["TASK", "Settings"]


@dataclass(frozen=True)
class Settings(single_photon.SingleSettings):
    """Parameters of a run."""

    energy: float = setting(140.0, "energy of the photons simulated, GeV", least=0.5, most=400)


def _scene(settings: Settings) -> Scene:
    return Scene(
        photons=1,
        energy=(settings.energy, settings.energy),
        noise=settings.noise,
        threshold=settings.threshold,
    )


def _estimators(settings: Settings) -> Sequence[Estimator]:
    return single_photon.estimators(settings, "normal", scaling="event")


def _residuals(sample: Sample, predictions: Predictions) -> Residuals:
    """Return the residuals of the position only."""
    all_residuals = single_photon.residuals(sample, predictions)
    return replace(
        all_residuals,
        values={quantity.name: all_residuals.values[quantity.name] for quantity in QUANTITIES[:2]},
    )


TASK = Task(
    name="ecal_stage1",
    title="One photon of 140 GeV in the COMPASS shashlik calorimeter",
    description=(
        "Position of photons of one energy from 5 x 5 cells of ECAL2. Their energy is found too, but not "
        "judged: who always answers 140 GeV is never wrong. A network that corrects a shower fit is compared "
        "with the coral and Lednev fits, as shipped and tuned."
    ),
    schema=SCHEMA,
    settings=Settings,
    presets=single_photon.presets(batch=50),
    simulate=simulator(_scene),
    estimators=_estimators,
    residuals=_residuals,
    quantities=QUANTITIES[:2],
    binnings=single_photon.BINNINGS,
    carried=single_photon.carried,
    limit=limit(_scene),
    spaces=single_photon.spaces(),
    study=STAGE1,
    rule=single_photon.rule("x", "y"),
)
