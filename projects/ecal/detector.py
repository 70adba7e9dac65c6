"""The COMPASS ECAL2 calorimeter, shashlik part: geometry, ROOT schema, shower depth.

Numbers: COMPASS reconstruction program coral (``calorim*.opt``, ``testRCecorr.cc``). Positions are in cm in
the calorimeter's own frame, x along the columns and y along the rows, angles in rad, energies in GeV.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shashlik.exceptions import BadInput
from shashlik.task.sample import Column, Schema

__all__ = [
    "COLUMNS",
    "MAX_ANGLE",
    "PITCH",
    "ROWS",
    "SCHEMA",
    "SHASHLIK",
    "X0",
    "Z_TARGET",
    "cell_centre",
    "cell_index",
    "is_shashlik",
    "shower_depth",
]

#: Distance between the centres of neighbouring cells, cm.
PITCH = 3.83
#: Distance from the target to the front face, cm.
Z_TARGET = 3325.2
#: Radiation length of a shashlik cell, cm.
X0 = 1.765
#: Columns and rows of the full calorimeter, lead glass included.
COLUMNS, ROWS = 64, 48
#: Value of ``cell_type`` of a shashlik cell.
SHASHLIK = 3
#: Largest angle of a photon from the target on the shashlik part, rad: 24 columns off the axis.
MAX_ANGLE = 24 * PITCH / Z_TARGET

#: First and last column and row of the rectangles whose union is the shashlik part.
_RECTANGLES = ((20, 43, 12, 35), (16, 47, 16, 31), (8, 55, 19, 28))
#: First and last column and row of the beam hole, which has no cells.
_HOLE = (34, 35, 23, 24)

SCHEMA = Schema(
    tree="events",
    columns=(
        Column("run", "", "int", "run number; run and event together identify an event", role="id"),
        Column("event", "", "int", "event number within the run", role="id"),
        Column("cell_x", "cm", "float", "x of the cell's centre", jagged=True),
        Column("cell_y", "cm", "float", "y of the cell's centre", jagged=True),
        Column("cell_e", "GeV", "float", "energy of the cell, above threshold", jagged=True),
        Column("cell_type", "", "int", "kind of cell, 3 is shashlik", jagged=True, optional=True),
        Column("true_x", "cm", "float", "x of the photon at the front face", jagged=True, role="truth"),
        Column("true_y", "cm", "float", "y of the photon at the front face", jagged=True, role="truth"),
        Column("true_e", "GeV", "float", "energy of the photon", jagged=True, role="truth"),
        Column("true_tx", "rad", "float", "slope dx/dz of the photon", jagged=True, role="truth"),
        Column("true_ty", "rad", "float", "slope dy/dz of the photon", jagged=True, role="truth"),
        Column("coral_x", "cm", "float", "x fitted by coral", jagged=True, optional=True, role="result"),
        Column("coral_y", "cm", "float", "y fitted by coral", jagged=True, optional=True, role="result"),
        Column(
            "coral_e", "GeV", "float", "energy fitted by coral", jagged=True, optional=True, role="result"
        ),
        Column(
            "lednev_x", "cm", "float", "x fitted by the Lednev fit", jagged=True, optional=True, role="result"
        ),
        Column(
            "lednev_y", "cm", "float", "y fitted by the Lednev fit", jagged=True, optional=True, role="result"
        ),
        Column(
            "lednev_e",
            "GeV",
            "float",
            "energy fitted by the Lednev fit",
            jagged=True,
            optional=True,
            role="result",
        ),
    ),
)


def cell_centre(ix: ArrayLike, iy: ArrayLike) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the centres (x, y) in cm of the cells at columns `ix` and rows `iy`, any shape.

    Examples
    --------
    >>> x, y = cell_centre(32, 23)
    >>> print(round(float(x), 3), round(float(y), 3))
    1.915 -1.915
    """
    x = (np.asarray(ix) - (COLUMNS - 1) / 2) * PITCH
    y = (np.asarray(iy) - (ROWS - 1) / 2) * PITCH
    return x, y


def cell_index(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return column and row of the cells at the points (x, y) in cm, possibly outside the calorimeter."""
    ix = np.rint(np.asarray(x, dtype=float) / PITCH + (COLUMNS - 1) / 2).astype(np.int64)
    iy = np.rint(np.asarray(y, dtype=float) / PITCH + (ROWS - 1) / 2).astype(np.int64)
    return ix, iy


def is_shashlik(ix: ArrayLike, iy: ArrayLike) -> NDArray[np.bool_]:
    """Return whether columns `ix` and rows `iy` hold one of the 860 shashlik cells, any shape."""
    ix, iy = np.asarray(ix), np.asarray(iy)

    def inside(first_x: int, last_x: int, first_y: int, last_y: int) -> NDArray[np.bool_]:
        return (ix >= first_x) & (ix <= last_x) & (iy >= first_y) & (iy <= last_y)

    return np.logical_or.reduce([inside(*rectangle) for rectangle in _RECTANGLES]) & ~inside(*_HOLE)


def shower_depth(energy: ArrayLike) -> NDArray[np.floating]:
    """Return the depth in cm below the front face at which a photon's shower appears.

    X0 (ln(E / 25 MeV) + 1.5), the form that coral uses. A photon of slope s appears displaced by s times
    this.

    Parameters
    ----------
    energy : array_like
        Photon energies in GeV, any shape, positive.

    Raises
    ------
    BadInput
        If an energy is not positive.

    Examples
    --------
    >>> print(shower_depth([10.0, 100.0]).round(2))
    [13.22 17.29]
    """
    energy = np.asarray(energy, dtype=float)
    if not (energy > 0).all():
        raise BadInput(f"photon energy {np.min(energy):g} GeV has no shower depth; give energies above 0 GeV")
    return X0 * (np.log(energy / 0.025) + 1.5)
