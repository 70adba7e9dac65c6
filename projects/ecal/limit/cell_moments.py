"""Mean and covariance of the energies that one shower leaves in cells, without simulating showers.

A part of the shower (`projects.ecal.limit.shower_parts`) is displaced by a Gaussian d of width sigma along
each axis. The energy G(d) it leaves in a cell has the expansion

    G(d) = sum_nm g_nm He_n(d_x / sigma) He_m(d_y / sigma) / sqrt(n! m!)

in Hermite polynomials. Its mean is g_00, and for parts p, q whose displacements have the correlation r

    Cov(G_p, G_q) = sum_(n+m > 0) r^(n+m) g_nm^p g_nm^q                    (Mehler's formula)

for any cells and any dependence of the energy on the displacement. The slope along x is, by partial
integration, d g_nm / dx = sqrt(n + 1) / sigma g_(n+1)m. Random showers are not involved, so the inverse of
the covariance has no bias. Sampling and granularity add their own covariances; leakage and the conversion
depth do not fluctuate here.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from projects.ecal.detector import PITCH
from projects.ecal.simulation.deposits import add_corners

__all__ = ["ORDER", "PLACES", "SIDE", "expand", "shower_moments"]

#: Cells per side of the square around the impact that is used; cells outside have less energy than the noise.
SIDE = 9
#: Highest order of the expansion; the slopes need one more.
ORDER = 4
#: Number of coefficients of one part in one cell.
PLACES = (ORDER + 2) * (ORDER + 3) // 2
#: Points of the quadrature along an axis.
_POINTS = 7

_NODES, _weights = np.polynomial.hermite_e.hermegauss(_POINTS)
_PROJECTION = np.array(
    [
        _weights
        / _weights.sum()
        * np.polynomial.hermite_e.hermeval(_NODES, np.eye(ORDER + 2)[n])
        / math.sqrt(math.factorial(n))
        for n in range(ORDER + 2)
    ]
)
#: Orders n along x and m along y of every coefficient, sorted by n + m.
_N = np.array([k - m for k in range(ORDER + 2) for m in range(k + 1)])
_M = np.array([m for k in range(ORDER + 2) for m in range(k + 1)])


@numba.njit(cache=True, error_model="numpy")
def _expand(x, y, shift_x, shift_y, width, sigma):
    """Compute the coefficients of one photon; see `expand`."""
    count = len(width)
    edges = (np.arange(SIDE + 1) - SIDE / 2) * PITCH
    coefficients = np.zeros((count, PLACES, SIDE, SIDE))
    columns, rows = np.empty((SIDE + 1) * _POINTS), np.empty((SIDE + 1) * _POINTS)
    corner = np.empty((len(rows), len(columns)))
    along = np.empty((ORDER + 2, len(rows), SIDE))
    for part in range(count):
        for k in range(SIDE + 1):
            for point in range(_POINTS):
                move = sigma[part] * _NODES[point]
                columns[k * _POINTS + point] = edges[k] - x - shift_x[part] - move
                rows[k * _POINTS + point] = edges[k] - y - shift_y[part] - move
        corner[:] = 0.0
        add_corners(corner, columns, rows, width[part], 1 / (2 * math.pi))
        for n in range(ORDER + 2):
            for j in range(len(rows)):
                before = 0.0
                for i in range(SIDE + 1):
                    value = 0.0
                    for point in range(_POINTS):
                        value += _PROJECTION[n, point] * corner[j, i * _POINTS + point]
                    if i > 0:
                        along[n, j, i - 1] = value - before
                    before = value
        for term in range(PLACES):
            n, m = _N[term], _M[term]
            for i in range(SIDE):
                before = 0.0
                for j in range(SIDE + 1):
                    value = 0.0
                    for point in range(_POINTS):
                        value += _PROJECTION[m, point] * along[n, j * _POINTS + point, i]
                    if j > 0:
                        coefficients[part, term, j - 1, i] = value - before
                    before = value
    return coefficients


@numba.njit(cache=True)
def expand(x, y, shift_x, shift_y, width, sigma):
    """Compute the Hermite coefficients of the shares that the parts of one photon leave in cells.

    Parameters
    ----------
    x, y : float
        Impact from the centre of the middle cell, cm.
    shift_x, shift_y, width, sigma : ndarray, shape (p,)
        As in `projects.ecal.limit.shower_parts.Parts`.

    Returns
    -------
    ndarray, shape (p, places, SIDE * SIDE)
        Cells along x first; places sorted by order n + m, then m.
    """
    return _expand(x, y, shift_x, shift_y, width, sigma).reshape(len(width), PLACES, SIDE * SIDE)


@numba.njit(cache=True, error_model="numpy")
def _covariance(mean, total, wave, mixed, sampling, spot):
    """Compute the covariance from the displaced parts, sampling and granularity."""
    covariance = (1 + sampling) * (wave.T @ mixed) + sampling * np.outer(mean, mean)
    for cell in range(len(mean)):
        covariance[cell, cell] += spot * max(mean[cell], 0.0)
    return covariance - spot / total * np.outer(mean, mean)


@numba.njit(cache=True, error_model="numpy")
def shower_moments(coefficients, cells, amplitude, sigma, powers, sampling, total, spot, slopes):
    """Compute mean and covariance of the energies of selected cells, and their slopes.

    Parameters
    ----------
    coefficients : ndarray
        Result of `expand`.
    cells : ndarray of int, shape (n,)
        Indices among the SIDE * SIDE cells.
    amplitude, sigma, powers, sampling, total
        As in `projects.ecal.limit.shower_parts.Parts`, of one photon.
    spot : float
        Energy of a spot in GeV.
    slopes : bool
        Whether to compute the slopes; they are zero otherwise.

    Returns
    -------
    mean : ndarray, shape (n,)
        GeV.
    covariance : ndarray, shape (n, n)
        GeV^2, without leakage and depth.
    mean_slope, covariance_slope : ndarray, shape (2, n) and (2, n, n)
        Derivatives with respect to x and y of the impact, per cm.
    """
    count, number = len(cells), len(amplitude)
    terms = (ORDER + 1) * (ORDER + 2) // 2 - 1
    wave, mixed = np.zeros((terms * number, count)), np.zeros((terms * number, count))
    by = np.zeros((2, terms * number, count))
    mean, mean_slope = np.zeros(count), np.zeros((2, count))
    covariance_slope = np.zeros((2, count, count))
    for part in range(number):
        for term in range(terms + 1):
            n, m = _N[term], _M[term]
            right = (n + m + 1) * (n + m + 2) // 2 + m
            row = (term - 1) * number + part
            for k in range(count):
                cell = cells[k]
                value = amplitude[part] * coefficients[part, term, cell]
                if term == 0:
                    mean[k] += value
                else:
                    wave[row, k] = value
                if slopes:
                    scale = amplitude[part] / sigma[part]
                    slope_x = scale * math.sqrt(n + 1.0) * coefficients[part, right, cell]
                    slope_y = scale * math.sqrt(m + 1.0) * coefficients[part, right + 1, cell]
                    if term == 0:
                        mean_slope[0, k] += slope_x
                        mean_slope[1, k] += slope_y
                    else:
                        by[0, row, k] = slope_x
                        by[1, row, k] = slope_y
    for term in range(1, terms + 1):
        power = powers[_N[term] + _M[term] - 1]
        for part in range(number):
            row = (term - 1) * number + part
            for other_part in range(number):
                factor = power[part, other_part]
                for k in range(count):
                    mixed[row, k] += factor * wave[(term - 1) * number + other_part, k]
    covariance = _covariance(mean, total, wave, mixed, sampling, spot)
    if slopes:
        for axis in range(2):
            half = (1 + sampling) * (by[axis].T @ mixed)
            half += (sampling - spot / total) * np.outer(mean_slope[axis], mean)
            covariance_slope[axis] = half + half.T
            for k in range(count):
                if mean[k] > 0:
                    covariance_slope[axis, k, k] += spot * mean_slope[axis, k]
    return mean, covariance, mean_slope, covariance_slope
