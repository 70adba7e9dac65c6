"""ECAL stage 2: one photon of 2 to 200 GeV at right angles, in a 5 x 5 window of cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from projects.ecal import single_task
from projects.ecal.detector import SCHEMA
from projects.ecal.photons import QUANTITIES
from projects.ecal.scenes import limit, simulator
from projects.ecal.simulation import Scene
from projects.ecal.studies import STAGE2
from shashlik.task.definition import Estimator, Task
from shashlik.task.settings import setting

__all__ = ["TASK", "Settings"]


@dataclass(frozen=True)
class Settings(single_task.SingleSettings):
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
    return single_task.estimators(settings, "normal", scaling="sample")


TASK = Task(
    name="ecal_stage2",
    title="One photon of 2 to 200 GeV in the COMPASS shashlik calorimeter",
    description=(
        "Position and energy of photons from 5 x 5 cells of ECAL2. A network that corrects a shower fit is "
        "compared with the coral and Lednev fits, as shipped and tuned."
    ),
    schema=SCHEMA,
    settings=Settings,
    presets=single_task.presets(batch=64),
    simulate=simulator(_scene),
    estimators=_estimators,
    residuals=single_task.residuals,
    quantities=QUANTITIES,
    binnings=single_task.BINNINGS,
    carried=single_task.carried,
    limit=limit(_scene),
    pictures=single_task.pictures,
    extra_metrics=single_task.extra_metrics,
    spaces=single_task.spaces(),
    study=STAGE2,
    rule=single_task.rule("x", "y", "energy"),
)
