"""The Lednev fit, re-implemented from its description, compiled.

Clusters are linked by sides only. The cells around a cluster are set to half the threshold with that error. A
photon is added while chi2 is poor and decreases enough; photons too close, or of too small a mass, are
merged.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from projects.ecal.fits.clusters import centroid, cluster_cells
from projects.ecal.fits.shower_fit import MOST, cell_variance, copy_photons, minimise, unexplained

__all__ = ["LEDNEV_LINKS_CORNERS", "lednev_cells", "lednev_showers", "position_error", "s_curve"]

LEDNEV_LINKS_CORNERS = False
_LEAST_PHOTON = 0.3  # GeV
_MOST_PHOTONS = 6
_GOOD_FIT = 2.5  # chi2 per degree of freedom below which no photon is added
_SPLIT_CM = 4.0  # below this the second photon comes from splitting the first
_APART_CM = 2.5  # of d 2 sqrt(E1 E2) / (E1 + E2)
_CLOSE_CM, _LIGHT_GEV = 5.0, 0.04  # a pair this close and this light is one photon


@njit(cache=True)
def lednev_cells(event, member, threshold):
    """Return the cells of a cluster with neighbours measured at half the threshold, with that error."""
    return cluster_cells(event, member, 0.5 * threshold, 0.5 * threshold, False)


@njit(cache=True)
def s_curve(centre, pitch):
    """Correct one coordinate of a 3x3 centre of gravity, `centre` in cm from a cell's centre, to cm.

    Lednev's polynomial for cells of 38.3 mm; zero at cell centres and edges.
    """
    u = centre / pitch - round(centre / pitch)
    s = u * u
    return centre - 109.2 * u * (s * (s + 0.168) + 0.0441) * (s - 0.25) * (s - 0.383) * pitch


@njit(cache=True)
def position_error(energy):
    """Return the error of x and y (cm) that the Lednev fit reports for a photon of `energy` GeV."""
    return 5.0 * math.sqrt(cell_variance(energy)) / (energy + 0.2)


@njit(cache=True, error_model="numpy")
def _first(cells, pitch, photon):
    """Start with the cluster as one photon at the corrected centre of gravity of its highest 3x3 cells."""
    highest, total = 0, 0.0
    for c in range(cells.lit):
        total += cells.energy[c]
        highest = c if cells.energy[c] > cells.energy[highest] else highest
    x, y, _ = centroid(cells, cells.energy, highest, pitch)
    photon[0], photon[1], photon[2] = s_curve(x, pitch), s_curve(y, pitch), total


@njit(cache=True, error_model="numpy")
def _axis(cells, x, y, energy, pitch):
    """Return the long axis of cell energies about (x, y): direction, root of the second moment (cm)."""
    xx = xy = yy = total = 0.0
    for c in range(cells.lit):
        if energy[c] > 0.0:
            dx, dy = cells.ix[c] * pitch - x, cells.iy[c] * pitch - y
            xx += energy[c] * dx * dx
            xy += energy[c] * dx * dy
            yy += energy[c] * dy * dy
            total += energy[c]
    turn = 0.5 * math.atan2(2.0 * xy, xx - yy)
    largest = 0.5 * (xx + yy) + math.hypot(0.5 * (xx - yy), xy)
    return math.cos(turn), math.sin(turn), math.sqrt(largest / total)


@njit(cache=True, error_model="numpy")
def _one_more(cells, shape, photons):
    """Start one more photon, the last of `photons`.

    It starts at the cell of largest d sqrt(E / sigma), d from the nearest photon. If that photon is near, it
    is split along the long axis of the cells that it explains.
    """
    pitch, old = shape.pitch, photons[:-1]
    seed, best, near, away = 0, -1.0, 0, 0.0
    for c in range(cells.lit):
        distance, owner = np.inf, 0
        for k in range(len(old)):
            d = math.hypot(cells.ix[c] * pitch - old[k, 0], cells.iy[c] * pitch - old[k, 1])
            if d < distance:
                distance, owner = d, k
        value = distance * math.sqrt(cells.energy[c] / math.sqrt(cell_variance(cells.energy[c])))
        if value > best:
            seed, best, near, away = c, value, owner, distance
    left = unexplained(old, shape, cells)
    if away < _SPLIT_CM:
        x, y, energy = old[near]
        remaining = old.copy()
        remaining[near, 2] = 0.0
        explained = unexplained(remaining, shape, cells)
        cosine, sine, width = _axis(cells, x, y, explained, pitch)
        old[near, 0], old[near, 1], old[near, 2] = x + width * cosine, y + width * sine, 0.5 * energy
        photons[-1, 0], photons[-1, 1], photons[-1, 2] = x - width * cosine, y - width * sine, 0.5 * energy
        return
    x, y, energy = centroid(cells, left, seed, pitch)
    photons[-1, 0], photons[-1, 1] = s_curve(x, pitch), s_curve(y, pitch)
    photons[-1, 2] = max(energy, _LEAST_PHOTON)
    old[near, 2] = max(old[near, 2] - energy, 0.5 * old[near, 2])


@njit(cache=True)
def _effective_distance(first, second):
    """Return d 2 sqrt(E1 E2) / (E1 + E2) in cm."""
    apart = math.hypot(first[0] - second[0], first[1] - second[1])
    return apart * 2.0 * math.sqrt(first[2] * second[2]) / (first[2] + second[2])


@njit(cache=True)
def _nearest(photons):
    """Return the smallest effective distance of two photons (cm)."""
    least = np.inf
    for k in range(len(photons)):
        for m in range(k):
            least = min(least, _effective_distance(photons[k], photons[m]))
    return least


@njit(cache=True)
def _merge(photons, z_target):
    """Merge the first pair that counts as one photon, at its centre of gravity; return how many remain."""
    count = len(photons)
    for k in range(count):
        for m in range(k):
            apart = math.hypot(photons[k, 0] - photons[m, 0], photons[k, 1] - photons[m, 1])
            light = math.sqrt(photons[k, 2] * photons[m, 2]) * apart / z_target < _LIGHT_GEV
            if _effective_distance(photons[k], photons[m]) <= _APART_CM or (apart <= _CLOSE_CM and light):
                energy = photons[k, 2] + photons[m, 2]
                for axis in range(2):
                    moment = photons[k, 2] * photons[k, axis] + photons[m, 2] * photons[m, axis]
                    photons[m, axis] = moment / energy
                photons[m, 2] = energy
                copy_photons(photons[count - 1 :], photons[k:])
                return count - 1
    return count


@njit(cache=True, error_model="numpy")
def lednev_showers(cells, shape, wanted, z_target, photons):
    """Find and fit the photons of one cluster.

    Parameters
    ----------
    cells : Cells
    shape : Shape
    wanted : int
        Number of photons assumed, without acceptance rules; 0 lets the fit decide.
    z_target : float
        Distance to the target (cm), for the mass of a pair.
    photons : ndarray, shape (8, 3)
        Filled with x, y (cm) and energy (GeV).

    Returns
    -------
    found : int
    chi2 : float
    """
    _first(cells, shape.pitch, photons[0])
    number, chi2 = 1, minimise(photons[:1], shape, cells)
    trial = np.empty((MOST, 3))
    most = wanted if wanted > 0 else _MOST_PHOTONS
    while number < most:
        if wanted == 0 and chi2 < _GOOD_FIT * (cells.lit - 3 * number):
            break
        copy_photons(photons[:number], trial)
        _one_more(cells, shape, trial[: number + 1])
        new = minimise(trial[: number + 1], shape, cells)
        gain = chi2 - new
        if wanted == 0 and gain <= 10.0 and not (gain > 4.0 and _nearest(trial[: number + 1]) > _APART_CM):
            break
        number += 1
        copy_photons(trial[:number], photons)
        chi2 = new
    if wanted > 0:
        return number, chi2
    remaining = _merge(photons[:number], z_target)
    while remaining < number:
        number = remaining
        chi2 = minimise(photons[:number], shape, cells)
        remaining = _merge(photons[:number], z_target)
    if number == 1 and photons[0, 2] < _LEAST_PHOTON:
        return 0, chi2
    return number, chi2
