"""ECAL stage 2: one photon of 2 to 200 GeV at normal incidence, in a 5 x 5 window of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from projects.ecal.detector import SCHEMA
from projects.ecal.evaluation.photons import QUANTITIES
from projects.ecal.simulation.events import Scene
from projects.ecal.stages import single_photon
from projects.ecal.stages.ablations import STAGE2
from projects.ecal.stages.scenes import limit, simulator
from shashlik.task.definition import Task
from shashlik.task.estimator import Estimator
from shashlik.task.settings import setting

__all__ = ["TASK", "Settings"]


@dataclass(frozen=True)
class Settings(single_photon.SingleSettings):
    """Parameters of a run."""

    energy_low: float = setting(2.0, "smallest photon energy simulated, GeV", least=0.5, most=400)
    energy_high: float = setting(200.0, "largest photon energy simulated, GeV", least=0.5, most=400)


def _scene(settings: Settings) -> Scene:
    return Scene(
        photons=1,
        energy=(settings.energy_low, settings.energy_high),
        noise=settings.noise,
        threshold=settings.threshold,
    )


def _estimators(settings: Settings) -> Sequence[Estimator]:
    return single_photon.estimators(settings, "normal", scaling="sample")


TASK = Task(
    name="ecal_stage2",
    title="One photon of 2 to 200 GeV in the COMPASS shashlik calorimeter",
    description=(
        "Position and energy of photons from 5 x 5 cells of ECAL2. A network that corrects a shower fit is "
        "compared with the coral and Lednev fits, as shipped and tuned."
    ),
    schema=SCHEMA,
    settings=Settings,
    presets=single_photon.presets(batch=64),
    simulate=simulator(_scene),
    estimators=_estimators,
    residuals=single_photon.residuals,
    quantities=QUANTITIES,
    binnings=single_photon.BINNINGS,
    carried=single_photon.carried,
    limit=limit(_scene),
    pictures=single_photon.pictures,
    extra_metrics=single_photon.extra_metrics,
    spaces=single_photon.spaces(),
    study=STAGE2,
    rule=single_photon.rule("x", "y", "energy"),
)
