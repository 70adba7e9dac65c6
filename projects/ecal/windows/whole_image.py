"""The shashlik part of ECAL2 as one image of its cells, the input of the network that finds photons.

Self-contained (numpy only): the file travels with a registered model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["IMAGE_SHAPE", "Image", "image"]

#: Rows and columns as in the original study; the part has 24 and 48, so the last ones are empty.
IMAGE_SHAPE = (25, 49)
#: Cell pitch, and the centre of the image's lower-left cell in ECAL2, cm.
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
        Events with a cell above threshold in the image whose cells are finite and lie on one grid. Other
        events have an image of zeros.
    """

    energy: NDArray[np.float32]
    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    usable: NDArray[np.bool_]


def image(
    offsets: ArrayLike, cell_x: ArrayLike, cell_y: ArrayLike, cell_e: ArrayLike, threshold: float = 0.0
) -> Image:
    """Fill the image with the cells of every event.

    The image covers the shashlik part of ECAL2, shifted by less than a cell to the grid of the event's cells,
    whatever its origin. Cells outside, those of lead glass, are omitted.

    Parameters
    ----------
    offsets : array_like of int, shape (n + 1,)
        Event k has the cells from ``offsets[k]`` to ``offsets[k + 1]``.
    cell_x, cell_y, cell_e : array_like of float, shape (cells,)
        Cell centres in cm and energies in GeV.
    threshold : float
        Cells at or below this energy (GeV) are omitted.

    Returns
    -------
    Image
    """
    edges = np.asarray(offsets, dtype=np.int64)
    energy: NDArray[Any] = np.asarray(cell_e, dtype=np.float64)
    events = len(edges) - 1
    # The condition keeps cells with NaN energy, which make their events unusable.
    lit = ~(energy <= threshold)
    event, energy = np.repeat(np.arange(events), np.diff(edges))[lit], energy[lit]
    bad, places, corners = ~np.isfinite(energy), [], []
    for values, corner in zip((cell_x, cell_y), _CORNER, strict=True):
        steps = (np.asarray(values, dtype=np.float64)[lit] - corner) / _PITCH
        bad |= ~np.isfinite(steps)
        steps = np.where(np.isfinite(steps), steps, 0.0)
        # The first cell defines the event's grid; all others must be on it.
        shift = np.zeros(events)
        shift[event[::-1]] = (steps - np.rint(steps))[::-1]
        position = np.rint(steps - shift[event])
        bad |= np.abs(steps - shift[event] - position) > _LOOSE
        places.append(position)
        corners.append(corner + shift * _PITCH)
    column, row = places
    in_image = (row >= 0) & (row < IMAGE_SHAPE[0]) & (column >= 0) & (column < IMAGE_SHAPE[1])
    usable = (np.bincount(event, in_image, events) > 0) & (np.bincount(event, bad, events) == 0)
    selected = in_image & usable[event]
    cells = np.zeros((events, *IMAGE_SHAPE), dtype=np.float32)
    np.add.at(
        cells, (event[selected], row[selected].astype(int), column[selected].astype(int)), energy[selected]
    )
    x0, y0 = (np.where(usable, corner, 0.0) for corner in corners)
    return Image(cells, x0, y0, usable)
