"""Information limit of photons in the simulated calorimeter: the best resolution of any estimator.

For every event, the module computes the Cramér-Rao bound on x, y and the energy of all photons from the mean
and the full covariance of the cells: shower fluctuations, gains, noise, threshold. The estimator ``bound``
adds a random deviation from the bound's covariance to the truth, so that its widths, bins and intervals come
from the same code as those of all other estimators. docs/information-limit.md explains the scope of the
bound.
"""

from __future__ import annotations

from dataclasses import fields

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from projects.ecal.evaluation.photons import true_photons
from projects.ecal.limit.event_moments import STEP, Lattice, endless, event_moments, shashlik
from projects.ecal.limit.information import conversion, gaussian_information, leakage
from projects.ecal.limit.shower_parts import Parts, parts
from projects.ecal.simulation.events import Scene
from projects.ecal.simulation.showers import ShowerModel, geant4_model
from shashlik.exceptions import BadInput
from shashlik.task.sample import Predictions, Sample

__all__ = ["bound", "covariances", "moments_of"]

Values = NDArray[np.floating]

#: Events computed at once.
_CHUNK = 1000
#: Prior information, 1 / cm^2: the photon hits the calorimeter. It keeps matrices regular.
_PRIOR = 1e-4


def _lattice(scene: Scene) -> Lattice:
    if scene.fluctuations != "full" or scene.smearing != "none":
        raise BadInput(
            f"fluctuations {scene.fluctuations!r} and smearing {scene.smearing!r} have no bound here; "
            "it is made for fluctuations 'full' and smearing 'none'"
        )
    return endless(scene.grid) if scene.region == "central" else shashlik()


def _flat(values: Values, like: Values) -> Values:
    return np.broadcast_to(values, like.shape).ravel()


def _prepared(scene: Scene, model: ShowerModel, photons: dict[str, Values]) -> tuple:
    """Prepare the compiled code's arguments: impacts from the first cell, slopes, parts, latent numbers."""
    lattice, energy = _lattice(scene), photons["e"]
    scaled = energy * np.exp(STEP * np.array([0.0, 1.0]))[:, None, None]
    slope = None
    if scene.incidence == "target":
        slope = (_flat(photons["tx"], scaled), _flat(photons["ty"], scaled))
    leak, depth = leakage(model), conversion()
    flat = parts(model, scaled.ravel(), leak.mean, slope)
    arrays = tuple(
        np.ascontiguousarray(np.moveaxis(array.reshape(*scaled.shape, *array.shape[1:]), 1, 0))
        for array in (getattr(flat, part.name) for part in fields(Parts))
    )
    turn = 1.0 if slope is not None else 0.0
    readout = (scene.noise, scene.gain_spread, scene.threshold, model.spot_gev)
    coupling = model.leakage_growth / np.hypot(model.leakage_growth, model.leakage_spread)
    return (
        photons["x"] - lattice.x,
        photons["y"] - lattice.y,
        turn * photons["tx"],
        turn * photons["ty"],
        lattice.present,
        arrays,
        readout,
        (leak.widths, leak.variances),
        (depth.widths, depth.variances),
        float(coupling),
    )


@numba.njit(cache=True)
def _fisher_information(x, y, slope_x, slope_y, present, parts, readout, leak, depth, coupling):
    """Compute the Fisher information of events, shape (events, 3 photons, 3 photons)."""
    information = np.zeros((len(x), 3 * x.shape[1], 3 * x.shape[1]))
    for event in range(len(x)):
        event_parts = (
            parts[0][event],
            parts[1][event],
            parts[2][event],
            parts[3][event],
            parts[4][event],
            parts[5][event],
            parts[6][event],
            parts[7][event],
            parts[8][event],
        )
        cells, _, slope, covariance, covariance_slope = event_moments(
            x[event],
            y[event],
            slope_x[event],
            slope_y[event],
            present,
            event_parts,
            readout,
            leak,
            depth,
            coupling,
        )
        if len(cells):
            information[event] = gaussian_information(slope, covariance, covariance_slope)
    return information


