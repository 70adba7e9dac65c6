"""Square windows of cells, the input of the networks, placed without any knowledge of the truth.

Self-contained (numpy only): the file travels with a registered model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["CELL", "Windows", "windows"]

#: Cell pitch in cm. Cells of an event must lie on one grid of this pitch, wherever its origin is.
CELL = 3.83

#: Events placed at once; bounds the memory of the dense grids.
_CHUNK = 8192
#: Windows that hold this share of the best one's signal count as equally good.
_EQUAL = 0.98
#: Cells farther than this from a grid point, in cells, are not on the grid.
_OFF_GRID = 0.1
#: Cells farther apart than this, in cells, are no calorimeter's; COMPASS ECAL2 has 64 columns.
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
        Events with a cell above threshold whose cells are finite and lie on one grid, and fit into the
        window where that is asked for. The others have a window of zeros.
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

    The window holds as much of sum(sqrt(E)) as a window can: the square root keeps a weak photon from
    being sacrificed to the tail of a strong one. Among windows that are about equally good the one
    nearest to the sqrt(E)-weighted centroid is taken, or any of them at random.

    Parameters
    ----------
    offsets : array_like of int, shape (n + 1,)
        Event k has the cells from ``offsets[k]`` to ``offsets[k + 1]``.
    cell_x, cell_y, cell_e : array_like of float, shape (cells,)
        Cell centres in cm and energies in GeV.
    size : int
        Cells on a side.
    threshold : float
        Cells at or below this energy (GeV) are left out.
    placement : {"centred", "random"}
        How equally good windows are told apart; the random choice needs `rng`.
    rng : numpy.random.Generator, optional
        Source of the random choice.
    cluster : {"all", "sides", "corners"}
        Which cells belong to the event: all, or those that a chain of neighbours links to the highest one,
        neighbours having a side, or at least a corner, in common.
    larger : {"cut", "drop"}
        What becomes of events whose cells do not fit into the window: they are cut, or not usable.

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
        inside = slice(edges[first], edges[last])
        # Written so that a cell without a number stays and spoils its event.
        lit = ~(e[inside] <= threshold)
        cells = (event[lit], x[inside][lit], y[inside][lit], e[inside][lit])
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
    """Energy, corner and usability of the windows of one chunk."""
    bad = ~np.isfinite(x + y + e)
    with np.errstate(invalid="ignore"):
        left, low = np.full(events, np.inf), np.full(events, np.inf)
        np.fmin.at(left, event, x)
        np.fmin.at(low, event, y)
        u, v = (x - left[event]) / CELL, (y - low[event]) / CELL
        bad |= ~((np.abs(u - np.rint(u)) < _OFF_GRID) & (np.abs(v - np.rint(v)) < _OFF_GRID))
        bad |= ~((u < _WIDEST) & (v < _WIDEST))
    usable = (np.bincount(event, minlength=events) > 0) & (np.bincount(event, bad, events) == 0)
    kept = usable[event]
    event, e = event[kept], e[kept]
    ix, iy = (np.rint(place[kept]).astype(np.int64) for place in (u, v))
    columns, rows = (int(index.max(initial=0)) + 1 for index in (ix, iy))

    # A margin of size - 1 on every side, so that a window may reach beyond the lit cells.
    margin = size - 1
    grid = np.zeros((events, rows + 2 * margin, columns + 2 * margin), dtype=np.float32)
    grid[event, iy + margin, ix + margin] = e
    if cluster != "all":
        grid[~_linked(grid, cluster == "corners")] = 0.0
        kept = grid[event, iy + margin, ix + margin] > 0
        event, ix, iy, e = event[kept], ix[kept], iy[kept], e[kept]
    signal = np.sqrt(grid)

    def slide(values: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
        total = np.cumsum(values, axis=axis)
        total = np.insert(total, 0, 0.0, axis=axis)
        upper, lower = [slice(None)] * 3, [slice(None)] * 3
        upper[axis], lower[axis] = slice(size, None), slice(None, -size)
        return total[tuple(upper)] - total[tuple(lower)]

    held = slide(slide(signal, 2), 1)
    good = held >= _EQUAL * held.max(axis=(1, 2), keepdims=True)
    if rng is None:
        weight = np.sqrt(e)
        norm = np.bincount(event, weight, events) + ~usable
        centre_x = np.bincount(event, weight * ix, events) / norm + margin / 2
        centre_y = np.bincount(event, weight * iy, events) / norm + margin / 2
        far_x = np.square(np.arange(held.shape[2]) - centre_x[:, None])
        far_y = np.square(np.arange(held.shape[1]) - centre_y[:, None])
        rank = far_y[:, :, None] + far_x[:, None, :]
    else:
        rank = rng.random(held.shape)
    best = np.where(good, rank, np.inf).reshape(events, -1).argmin(axis=1)
    corner_y, corner_x = np.divmod(best, held.shape[2])

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
    """Lit cells (n, rows, columns) that neighbours link to the highest one; the border has none."""
    lit = grid > 0
    found = np.zeros_like(lit)
    highest = grid.reshape(len(grid), -1).argmax(axis=1)
    found.reshape(len(grid), -1)[np.arange(len(grid)), highest] = True
    found &= lit
    growing = np.arange(len(grid))
    while len(growing):
        before = found[growing]
        beside = before.copy()
        beside[:, :, 1:] |= before[:, :, :-1]
        beside[:, :, :-1] |= before[:, :, 1:]
        # Corners are sides of sides: the rows spread what the columns have spread.
        after, spread = beside.copy(), beside if corners else before
        after[:, 1:] |= spread[:, :-1]
        after[:, :-1] |= spread[:, 1:]
        after &= lit[growing]
        found[growing] = after
        growing = growing[(after != before).any(axis=(1, 2))]
    return found
