"""Energy of showers in cells, compiled, with the granularity of each shower."""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from projects.ecal.simulation.profile import REACH
from projects.ecal.simulation.showers import Showers

__all__ = ["WINDOW", "add_corners", "deposit", "grained"]

#: Cells per side of the square around the impact that can receive energy: the reach of 20 cm on either side.
WINDOW = 11
#: Compiler optimisations that preserve infinities and NaN.
_FAST = {"contract", "reassoc", "arcp", "nsz"}


@numba.njit(cache=True, fastmath=_FAST, error_model="numpy")
def add_corners(corner, columns, rows, b, weight):
    """Add `weight` times the term of Lednev's cumulative in both coordinates of the corners.

    atan(u v / (b sqrt(b^2 + u^2 + v^2))); the angle is halved twice into the range of its series, which is
    then accurate to 4e-9, and the loop has no branch, so that it vectorises over corners.
    """
    for j in range(len(rows)):
        v = rows[j]
        for i in range(len(columns)):
            u = columns[i]
            above, below = u * v, b * math.sqrt(b * b + v * v + u * u)
            half = above / (below + math.sqrt(above * above + below * below))
            half = half / (1 + math.sqrt(1 + half * half))
            s = half * half
            series = 1 / 11 - s * (1 / 13 - s * (1 / 15 - s * (1 / 17 - s / 19)))
            series = 1 - s * (1 / 3 - s * (1 / 5 - s * (1 / 7 - s * (1 / 9 - s * series))))
            corner[j, i] += weight * 4 * half * series


@numba.njit(cache=True, error_model="numpy")
def grained(mean, spot, normal):
    """Return a random energy of mean `mean` and variance `spot * mean` from a normal number.

    Parameters
    ----------
    mean, spot : float
        Mean energy and energy of a spot, GeV, above 0.
    normal : float
        Standard normal number; the energy is monotonic in it and never negative.

    Notes
    -----
    From one spot up, a gamma number in Wilson and Hilferty's approximation by a cube. The approximation loses
    the mean below one spot, where the energy is zero or an exponential number; at one spot both are
    exponential.
    """
    spots = mean / spot
    if spots > 1:
        spread = 1 / (9 * spots)
        root = max(1 - spread + math.sqrt(spread) * normal, 0.0)
        return mean * root * root * root
    present = 2 * spots / (1 + spots)
    level = math.erfc(normal / math.sqrt(2)) / 2
    return 0.0 if level >= present else -mean / present * math.log(level / present)


@numba.njit(cache=True, fastmath=_FAST, error_model="numpy")
def _deposit(cells, event, x, y, energy, width, spot, normal, edges, pitch, reach):
    """Add showers to the cells of their events; see `deposit` for the shapes.

    `edges` are the cell boundaries in a window around the cell with the shower, shape (window + 1,).
    """
    side, window = cells.shape[1], normal.shape[1]
    columns, rows = np.empty(window + 1), np.empty(window + 1)
    corner = np.empty((window + 1, window + 1))
    share = np.empty((window, window))
    for shower in range(len(event)):
        # The window is centred on the cell of the largest part; grid cell `side // 2` is at the origin.
        middle_x, middle_y = 0.0, 0.0
        if pitch > 0:
            middle_x, middle_y = np.rint(x[shower, 0] / pitch), np.rint(y[shower, 0] / pitch)
        origin_x, origin_y = middle_x * pitch, middle_y * pitch
        corner[:] = 0.0
        for part in range(energy.shape[1]):
            b, weight = width[shower, part], energy[shower, part] / (2 * math.pi)
            for k in range(window + 1):
                columns[k] = origin_x + edges[k] - x[shower, part]
                rows[k] = origin_y + edges[k] - y[shower, part]
            # The terms of Lednev's formula in one coordinate cancel in the sum over four corners.
            add_corners(corner, columns, rows, b, weight)
        before, after = 0.0, 0.0
        for j in range(window):
            for i in range(window):
                u = origin_x + (edges[i] + edges[i + 1]) / 2 - x[shower, 0]
                v = origin_y + (edges[j] + edges[j + 1]) / 2 - y[shower, 0]
                mean = corner[j + 1, i + 1] - corner[j + 1, i] - corner[j, i + 1] + corner[j, i]
                if u * u + v * v > reach * reach or mean <= 0:
                    share[j, i] = 0.0
                    continue
                before += mean
                if spot > 0:
                    mean = grained(mean, spot, normal[shower, j, i])
                after += mean
                share[j, i] = mean
        scale = before / after if after > 0 else 0.0
        for j in range(window):
            row = int(middle_y) + j + (side - window) // 2
            if 0 <= row < side:
                for i in range(window):
                    column = int(middle_x) + i + (side - window) // 2
                    if 0 <= column < side:
                        cells[event[shower], row, column] += scale * share[j, i]


def deposit(
    cells: NDArray[np.float64],
    event: NDArray[np.integer],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    showers: Showers,
    rng: np.random.Generator,
    slope: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None,
    edges: NDArray[np.float64] | None = None,
) -> None:
    """Add the energy of `showers` to `cells` in place.

    Parameters
    ----------
    cells : ndarray, shape (events, side, side)
        Energies in GeV, row (y) before column (x); the middle cell's centre is the origin; `side` is odd.
    event : ndarray, shape (showers,)
        Event of each shower.
    x, y : ndarray, shape (showers,)
        Impact on the front face in cm from the origin.
    slope : pair of ndarray, shape (showers,), optional
        dx/dz and dy/dz of the photons in rad; without it, normal incidence.
    edges : ndarray, shape (side + 1,), optional
        Boundaries in cm of the rows and columns of `cells`, for a read-out finer than the calorimeter's;
        the origin is then the origin of `edges`. Without it, cells of the calorimeter's pitch.
    """
    if edges is None:
        pitch, borders = PITCH, (np.arange(WINDOW + 1) - WINDOW / 2) * PITCH
    else:
        pitch, borders = 0.0, edges  # one window for all showers, whatever their impact
    window = len(borders) - 1
    part_x, part_y = x[:, None] + showers.x, y[:, None] + showers.y
    if slope is not None:
        part_x = part_x + slope[0][:, None] * showers.depth
        part_y = part_y + slope[1][:, None] * showers.depth
    normal = rng.standard_normal((len(event) if showers.spot else 0, window, window), dtype=np.float32)
    _deposit(
        cells,
        event,
        part_x,
        part_y,
        showers.energy,
        showers.width,
        showers.spot,
        normal,
        borders,
        pitch,
        REACH,
    )
