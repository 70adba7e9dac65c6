"""The shashlik part of ECAL2 as one image of its cells, the input of the network that finds photons in it.

Self-contained (numpy only): the file travels with a registered model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["IMAGE_SHAPE", "Image", "image"]

#: Rows and columns, those of the original study; the part itself has 24 and 48, so that the last are empty.
IMAGE_SHAPE = (25, 49)
#: Cell pitch, and where ECAL2 has the centre of the image's lower-left cell, cm.
_PITCH = 3.83
_CORNER = (-23.5 * _PITCH, -11.5 * _PITCH)
#: Cells farther than this from a grid point, in cells, are not on the grid.
_LOOSE = 0.1


@dataclass(frozen=True)
class Image:
    """Images of `n` events.

    Parameters
    ----------
    energy : ndarray of float32, shape (n, rows, columns)
        Cell energies in GeV, indexed ``[event, iy, ix]``; 0 where a cell is absent.
    x0, y0 : ndarray of float64, shape (n,)
        Centre of the lower-left cell in cm; 0 for an unusable event.
    usable : ndarray of bool, shape (n,)
        Events with a cell above threshold in the image whose cells are finite and lie on one grid. The others
        have an image of zeros.
    """

    energy: NDArray[np.float32]
    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    usable: NDArray[np.bool_]


def image(
    offsets: ArrayLike, cell_x: ArrayLike, cell_y: ArrayLike, cell_e: ArrayLike, threshold: float = 0.0
) -> Image:
    """Put the cells of every event into the image.

    The image lies where ECAL2 has its shashlik part, moved by less than a cell to the grid of the event's
    cells, whatever its origin. Cells outside of it, those of lead glass, are left out.

    Parameters
    ----------
    offsets : array_like of int, shape (n + 1,)
        Event k has the cells from ``offsets[k]`` to ``offsets[k + 1]``.
    cell_x, cell_y, cell_e : array_like of float, shape (cells,)
        Cell centres in cm and energies in GeV.
    threshold : float
        Cells at or below this energy (GeV) are left out.

    Returns
    -------
    Image
    """
    edges = np.asarray(offsets, dtype=np.int64)
    energy: NDArray[Any] = np.asarray(cell_e, dtype=np.float64)
    events = len(edges) - 1
    # Written so that a cell without a number stays and spoils its event.
    lit = ~(energy <= threshold)
    event, energy = np.repeat(np.arange(events), np.diff(edges))[lit], energy[lit]
    bad, places, corners = ~np.isfinite(energy), [], []
    for values, corner in zip((cell_x, cell_y), _CORNER, strict=True):
        steps = (np.asarray(values, dtype=np.float64)[lit] - corner) / _PITCH
        bad |= ~np.isfinite(steps)
        steps = np.where(np.isfinite(steps), steps, 0.0)
        # The first cell says where the event's grid is; all others must be on it.
        shift = np.zeros(events)
        shift[event[::-1]] = (steps - np.rint(steps))[::-1]
        place = np.rint(steps - shift[event])
        bad |= np.abs(steps - shift[event] - place) > _LOOSE
        places.append(place)
        corners.append(corner + shift * _PITCH)
    column, row = places
    inside = (row >= 0) & (row < IMAGE_SHAPE[0]) & (column >= 0) & (column < IMAGE_SHAPE[1])
    usable = (np.bincount(event, inside, events) > 0) & (np.bincount(event, bad, events) == 0)
    kept = inside & usable[event]
    cells = np.zeros((events, *IMAGE_SHAPE), dtype=np.float32)
    np.add.at(cells, (event[kept], row[kept].astype(int), column[kept].astype(int)), energy[kept])
    x0, y0 = (np.where(usable, corner, 0.0) for corner in corners)
    return Image(cells, x0, y0, usable)
