"""The classical reconstructions of the COMPASS calorimeter as estimators, as shipped and tuned.

``coral`` and ``lednev`` carry the shower profile that their experiment ships; ``coral-tuned`` and
``lednev-tuned`` are the same fits with profile and energy response refitted on the training sample, so that
a network is compared with a method and not with a calibration. ``gravity`` is the corrected centre of
gravity of a single photon.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH, X0, Z_TARGET
from projects.ecal.evaluation.photons import of_number, true_photons
from projects.ecal.fits import (
    centre_of_gravity,
    clusters,
    compiled_profile,
    coral,
    corrections,
    lednev,
    reconstruction,
    shower_fit,
)
from projects.ecal.simulation.profile import PROFILES
from shashlik.estimators import portable
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench, Estimator, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["CentreOfGravity", "ProfileFit", "baselines", "cell_arrays", "shipped", "truth_array"]

_SHIPPED = {"coral": "coral-mc-2008", "lednev": "lednev-new"}
_DETECTOR: dict[str, Any] = {"pitch": PITCH, "z_target": Z_TARGET, "radiation_length": X0}


def cell_arrays(sample: Sample) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return offsets and flat cell positions (cm) and energies (GeV) of a sample, as the fits take them."""
    counts = ak.to_numpy(ak.num(sample["cell_e"]))
    x, y, energy = (
        np.asarray(ak.to_numpy(ak.flatten(sample[name])), dtype=np.float64)
        for name in ("cell_x", "cell_y", "cell_e")
    )
    return np.concatenate([[0], np.cumsum(counts)]), x, y, energy


def truth_array(sample: Sample, photons: int, fewest: int | None = None) -> NDArray[np.float64]:
    """Return true x, y (cm) and energy (GeV), shape (events, photons, 3); arguments of `true_photons`."""
    truth = true_photons(sample, photons, fewest)
    return np.stack([truth["x"], truth["y"], truth["e"]], axis=-1)


@dataclass(frozen=True)
class ProfileFit:
    """The coral or the Lednev fit as an estimator.

    Predicts ``x1 y1 e1 ...`` for `photons` photons, the most energetic first, their fitted errors ``sx1 sy1
    se1 ...``, ``chi2`` and ``photons``, the number found. If fewer are found, the last ones are NaN and count
    against the efficiency. A pair fitted as one photon is reported in first place and evaluated against the
    true photon that it matches best.

    Parameters
    ----------
    name : str
    method : Reconstruction
        Rules and parameters.
    photons : int
        Photons of an event.
    tuned : bool
        Whether `fit` refits profile and response.
    mixed : bool
        Whether events may have fewer photons; the refit uses only events with `photons`.
    """

    name: str
    method: reconstruction.Reconstruction
    photons: int
    tuned: bool = False
    mixed: bool = False

    def fit(self, train: Sample, bench: Bench) -> ProfileFit:
        """Refit profile and response on the training sample, unless the fit is used as shipped."""
        if not self.tuned:
            return self
        from projects.ecal.fits.tuning import tuned_profile, tuned_response

        if self.mixed:
            train = of_number(train, self.photons)
        cells, truth = cell_arrays(train), truth_array(train, self.photons)
        return replace(self, method=tuned_response(tuned_profile(self.method, cells, truth), cells, truth))

    def predict(self, sample: Sample) -> Predictions:
        """Predict the photons of every event."""
        return self.method.columns(self.method.find(*cell_arrays(sample)))

    def portable(self, folder: Path) -> Portable:
        """Write the fit as one file that needs numpy and numba."""
        modules = (corrections, compiled_profile, shower_fit, clusters, coral, lednev, reconstruction)
        return _portable(modules, asdict(self.method), ("numpy", "numba"), folder)


@dataclass(frozen=True)
class CentreOfGravity:
    """The corrected centre of gravity as an estimator of single photons: ``x1 y1 e1``."""

    method: centre_of_gravity.Gravity
    name: str = "gravity"

    def fit(self, train: Sample, bench: Bench) -> CentreOfGravity:
        """Fit the S-curve and the response to the training sample."""
        from projects.ecal.fits.tuning import tuned_gravity

        return replace(self, method=tuned_gravity(self.method, cell_arrays(train), truth_array(train, 1)))

    def predict(self, sample: Sample) -> Predictions:
        """Predict the photon of every event."""
        return self.method.columns(self.method.moments(*cell_arrays(sample)))

    def portable(self, folder: Path) -> Portable:
        """Write the estimator as one file that needs numpy."""
        return _portable((corrections, centre_of_gravity), asdict(self.method), ("numpy",), folder)


def _portable(
    modules: tuple[ModuleType, ...],
    parameters: Mapping[str, Any],
    requirements: tuple[str, ...],
    folder: Path,
) -> Portable:
    module = portable.join(modules, folder)
    path = folder / "parameters.json"
    path.write_text(json.dumps(parameters, indent=1))
    return Portable(module, {"parameters": path}, requirements, ("cell_x", "cell_y", "cell_e"))


def shipped(rules: str, photons: int, incidence: str) -> reconstruction.Reconstruction:
    """Return the fit `rules` with the profile that its experiment ships; arguments as in `baselines`."""
    profile = PROFILES[_SHIPPED[rules]]
    # The fits determine the number of several photons themselves.
    assumed = photons if photons == 1 else 0
    return reconstruction.Reconstruction(
        rules, profile.a, profile.b, kept=photons, wanted=assumed, incidence=incidence, **_DETECTOR
    )


def baselines(photons: int, incidence: str, mixed: bool = False) -> list[Estimator]:
    """Return the classical estimators of a task, not yet fitted.

    Parameters
    ----------
    photons : int
        Photons of an event, 1 to 8. With 1 the fits assume a single photon, otherwise they determine the
        number themselves.
    incidence : {"normal", "target"}
        Whether photons hit the calorimeter perpendicularly or come from the target.
    mixed : bool
        Whether events may have fewer photons.

    Raises
    ------
    BadInput
        For another number of photons or another incidence.
    """
    if not 1 <= photons <= shower_fit.MOST:
        raise BadInput(f"photons = {photons} has no classical baselines; allowed: 1 to {shower_fit.MOST}")
    if incidence not in ("normal", "target"):
        raise BadInput(f"incidence = {incidence!r} is unknown; allowed: normal, target")
    estimators: list[Estimator] = []
    if photons == 1:
        estimators.append(CentreOfGravity(centre_of_gravity.Gravity(incidence=incidence, **_DETECTOR)))
    for rules in _SHIPPED:
        method = shipped(rules, photons, incidence)
        estimators.append(ProfileFit(rules, method, photons, mixed=mixed))
        estimators.append(ProfileFit(f"{rules}-tuned", method, photons, tuned=True, mixed=mixed))
    return estimators
