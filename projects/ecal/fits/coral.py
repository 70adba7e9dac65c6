"""The shower fit of coral ("ReconstructionCombined"), re-implemented from its description, compiled.

Clusters are linked by sides and corners. A ring of artificial neighbours at the threshold energy surrounds a
cluster; they count only where the prediction exceeds that energy. Showers are added one at a time in the cell
with the largest unexplained share, and the last one is dropped if it does not improve the fit enough.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from projects.ecal.fits.clusters import centroid, cluster_cells, main_cell
from projects.ecal.fits.compiled_profile import cell_shares, span_of
from projects.ecal.fits.shower_fit import MOST, cell_variance, copy_photons, minimise, unexplained

__all__ = ["CORAL_LINKS_CORNERS", "coral_cells", "coral_showers"]

CORAL_LINKS_CORNERS = True
_LEAST_SHOWER = 0.2  # GeV
_LEAST_GAIN = 0.02  # of (L_old - L_new) / L_new
_LEAST_DISTANCE = 0.7  # cells, of d and of d 2 sqrt(E1 E2) / (E1 + E2)
_LEAST_PROMINENCE = 5.0  # a shower over the stronger one's share, in its own main cell


@njit(cache=True)
def coral_cells(event, member, threshold):
    """Return the cells of a cluster with neighbours of `threshold` GeV as upper limits."""
    return cluster_cells(event, member, threshold, math.sqrt(cell_variance(threshold)), True)


@njit(cache=True)
def _allowed(size):
    """Return the largest number of showers in a cluster of `size` cells."""
    if size >= 7:
        return 8
    if size >= 5:
        return 6
    return min(size + 1, 4)


@njit(cache=True, error_model="numpy")
def _start(cells, shape, photons, start):
    """Set the start of one more shower: the cell whose largest share is unexplained.

    Far from all showers every cell is unexplained, so from that cell the start climbs to the highest
    unexplained energy. The start is the centre of gravity and the sum of the unexplained energy in the 3x3
    cells there.
    """
    left = unexplained(photons, shape, cells)
    seed, best = 0, -np.inf
    for c in range(cells.lit):
        # the first shower starts in the highest cell, because every cell is entirely unexplained
        value = left[c] / cells.energy[c] if len(photons) > 0 else cells.energy[c]
        if value > best:
            seed, best = c, value
    climbing = True
    while climbing:
        climbing = False
        for c in range(cells.lit):
            near = abs(cells.ix[c] - cells.ix[seed]) <= 1 and abs(cells.iy[c] - cells.iy[seed]) <= 1
            if near and left[c] > left[seed]:
                seed, climbing = c, True
    start[0], start[1], start[2] = centroid(cells, left, seed, shape.pitch)
    start[2] = max(start[2], _LEAST_SHOWER)


@njit(cache=True, error_model="numpy")
def _stands(cells, shape, photons):
    """Check that every shower lies in the cluster, above threshold, and apart from the stronger ones."""
    pitch = shape.pitch
    span = span_of(cells.ix, cells.iy)
    count = cells.ix.size
    shares, slopes = np.empty((len(photons), count)), np.empty((2, count))
    for k in range(len(photons)):
        cell_shares(
            photons[k, 0], photons[k, 1], shape, cells.ix, cells.iy, span, shares[k], slopes[0], slopes[1]
        )
    for k in range(len(photons)):
        x, y, energy = photons[k]
        main = main_cell(cells, x, y, pitch)
        if main < 0 or energy < _LEAST_SHOWER:
            return False
        for m in range(len(photons)):
            if m == k:
                continue
            stronger = photons[m, 2]
            apart = math.hypot(photons[m, 0] - x, photons[m, 1] - y) / pitch
            if apart * 2.0 * math.sqrt(energy * stronger) / (energy + stronger) < _LEAST_DISTANCE:
                return False
            if (
                stronger > energy
                and energy * shares[k, main] < _LEAST_PROMINENCE * stronger * shares[m, main]
            ):
                return False
    return True


@njit(cache=True, error_model="numpy")
def coral_showers(cells, shape, wanted, photons):
    """Find and fit the showers of one cluster.

    Parameters
    ----------
    cells : Cells
    shape : Shape
    wanted : int
        Number of showers assumed, without acceptance rules; 0 lets the fit decide.
    photons : ndarray, shape (8, 3)
        Filled with x, y (cm) and energy (GeV).

    Returns
    -------
    found : int
    chi2 : float
    """
    showers, chi2 = 0, np.inf
    trial = np.empty((MOST, 3))
    most = wanted if wanted > 0 else _allowed(cells.lit)
    while showers < most:
        copy_photons(photons[:showers], trial)
        _start(cells, shape, photons[:showers], trial[showers])
        new = minimise(trial[: showers + 1], shape, cells)
        if wanted == 0:
            # L is chi2 / 2, so the ratio is that of chi2
            if showers > 0 and chi2 - new < _LEAST_GAIN * new:
                break
            if not _stands(cells, shape, trial[: showers + 1]):
                break
        showers += 1
        copy_photons(trial[:showers], photons)
        chi2 = new
    return showers, chi2
