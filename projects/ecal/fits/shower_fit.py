"""Least-squares fit of showers to cells: Gauss-Newton with Levenberg's damping, compiled.

Minimises sum_c ((E_c - sum_k E_k G_c(x_k, y_k)) / sigma_c)^2 over the positions and energies of the photons.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

from projects.ecal.fits.compiled_profile import cell_shares, span_of

__all__ = [
    "MOST",
    "Cells",
    "cell_variance",
    "copy_photons",
    "covariance",
    "minimise",
    "shares_at",
    "unexplained",
]

#: Cells of one fit. `ix, iy`: column and row; `energy`: GeV; `weight`: 1/sigma^2; `limit`: whether the cell
#: counts only where the prediction exceeds its energy; `lit`: number of measured cells, which come first; the
#: others are the artificial neighbours.
Cells = namedtuple("Cells", "ix iy energy weight limit lit")

#: Largest number of photons in one cluster; coral allows 8.
MOST = 8

_LEAST_ENERGY = 1e-3  # GeV: a photon without energy has no position
_LAST_STEP = 1e-4  # predicted decrease of chi2 at which the fit has converged: 1 % of an error


@njit(cache=True, error_model="numpy")
def cell_variance(energy):
    """Return sigma_E^2 (GeV^2) of a cell with `energy` (GeV): the error model of both fits."""
    return 0.15 * 0.15 * energy + 0.015 * 0.015 * energy * energy + 0.05 * 0.05


@njit(cache=True)
def shares_at(photons, shape, cells, span, jacobian, prediction):
    """Predict cell energies (GeV) and their derivatives.

    Parameters
    ----------
    photons : ndarray, shape (photons, 3)
        x, y (cm from the centre of cell (0, 0)) and energy (GeV).
    jacobian : ndarray, shape (3 photons, cells)
        Filled with the derivatives in the order of the parameters.
    prediction : ndarray, shape (cells,)
        Filled with the predicted energies.
    """
    prediction.fill(0.0)
    for k in range(len(photons)):
        energy = photons[k, 2]
        by_x, by_y, by_e = jacobian[3 * k], jacobian[3 * k + 1], jacobian[3 * k + 2]
        cell_shares(photons[k, 0], photons[k, 1], shape, cells.ix, cells.iy, span, by_e, by_x, by_y)
        for c in range(prediction.size):
            prediction[c] += energy * by_e[c]
            by_x[c] *= energy
            by_y[c] *= energy


@njit(cache=True)
def unexplained(photons, shape, cells):
    """Return the cell energies minus the predicted ones (GeV), shape (cells,)."""
    left = np.empty(cells.ix.size)
    shares_at(
        photons, shape, cells, span_of(cells.ix, cells.iy), np.empty((photons.size, cells.ix.size)), left
    )
    for c in range(left.size):
        left[c] = cells.energy[c] - left[c]
    return left


@njit(cache=True)
def _pulls(photons, shape, cells, span, jacobian, residual, weight):
    """Fill the Jacobian, residuals and active weights at a point; return chi2."""
    shares_at(photons, shape, cells, span, jacobian, residual)
    chi2 = 0.0
    for c in range(residual.size):
        residual[c] = cells.energy[c] - residual[c]
        idle = cells.limit[c] and residual[c] >= 0.0
        weight[c] = 0.0 if idle else cells.weight[c]
        chi2 += weight[c] * residual[c] * residual[c]
    return chi2


@njit(cache=True, fastmath={"reassoc", "contract", "nsz"})
def _weighted_dot(a, b, weight):
    total = 0.0
    for c in range(a.size):
        total += a[c] * b[c] * weight[c]
    return total


@njit(cache=True, error_model="numpy")
def _factorise(matrix):
    """Compute the Cholesky factor in place (lower triangle); False if the matrix is not positive."""
    for i in range(len(matrix)):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= matrix[i, k] * matrix[j, k]
            if i > j:
                matrix[i, j] = total / matrix[j, j]
            elif total > 0.0:
                matrix[i, i] = math.sqrt(total)
            else:
                return False
    return True


@njit(cache=True, error_model="numpy")
def _solve(factor, vector):
    """Solve with a Cholesky factor, in place."""
    size = len(factor)
    for i in range(size):
        for k in range(i):
            vector[i] -= factor[i, k] * vector[k]
        vector[i] /= factor[i, i]
    for i in range(size - 1, -1, -1):
        for k in range(i + 1, size):
            vector[i] -= factor[k, i] * vector[k]
        vector[i] /= factor[i, i]


@njit(cache=True)
def copy_photons(source, target):
    """Copy the photons of `source` onto the first ones of `target`.

    A loop, because numba compiles the broadcasting of a slice assignment for seconds.
    """
    for k in range(len(source)):
        for i in range(3):
            target[k, i] = source[k, i]


@njit(cache=True, error_model="numpy")
def _move(photons, step, span, pitch, target):
    """Take a step, shortened so that no photon moves by more than half a cell; none leaves the cells."""
    longest = 0.0
    for k in range(len(photons)):
        longest = max(longest, abs(step[3 * k]), abs(step[3 * k + 1]))
    scale = min(1.0, 0.5 * pitch / longest) if longest > 0.0 else 1.0
    for k in range(len(photons)):
        target[k, 0] = min(
            max(photons[k, 0] + scale * step[3 * k], (span[0] - 0.5) * pitch), (span[1] + 0.5) * pitch
        )
        target[k, 1] = min(
            max(photons[k, 1] + scale * step[3 * k + 1], (span[2] - 0.5) * pitch), (span[3] + 0.5) * pitch
        )
        least = max(_LEAST_ENERGY, 0.2 * photons[k, 2])
        target[k, 2] = max(photons[k, 2] + scale * step[3 * k + 2], least)


@njit(cache=True, error_model="numpy")
def minimise(photons, shape, cells, steps=40):
    """Fit photons to cells from the given start.

    Parameters
    ----------
    photons : ndarray, shape (photons, 3)
        Start, replaced by the minimum: x, y (cm from the centre of cell (0, 0)), energy (GeV).
    shape : Shape
    cells : Cells
    steps : int
        Largest number of evaluations.

    Returns
    -------
    chi2 : float
    """
    size, count = photons.size, cells.ix.size
    span = span_of(cells.ix, cells.iy)
    jacobian, residual, weight = np.empty((2, size, count)), np.empty((2, count)), np.empty((2, count))
    normal, damped = np.empty((size, size)), np.empty((size, size))
    gradient, step, trial = np.empty(size), np.empty(size), np.empty(photons.shape)
    current = 0
    chi2 = _pulls(photons, shape, cells, span, jacobian[0], residual[0], weight[0])
    damping, fresh, new = 1e-3, True, chi2
    for _ in range(steps):
        if fresh:
            for i in range(size):
                gradient[i] = _weighted_dot(jacobian[current, i], residual[current], weight[current])
                for j in range(i + 1):
                    normal[i, j] = _weighted_dot(jacobian[current, i], jacobian[current, j], weight[current])
        for i in range(size):
            step[i] = gradient[i]
            for j in range(i + 1):
                damped[i, j] = normal[i, j]
            damped[i, i] += damping * normal[i, i] + 1e-12
        fresh = _factorise(damped)
        if fresh:
            _solve(damped, step)
            promise = 0.0
            for i in range(size):
                promise += step[i] * gradient[i]
            _move(photons, step, span, shape.pitch, trial)
            new = _pulls(
                trial, shape, cells, span, jacobian[1 - current], residual[1 - current], weight[1 - current]
            )
            fresh = new <= chi2
        if fresh:
            copy_photons(trial, photons)
            chi2 = new
            current = 1 - current
            damping = max(0.1 * damping, 1e-9)
            if promise < _LAST_STEP and damping < 1.0:
                break
        else:
            damping *= 10.0
            if damping > 1e8:
                break
    return chi2


@njit(cache=True, error_model="numpy")
def covariance(photons, shape, cells):
    """Return the covariance of the fitted parameters, shape (3 photons, 3 photons); NaN if it is undefined.

    The inverse of J^T W J at the minimum, where chi2 grows by 1 for one standard deviation.
    """
    size, count = photons.size, cells.ix.size
    jacobian, residual, weight = np.empty((size, count)), np.empty(count), np.empty(count)
    _pulls(photons, shape, cells, span_of(cells.ix, cells.iy), jacobian, residual, weight)
    normal = np.empty((size, size))
    for i in range(size):
        for j in range(i + 1):
            normal[i, j] = _weighted_dot(jacobian[i], jacobian[j], weight)
    inverse = np.full((size, size), np.nan)
    if _factorise(normal):
        for i in range(size):
            inverse[i].fill(0.0)
            inverse[i, i] = 1.0
            _solve(normal, inverse[i])
    return inverse
