"""Square windows of cells, the input of the networks, placed without the truth.

Self-contained (numpy only): the file travels with a registered model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CELL", "Windows", "windows"]

#: Cell pitch in cm. Cells of an event must lie on one grid of this pitch with any origin.
CELL = 3.83

#: Events placed at once; limits the memory of the dense grids.
_CHUNK = 8192
#: Windows with this share of the best window's signal count as equally good.
_EQUAL = 0.98
#: Cells farther than this from a grid point, in cells, are not on the grid.
_OFF_GRID = 0.1
#: Cells farther apart than this, in cells, belong to no calorimeter; COMPASS ECAL2 has 64 columns.
_WIDEST = 100


@dataclass(frozen=True)
class Windows:
    """Windows of `n` events.

    Parameters
    ----------
    energy : ndarray of float32, shape (n, size, size)
        Cell energies in GeV, indexed ``[event, iy, ix]``; 0 where a cell is absent.
    x0, y0 : ndarray of float64, shape (n,)
        Centre of the lower-left cell in cm; 0 for an unusable event.
    usable : ndarray of bool, shape (n,)
        Events with a cell above threshold whose cells are finite, lie on one grid and, if required, fit into
        the window. Other events have a window of zeros.
    """

    energy: NDArray[np.float32]
    x0: NDArray[np.float64]
    y0: NDArray[np.float64]
    usable: NDArray[np.bool_]


def windows(
    offsets: ArrayLike,
    cell_x: ArrayLike,
    cell_y: ArrayLike,
    cell_e: ArrayLike,
    size: int = 9,
    threshold: float = 0.0,
    placement: str = "centred",
    rng: np.random.Generator | None = None,
    cluster: str = "all",
    larger: str = "cut",
) -> Windows:
    """Place a window in every event.

    The window maximises sum(sqrt(E)): the square root keeps a weak photon from being sacrificed to the tail
    of a strong one. Among windows that are about equally good, the one nearest to the sqrt(E)-weighted
    centroid, or a random one, is selected.

    Parameters
    ----------
    offsets : array_like of int, shape (n + 1,)
        Event k has the cells from ``offsets[k]`` to ``offsets[k + 1]``.
    cell_x, cell_y, cell_e : array_like of float, shape (cells,)
        Cell centres in cm and energies in GeV.
    size : int
        Cells on a side.
    threshold : float
        Cells at or below this energy (GeV) are omitted.
    placement : {"centred", "random"}
        Selection among equally good windows; the random selection needs `rng`.
    rng : numpy.random.Generator, optional
        Generator of the random selection.
    cluster : {"all", "sides", "corners"}
        Cells of the event: all, or those connected to the highest one by a chain of neighbours, which share a
        side, or at least a corner.
    larger : {"cut", "drop"}
        Treatment of events whose cells do not fit into the window: cut, or not usable.

    Returns
    -------
    Windows

    Raises
    ------
    ValueError
        For an unknown placement, cluster or larger, or a random placement without a generator.
    """
    if cluster not in ("all", "sides", "corners"):
        raise ValueError(f"cluster {cluster!r} is unknown; choose 'all', 'sides' or 'corners'")
    if larger not in ("cut", "drop"):
        raise ValueError(f"larger {larger!r} is unknown; choose 'cut' or 'drop'")
    if placement not in ("centred", "random"):
        raise ValueError(f"window placement {placement!r} is unknown; choose 'centred' or 'random'")
    if placement == "random" and rng is None:
        raise ValueError(
            "window placement 'random' needs a random generator; pass rng=numpy.random.default_rng(seed)"
        )
    edges = np.asarray(offsets, dtype=np.int64)
    x, y, e = (np.asarray(values, dtype=np.float64) for values in (cell_x, cell_y, cell_e))
    events = len(edges) - 1
    parts = []
    for first in range(0, max(events, 1), _CHUNK):
        last = min(first + _CHUNK, events)
        event = np.repeat(np.arange(last - first), np.diff(edges[first : last + 1]))
        in_chunk = slice(edges[first], edges[last])
        # The condition keeps cells with NaN energy, which make their events unusable.
        lit = ~(e[in_chunk] <= threshold)
        cells = (event[lit], x[in_chunk][lit], y[in_chunk][lit], e[in_chunk][lit])
        source = rng if placement == "random" else None
        parts.append(_place(last - first, *cells, size, source, cluster, larger == "drop"))
    return Windows(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _place(
    events: int,
    event: NDArray[np.int64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    e: NDArray[np.float64],
    size: int,
    rng: np.random.Generator | None,
    cluster: str,
    whole: bool,
) -> tuple[NDArray[Any], ...]:
    """Return energy, corner and usability of the windows of one chunk."""
    bad = ~np.isfinite(x + y + e)
    with np.errstate(invalid="ignore"):
        left, low = np.full(events, np.inf), np.full(events, np.inf)
        np.fmin.at(left, event, x)
        np.fmin.at(low, event, y)
        u, v = (x - left[event]) / CELL, (y - low[event]) / CELL
        bad |= ~((np.abs(u - np.rint(u)) < _OFF_GRID) & (np.abs(v - np.rint(v)) < _OFF_GRID))
        bad |= ~((u < _WIDEST) & (v < _WIDEST))
    usable = (np.bincount(event, minlength=events) > 0) & (np.bincount(event, bad, events) == 0)
    selected = usable[event]
    event, e = event[selected], e[selected]
    ix, iy = (np.rint(place[selected]).astype(np.int64) for place in (u, v))
    columns, rows = (int(index.max(initial=0)) + 1 for index in (ix, iy))

    # A margin of size - 1 on every side, so that a window may reach beyond the lit cells.
    margin = size - 1
    grid = np.zeros((events, rows + 2 * margin, columns + 2 * margin), dtype=np.float32)
    grid[event, iy + margin, ix + margin] = e
    if cluster != "all":
        grid[~_linked(grid, cluster == "corners")] = 0.0
        selected = grid[event, iy + margin, ix + margin] > 0
        event, ix, iy, e = event[selected], ix[selected], iy[selected], e[selected]
    signal = np.sqrt(grid)

    def slide(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        total = np.cumsum(values, axis=axis)
        total = np.insert(total, 0, 0.0, axis=axis)
        upper, lower = [slice(None)] * 3, [slice(None)] * 3
        upper[axis], lower[axis] = slice(size, None), slice(None, -size)
        return total[tuple(upper)] - total[tuple(lower)]

    contained = slide(slide(signal, 2), 1)
    good = contained >= _EQUAL * contained.max(axis=(1, 2), keepdims=True)
    if rng is None:
        weight = np.sqrt(e)
        norm = np.bincount(event, weight, events) + ~usable
        centre_x = np.bincount(event, weight * ix, events) / norm + margin / 2
        centre_y = np.bincount(event, weight * iy, events) / norm + margin / 2
        far_x = np.square(np.arange(contained.shape[2]) - centre_x[:, None])
        far_y = np.square(np.arange(contained.shape[1]) - centre_y[:, None])
        rank = far_y[:, :, None] + far_x[:, None, :]
    else:
        rank = rng.random(contained.shape)
    best = np.where(good, rank, np.inf).reshape(events, -1).argmin(axis=1)
    corner_y, corner_x = np.divmod(best, contained.shape[2])

    span = np.arange(size)
    energy = grid[
        np.arange(events)[:, None, None],
        corner_y[:, None, None] + span[None, :, None],
        corner_x[:, None, None] + span[None, None, :],
    ]
    if whole:
        usable &= (energy > 0).sum(axis=(1, 2)) == (grid > 0).sum(axis=(1, 2))
        energy[~usable] = 0.0
    x0 = np.where(usable, left + (corner_x - margin) * CELL, 0.0)
    y0 = np.where(usable, low + (corner_y - margin) * CELL, 0.0)
    return energy, x0, y0, usable


def _linked(grid: NDArray[np.float32], corners: bool) -> NDArray[np.bool_]:
    """Select lit cells (n, rows, columns) connected to the highest one; the border has none."""
    lit = grid > 0
    linked = np.zeros_like(lit)
    highest = grid.reshape(len(grid), -1).argmax(axis=1)
    linked.reshape(len(grid), -1)[np.arange(len(grid)), highest] = True
    linked &= lit
    growing = np.arange(len(grid))
    while len(growing):
        before = linked[growing]
        beside = before.copy()
        beside[:, :, 1:] |= before[:, :, :-1]
        beside[:, :, :-1] |= before[:, :, 1:]
        # Corners are sides of sides: the row step extends the result of the column step.
        after, spread = beside.copy(), beside if corners else before
        after[:, 1:] |= spread[:, :-1]
        after[:, :-1] |= spread[:, 1:]
        after &= lit[growing]
        linked[growing] = after
        growing = growing[(after != before).any(axis=(1, 2))]
    return linked
