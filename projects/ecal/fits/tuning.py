"""Refit the shower profile and the response of a classical method on training events with truth.

The profile minimises the fit's own chi2, with the photons at their true positions and free energies. The
response and the S-curve are fitted to the photons that the method then reconstructs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from projects.ecal.fits.centre_of_gravity import Gravity, curve_terms
from projects.ecal.fits.clusters import lattice
from projects.ecal.fits.compiled_profile import span_of
from projects.ecal.fits.coral import coral_cells
from projects.ecal.fits.corrections import front_face
from projects.ecal.fits.lednev import lednev_cells
from projects.ecal.fits.reconstruction import Found, Reconstruction, threaded
from projects.ecal.fits.shower_fit import shares_at
from shashlik.exceptions import BadInput

__all__ = ["tuned_gravity", "tuned_profile", "tuned_response"]

Cells = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]

#: Start of a tuned profile. Three terms, because two miss the cumulative of real showers by up to 0.03.
_START_A, _START_B = (0.4, 0.65), (0.15, 0.75, 10.0)
_LEAST_B, _MOST_B = 0.03, 40.0
_PROFILE_EVENTS = 2000
#: Events this far above the median chi2 are excluded: a photon at the beam hole, where cells are missing, or
#: a third photon.
_OUTLIER = 10.0
#: A reconstructed photon this close (cm) to a true one is matched to it.
_MATCHED_CM = 1.0
_LEAST_MATCHED = 50


@njit(cache=True, nogil=True, error_model="numpy")
def _residuals(first, last, offsets, x, y, energy, shape, lednev, showers, threshold, out):
    """Fill out[event, cell] with the pulls of cells around showers at (x, y) = showers[event], energies free.

    With two showers the best energies solve a 2x2 system; unusable rows stay zero.
    """
    for n in range(first, last):
        cut = slice(offsets[n], offsets[n + 1])
        good, event = lattice(x[cut], y[cut], energy[cut], shape.pitch, threshold)
        if not good or event.ix.size == 0:
            continue
        member = np.ones(event.ix.size, np.bool_)
        cells = lednev_cells(event, member, threshold) if lednev else coral_cells(event, member, threshold)
        number, count = len(showers[n]), cells.ix.size
        photons, prediction = np.ones((number, 3)), np.empty(count)
        for k in range(number):
            photons[k, 0], photons[k, 1] = showers[n, k, 0] - event.x0, showers[n, k, 1] - event.y0
        jacobian = np.empty((3 * number, count))
        shares_at(photons, shape, cells, span_of(cells.ix, cells.iy), jacobian, prediction)
        normal, right = np.zeros((number, number)), np.zeros(number)
        for c in range(cells.lit):
            for k in range(number):
                share = jacobian[3 * k + 2, c] * cells.weight[c]
                right[k] += share * cells.energy[c]
                for m in range(number):
                    normal[k, m] += share * jacobian[3 * m + 2, c]
        visible = np.linalg.solve(normal, right)
        for c in range(count):
            expected = 0.0
            for k in range(number):
                expected += visible[k] * jacobian[3 * k + 2, c]
            if not cells.limit[c] or expected > cells.energy[c]:
                out[n, c] = (expected - cells.energy[c]) * np.sqrt(cells.weight[c])


def tuned_profile(fit: Reconstruction, cells: Cells, truth: NDArray[np.float64]) -> Reconstruction:
    """Return the fit with the three-term profile that describes the training showers best.

    Parameters
    ----------
    fit : Reconstruction
    cells : tuple of ndarray
        Offsets, x, y (cm) and energies (GeV) in the form of `Reconstruction.find`; the first 2000 events are
        used.
    truth : ndarray, shape (events, photons, 3)
        True x, y (cm, at the front face) and energy (GeV).
    """
    events = min(len(truth), _PROFILE_EVENTS)
    showers = _showers(fit, truth[:events])
    room = 9 * int(np.diff(cells[0][: events + 1]).max())
    flat = tuple(np.ascontiguousarray(part, dtype=np.float64) for part in cells[1:])
    offsets = np.asarray(cells[0], dtype=np.int64)

    def candidate(point: NDArray[np.float64]) -> Reconstruction:
        a = (float(point[0]), float(point[1]), 1.0 - float(point[0] + point[1]))
        return replace(fit, a=a, b=tuple(float(width) for width in np.exp(point[2:])))

    def pulls(point: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros((events, room))
        shape, lednev = candidate(point).shape, fit.rules == "lednev"
        threaded(
            lambda first, last: _residuals(
                first, last, offsets, *flat, shape, lednev, showers, fit.threshold, out
            ),
            events,
        )
        return out

    start = np.concatenate([_START_A, np.log(_START_B)])
    first = pulls(start)
    # cells come first in every row, the rest of it stays zero
    width = int(np.flatnonzero(first.any(axis=0)).max(initial=0)) + 1
    chi2 = np.square(first).sum(axis=1)
    typical = chi2 < _OUTLIER * np.median(chi2)
    low, high = np.log(_LEAST_B), np.log(_MOST_B)
    # The pulls have threads of their own; those of a linear algebra library spin while they wait for them.
    with threadpool_limits(limits=1, user_api="blas"):
        best = least_squares(
            lambda point: pulls(point)[typical, :width].ravel(),
            start,
            bounds=([-2, -2, low, low, low], [3, 3, high, high, high]),
            x_scale=(0.1, 0.1, 0.3, 0.1, 0.5),
            diff_step=1e-4,
        )
    return candidate(best.x)


def tuned_response(fit: Reconstruction, cells: Cells, truth: NDArray[np.float64]) -> Reconstruction:
    """Tune the energy response to the photons found in training; parameters as `tuned_profile`."""
    reconstructed = fit.find(*cells)
    measured, true = _matched(fit, reconstructed, truth)
    return replace(fit, response=_response(measured, true))


def tuned_gravity(gravity: Gravity, cells: Cells, truth: NDArray[np.float64]) -> Gravity:
    """Tune S-curve and response of a centre of gravity to training; parameters as `tuned_profile`."""
    moments = gravity.moments(*cells)
    showers = _showers(gravity, truth)[:, 0]
    energy = moments["e"]
    target_u = (showers[:, 0] - moments["x"]) / gravity.pitch
    target_v = (showers[:, 1] - moments["y"]) / gravity.pitch
    # a centre next to the true cell is valid where a photon hits an edge; one farther away is another
    # particle
    usable = np.isfinite(energy) & (np.abs(target_u) < 1.0) & (np.abs(target_v) < 1.0)
    _enough(int(usable.sum()), "the centre of gravity")
    terms = np.concatenate([curve_terms(moments[name][usable], energy[usable]) for name in ("u", "v")])
    target = np.concatenate([target_u[usable], target_v[usable]])
    # resolution of a centre of gravity in cells, so that soft photons do not outweigh the hard ones
    weight = 1.0 / np.tile(0.2 / np.sqrt(energy[usable]) + 0.01, 2)
    curve = least_squares(
        lambda point: weight * (terms @ point - target), np.eye(terms.shape[1])[0], loss="soft_l1"
    ).x
    response = _response(energy[usable], truth[usable, 0, 2])
    return replace(gravity, curve=tuple(float(value) for value in curve), response=response)


def _showers(method: Reconstruction | Gravity, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the shower positions of the true photons in the calorimeter, shape (events, photons, 2), cm."""
    if method.incidence == "normal":
        return np.ascontiguousarray(truth[:, :, :2])
    return truth[:, :, :2] / front_face(truth[:, :, 2], method.radiation_length, method.z_target)[:, :, None]


