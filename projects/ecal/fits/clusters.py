"""Cells of an event on their grid, their clusters and the artificial neighbours around them, compiled."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

from projects.ecal.fits.shower_fit import Cells, cell_variance

__all__ = ["Lattice", "centroid", "cluster_cells", "label_clusters", "lattice", "main_cell"]

#: Cells of one event. `ix, iy, energy`: columns, rows, GeV; `x0, y0`: centre (cm) of cell (0, 0); `place`:
#: index of the cell at [iy + 1, ix + 1], -1 where there is none; the border of the map is empty.
Lattice = namedtuple("Lattice", "ix iy energy x0 y0 place")

_WIDEST = 1000  # cells: an event wider than this has a broken position


@njit(cache=True)
def _empty_lattice(good):
    nothing = np.empty(0, np.int64)
    return good, Lattice(nothing, nothing, np.empty(0), 0.0, 0.0, np.empty((0, 0), np.int64))


@njit(cache=True)
def lattice(x, y, energy, pitch, threshold):
    """Place the cells of one event at or above `threshold` (GeV) on their grid, and add coincident cells.

    Returns
    -------
    good : bool
        False if a position or an energy is not finite, or positions span more than 1000 cells.
    lattice : Lattice
        Without cells if the event is not good or nothing is above threshold.
    """
    first, lit = -1, 0
    left, low, right, high = np.inf, np.inf, -np.inf, -np.inf
    for c in range(energy.size):
        if not (np.isfinite(x[c]) and np.isfinite(y[c]) and np.isfinite(energy[c])):
            return _empty_lattice(False)
        if energy[c] >= threshold:
            first = c if first < 0 else first
            left, right = min(left, x[c]), max(right, x[c])
            low, high = min(low, y[c]), max(high, y[c])
            lit += 1
    if right - left > _WIDEST * pitch or high - low > _WIDEST * pitch:
        return _empty_lattice(False)
    if lit == 0:
        return _empty_lattice(True)
    columns, rows = round((right - left) / pitch) + 1, round((high - low) / pitch) + 1
    place = np.full((rows + 2, columns + 2), -1, np.int64)
    ix, iy, e = np.empty(lit, np.int64), np.empty(lit, np.int64), np.empty(lit)
    count = 0
    for c in range(first, energy.size):
        if energy[c] < threshold:
            continue
        i, j = round((x[c] - left) / pitch), round((y[c] - low) / pitch)
        cell = place[j + 1, i + 1]
        if cell >= 0:
            e[cell] += energy[c]
            continue
        place[j + 1, i + 1] = count
        ix[count], iy[count], e[count] = i, j, energy[c]
        count += 1
    return True, Lattice(ix[:count], iy[:count], e[:count], left, low, place)


@njit(cache=True)
def label_clusters(event, corners):
    """Return the cluster number of every cell and the number of clusters.

    Cells are linked by their sides, and by their corners too if `corners`.
    """
    count = event.ix.size
    label = np.full(count, -1, np.int64)
    queue = np.empty(count, np.int64)
    clusters = 0
    for seed in range(count):
        if label[seed] >= 0:
            continue
        label[seed] = clusters
        queue[0], done, filled = seed, 0, 1
        while done < filled:
            cell = queue[done]
            done += 1
            for dj in range(-1, 2):
                for di in range(-1, 2):
                    if not corners and di != 0 and dj != 0:
                        continue
                    neighbour = event.place[event.iy[cell] + 1 + dj, event.ix[cell] + 1 + di]
                    if neighbour >= 0 and label[neighbour] < 0:
                        label[neighbour] = clusters
                        queue[filled] = neighbour
                        filled += 1
        clusters += 1
    return label, clusters


@njit(cache=True)
def cluster_cells(event, member, neighbour_energy, neighbour_error, limit):
    """Return the cells of one fit: those of a cluster, and the absent cells that touch it.

    Parameters
    ----------
    event : Lattice
    member : ndarray of bool, shape (cells,)
        Cells of the cluster.
    neighbour_energy, neighbour_error : float
        Energy and error (GeV) of the artificial neighbours.
    limit : bool
        Whether the artificial neighbours count only where the prediction exceeds their energy.

    Returns
    -------
    Cells
    """
    lit = 0
    for c in range(member.size):
        lit += member[c]
    occupied = event.place.copy()
    size = lit + 8 * lit
    ix, iy, energy, weight = (
        np.empty(size, np.int64),
        np.empty(size, np.int64),
        np.empty(size),
        np.empty(size),
    )
    limits = np.zeros(size, np.bool_)
    count = 0
    for c in range(member.size):
        if member[c]:
            ix[count], iy[count], energy[count] = event.ix[c], event.iy[c], event.energy[c]
            weight[count] = 1.0 / cell_variance(event.energy[c])
            count += 1
    for c in range(lit):
        for dj in range(-1, 2):
            for di in range(-1, 2):
                i, j = ix[c] + di, iy[c] + dj
                if occupied[j + 1, i + 1] == -1:
                    occupied[j + 1, i + 1] = -2
                    ix[count], iy[count], energy[count] = i, j, neighbour_energy
                    weight[count] = 1.0 / neighbour_error**2
                    limits[count] = limit
                    count += 1
    return Cells(ix[:count], iy[:count], energy[:count], weight[:count], limits[:count], lit)


@njit(cache=True)
def main_cell(cells, x, y, pitch):
    """Return the index of the measured cell that contains the point (x, y) in cm, or -1 if there is none."""
    i, j = round(x / pitch), round(y / pitch)
    for c in range(cells.lit):
        if cells.ix[c] == i and cells.iy[c] == j:
            return c
    return -1


@njit(cache=True)
def centroid(cells, energy, middle, pitch):
    """Return the centre of gravity (x, y in cm) and the sum (GeV) of the 3x3 cells around cell `middle`.

    `energy`, shape (cells,), may be the residual of a fit: cells below zero count as zero.
    """
    x = y = total = 0.0
    for c in range(cells.lit):
        if (
            abs(cells.ix[c] - cells.ix[middle]) <= 1
            and abs(cells.iy[c] - cells.iy[middle]) <= 1
            and energy[c] > 0.0
        ):
            x += energy[c] * cells.ix[c] * pitch
            y += energy[c] * cells.iy[c] * pitch
            total += energy[c]
    if total > 0.0:
        return x / total, y / total, total
    return cells.ix[middle] * pitch, cells.iy[middle] * pitch, 0.0
