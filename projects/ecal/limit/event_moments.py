"""Mean and covariance of the cells of one event: the showers of its photons, read out by the calorimeter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import COLUMNS, PITCH, ROWS, is_shashlik
from projects.ecal.limit.cell_moments import PLACES, SIDE, expand, shower_moments
from projects.ecal.limit.information import kept_share
from projects.ecal.simulation.showers import CONVERSION_DEPTH

__all__ = ["STEP", "Lattice", "endless", "event_moments", "shashlik"]

#: Step in the logarithm of the energy for the slopes with respect to it; forward, to save time.
STEP = 0.002
#: Cells whose mean is this many standard deviations below the threshold or more are omitted.
_FAR = 3.5


@dataclass(frozen=True)
class Lattice:
    """Positions of the cells.

    Parameters
    ----------
    present : ndarray of bool, shape (rows, columns)
    x, y : float
        Centre of the cell in the first column and row, cm.
    """

    present: NDArray[np.bool_]
    x: float
    y: float


def endless(grid: int) -> Lattice:
    """Return a square of `grid` cells a side around the origin."""
    corner = -(grid // 2) * PITCH
    return Lattice(np.ones((grid, grid), dtype=bool), corner, corner)


def shashlik() -> Lattice:
    """Return the shashlik part of ECAL2."""
    present = is_shashlik(np.arange(COLUMNS)[None, :], np.arange(ROWS)[:, None])
    return Lattice(present, -(COLUMNS - 1) / 2 * PITCH, -(ROWS - 1) / 2 * PITCH)


@numba.njit(cache=True, error_model="numpy")
def _select_cells(present, middle, mean, noise, threshold, spot):
    """Return flat indices of cells that may be above threshold, and each photon's cells among them.

    `mean` has shape (photons, SIDE * SIDE). The second array is -1 for cells that are not among them.
    """
    rows, columns = present.shape
    total = np.zeros((rows, columns))
    for photon in range(len(middle)):
        for cell in range(SIDE * SIDE):
            row = middle[photon, 1] + cell // SIDE - SIDE // 2
            column = middle[photon, 0] + cell % SIDE - SIDE // 2
            if 0 <= row < rows and 0 <= column < columns and present[row, column]:
                total[row, column] += max(mean[photon, cell], 0.0)
    number = np.full((rows, columns), -1)
    count = 0
    for row in range(rows):
        for column in range(columns):
            value = total[row, column]
            if value > 0 and value + _FAR * math.sqrt(noise * noise + spot * value) > threshold:
                number[row, column] = count
                count += 1
    flat_index = np.empty(count, dtype=np.int64)
    for row in range(rows):
        for column in range(columns):
            if number[row, column] >= 0:
                flat_index[number[row, column]] = row * columns + column
    photon_cells = np.full((len(middle), SIDE * SIDE), -1)
    for photon in range(len(middle)):
        for cell in range(SIDE * SIDE):
            row = middle[photon, 1] + cell // SIDE - SIDE // 2
            column = middle[photon, 0] + cell % SIDE - SIDE // 2
            if 0 <= row < rows and 0 <= column < columns:
                photon_cells[photon, cell] = number[row, column]
    return flat_index, photon_cells


@numba.njit(cache=True, error_model="numpy")
def event_moments(x, y, slope_x, slope_y, present, parts, readout, leak, depth, coupling):
    """Compute mean and covariance of an event's cells and their derivatives.

    Parameters
    ----------
    x, y : ndarray, shape (photons,)
        Impacts in cm from the centre of the first cell of the lattice.
    slope_x, slope_y : ndarray, shape (photons,)
        dx/dz and dy/dz in rad.
    present : ndarray of bool, shape (rows, columns)
        Whether a cell is present.
    parts : tuple of ndarray
        The fields of `projects.ecal.limit.shower_parts.Parts`, each for the photon's energy and exp(STEP)
        times it: shape (2, photons, ...).
    readout : tuple of float
        Noise (GeV), relative gain spread, threshold and energy of a spot (GeV).
    leak, depth : tuple of ndarray
        ``widths`` and ``variances`` of the latent leakage and depth, see
        `projects.ecal.limit.information.Latent`.
    coupling : float
        Correlation of the latent leakage and depth.

    Returns
    -------
    place : ndarray of int, shape (n,)
        Flat indices of the cells used.
    mean : ndarray, shape (n,)
        GeV.
    slope : ndarray, shape (3 photons, n)
        Derivatives of the mean with respect to x, y (per cm) and ln E of each photon.
    covariance : ndarray, shape (n, n)
        GeV^2. Cells near and below the threshold have additional noise, such that each retains the share of
        its information that the threshold leaves.
    covariance_slope : ndarray, shape (3 photons, n, n)
        Of the covariance without leakage, depth and threshold.
    """
    amplitude, loss, shift_x, shift_y, width, sigma, powers, sampling, total = parts
    noise, gain, threshold, spot = readout
    photons, number = len(x), width.shape[2]
    middle = np.empty((photons, 2), dtype=np.int64)
    shares = np.empty((2, photons, number, PLACES, SIDE * SIDE))
    expected = np.zeros((photons, SIDE * SIDE))
    for a in range(photons):
        middle[a, 0], middle[a, 1] = round(x[a] / PITCH), round(y[a] / PITCH)
        u, v = x[a] - middle[a, 0] * PITCH, y[a] - middle[a, 1] * PITCH
        for k in range(2):
            shares[k, a] = expand(u, v, shift_x[k, a], shift_y[k, a], width[k, a], sigma[k, a])
        for part in range(number):
            expected[a] += amplitude[0, a, part] * shares[0, a, part, 0]
    place, photon_cells = _select_cells(present, middle, expected, noise, threshold, spot)
    n = len(place)
    mean, slope = np.zeros(n), np.zeros((3 * photons, n))
    covariance, covariance_slope = np.zeros((n, n)), np.zeros((3 * photons, n, n))
    latent = np.zeros((2 * photons, n))
    for a in range(photons):
        cells = np.flatnonzero(photon_cells[a] >= 0)
        at = photon_cells[a][cells]
        for k in range(2):
            first, second, first_slope, second_slope = shower_moments(
                shares[k, a],
                cells,
                amplitude[k, a],
                sigma[k, a],
                powers[k, a],
                sampling[k, a],
                total[k, a],
                spot,
                k == 0,
            )
            sign = (2 * k - 1) / STEP
            for i in range(len(at)):
                slope[3 * a + 2, at[i]] += sign * first[i]
                for j in range(len(at)):
                    covariance_slope[3 * a + 2, at[i], at[j]] += sign * second[i, j]
            if k == 1:
                continue
            for i in range(len(at)):
                mean[at[i]] += first[i]
                slope[3 * a, at[i]] = first_slope[0, i]
                slope[3 * a + 1, at[i]] = first_slope[1, i]
                along = slope_x[a] * first_slope[0, i] + slope_y[a] * first_slope[1, i]
                latent[2 * a + 1, at[i]] = CONVERSION_DEPTH * along
                for part in range(number):
                    latent[2 * a, at[i]] += loss[0, a, part] * shares[0, a, part, 0, cells[i]]
                for j in range(len(at)):
                    covariance[at[i], at[j]] += second[i, j]
                    covariance_slope[3 * a, at[i], at[j]] = second_slope[0, i, j]
                    covariance_slope[3 * a + 1, at[i], at[j]] = second_slope[1, i, j]
    for i in range(n):
        covariance[i, i] += gain * gain * (mean[i] * mean[i] + covariance[i, i]) + noise * noise
        for parameter in range(3 * photons):
            covariance_slope[parameter, i, i] += 2 * gain * gain * mean[i] * slope[parameter, i]
    for i in range(n):
        share = max(kept_share((threshold - mean[i]) / math.sqrt(covariance[i, i])), 1e-6)
        covariance[i, i] /= share
    precision = np.linalg.inv(covariance)
    for a in range(photons):
        spread = np.zeros(2)
        for effect in range(2):
            direction = latent[2 * a + effect]
            strength = direction @ precision @ direction
            if strength > 0:
                table = leak if effect == 0 else depth
                spread[effect] = math.sqrt(np.interp(1 / math.sqrt(strength), table[0], table[1]))
        leak_mode, depth_mode = spread[0] * latent[2 * a], spread[1] * latent[2 * a + 1]
        covariance += np.outer(leak_mode, leak_mode) + np.outer(depth_mode, depth_mode)
        covariance += coupling * (np.outer(leak_mode, depth_mode) + np.outer(depth_mode, leak_mode))
    return place, mean, slope, covariance, covariance_slope