def _matched(
    fit: Reconstruction, reconstructed: Found, truth: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Match photons within 1 cm in events with the right number; return fitted and true energies (GeV)."""
    complete = reconstructed.number == truth.shape[1]
    showers, photons = _showers(fit, truth)[complete], reconstructed.photons[complete]
    true = truth[complete][:, :, 2]
    apart = np.hypot(*np.moveaxis(showers[:, :, None] - photons[:, None, :, :2], -1, 0))
    event, number, k = np.nonzero(apart < _MATCHED_CM)
    _enough(len(event), f"the {fit.rules} fit")
    return photons[event, k, 2], true[event, number]


def _response(measured: NDArray[np.float64], true: NDArray[np.float64]) -> tuple[float, float, float]:
    """Fit the coefficients of `projects.ecal.fits.corrections.true_energy`, robust against outliers."""
    ratio = measured / true
    weight = 1.0 / (0.06 / np.sqrt(true) + 0.01)  # about the energy resolution
    terms = np.stack([np.ones_like(measured), np.log(measured), 1.0 / measured], axis=1)
    point = least_squares(lambda point: weight * (terms @ point - ratio), (1.0, 0.0, 0.0), loss="soft_l1").x
    return float(point[0]), float(point[1]), float(point[2])


def _enough(matched: int, method: str) -> None:
    """Refuse to tune on too few photons."""
    if matched < _LEAST_MATCHED:
        raise BadInput(
            f"{method} found only {matched} true photons to be tuned on, at least {_LEAST_MATCHED} are "
            "needed: give more training events, in cm and GeV"
        )