def moments_of(scene: Scene, photons: dict[str, Values], model: ShowerModel | None = None):
    """Compute the moments of the cells of a single event, for checks; see
    `projects.ecal.limit.event_moments.event_moments`.

    Parameters
    ----------
    scene : Scene
    photons : dict of str to ndarray, shape (1, photons)
        As in `covariances`.
    model : ShowerModel, optional
        By default the model of the simulation.
    """
    x, y, slope_x, slope_y, present, arrays, *constants = _prepared(scene, model or geant4_model(), photons)
    event_parts = tuple(array[0] for array in arrays)
    return event_moments(x[0], y[0], slope_x[0], slope_y[0], present, event_parts, *constants)


def covariances(
    scene: Scene, photons: dict[str, Values], model: ShowerModel | None = None
) -> NDArray[np.float64]:
    """Compute Cramér-Rao bounds on the covariance of unbiased estimates of all photons of an event.

    Parameters
    ----------
    scene : Scene
        Incidence, region, noise, gains and threshold.
    photons : dict of str to ndarray, shape (events, photons)
        True ``x, y`` (cm), ``e`` (GeV), ``tx, ty`` (rad).
    model : ShowerModel, optional
        Model of the shower fluctuations, by default that of the simulation.

    Returns
    -------
    ndarray, shape (events, 3 photons, 3 photons)
        For x, y (cm) and relative energy of the first photon, then of the next.

    Raises
    ------
    BadInput
        For a scene whose showers do not fluctuate, or with the smearing of coral's simulation.
    """
    model = model or geant4_model()
    _lattice(scene)
    count = 3 * photons["x"].shape[1]
    bounds = [np.zeros((0, count, count))]
    for first in range(0, len(photons["x"]), _CHUNK):
        batch = {name: np.ascontiguousarray(array[first : first + _CHUNK]) for name, array in photons.items()}
        # The threads of a linear algebra library slow it down on matrices as small as these.
        with threadpool_limits(1):
            information = _fisher_information(*_prepared(scene, model, batch))
        bounds.append(np.linalg.inv(information + _PRIOR * np.eye(count)))
    return np.concatenate(bounds)


def bound(scene: Scene, sample: Sample) -> Predictions:
    """Predict like an estimator that reaches the Cramér-Rao bound in every event.

    Adds a normal deviation with the bound's covariance to the truth; the sample's content is the random seed.

    Parameters
    ----------
    scene : Scene
        Scene of the sample's simulation.
    sample : Sample
        Events with their truth, `scene.photons` photons in each.

    Returns
    -------
    Predictions
        ``x1 y1 e1 ...`` in the order of the truth, and ``sx1 sy1 se1 ...``, the bound's own
        standard deviations.

    Raises
    ------
    BadInput
        For events with another number of photons, and as in `covariances`.
    """
    truth = true_photons(sample, scene.photons)
    covariance = covariances(scene, truth)
    rng = np.random.default_rng(int(sample.sha256[:16], 16))
    normal = rng.standard_normal(covariance.shape[:2])
    deviations = np.einsum("nij,nj->ni", np.linalg.cholesky(covariance), normal)
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    predictions: dict[str, NDArray[np.floating]] = {}
    for photon in range(scene.photons):
        x, y, energy = (truth[name][:, photon] for name in "xye")
        along, up, relative = deviations[:, 3 * photon : 3 * photon + 3].T
        predictions |= {
            f"x{photon + 1}": x + along,
            f"y{photon + 1}": y + up,
            f"e{photon + 1}": energy * (1 + relative),
        }
        wide = sigma[:, 3 * photon : 3 * photon + 3].T * np.array([np.ones_like(x), np.ones_like(x), energy])
        predictions |= {f"s{name}{photon + 1}": value for name, value in zip("xye", wide, strict=True)}
    return predictions
