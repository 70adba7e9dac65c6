"""Lednev's lateral shower profile, compiled: the share of a shower in each cell and its slopes.

With corners at (u, v) from the shower axis, the share of a cell is the second difference over its four
corners of F (A.A. Lednev, Nucl. Instrum. Meth. A366 (1995) 292)

    F(u, v) = 1/4 + sum_i a_i/(2 pi) [atan(u/b_i) + atan(v/b_i) + atan(u v / (b_i r_i))],
    r_i = sqrt(b_i^2 + u^2 + v^2).

Terms in one coordinate cancel in the difference and are omitted, here and in the slopes, where
dF/du = sum_i a_i/(2 pi) b_i v / (r_i (b_i^2 + u^2)). Neighbouring cells share their corners.

The compiled modules of this package cache their machine code in ``__pycache__``. numba checks only the file
of the outermost function, so after editing an inner function delete ``__pycache__/*.nb?``.
"""

from __future__ import annotations

import math
from collections import namedtuple

import numpy as np
from numba import njit

__all__ = ["Shape", "arctangent", "cell_shares", "span_of"]

#: Weights `a`, widths `b` (cm) of the profile and the `pitch` of the cells (cm).
Shape = namedtuple("Shape", "a b pitch")

#: Cells whose centres are farther than this from the axis get no share (cm); the same in whole cells, for
#: loops.
_REACH_CM = 20.0
_REACH_CELLS = 5
_CORNERS = (2 * _REACH_CELLS + 2) ** 2


@njit(cache=True, error_model="numpy")
def arctangent(p, q):
    """Compute atan(p / q) for q > 0 to 2e-9, without branches and with one division, so that loops vectorise.

    Chebyshev interpolation of atan(t)/t in t^2 on [0, 1].
    """
    size = abs(p)
    t = min(size, q) / max(size, q)
    s = t * t
    value = 0.010487649399874501 - 0.0017011700903822203 * s
    value = -0.030351865114653258 + s * value
    value = 0.05708955633078856 + s * value
    value = -0.08349724996759872 + s * value
    value = 0.1093234151327955 + s * value
    value = -0.1426001608570026 + s * value
    value = 0.19998075281505315 + s * value
    value = -0.3333327629200022 + s * value
    value = t * (0.9999999971605468 + s * value)
    value = 0.5 * math.pi - value if size > q else value
    return math.copysign(value, p)


@njit(cache=True, error_model="numpy", fastmath={"contract", "nsz"})
def _corners(u, v, shape, f, fu, fv):
    """Fill `f` with F without its terms in one coordinate, `fu` and `fv` with its slopes, at (u, v)."""
    f.fill(0.0)
    fu.fill(0.0)
    fv.fill(0.0)
    for k in range(shape.a.size):
        b = shape.b[k]
        weight = shape.a[k] / (2.0 * math.pi)
        for c in range(u.size):
            across = u[c] * u[c] + b * b
            along = v[c] * v[c] + b * b
            r = math.sqrt(across + v[c] * v[c])
            slope = weight * b / (r * across * along)
            f[c] += weight * arctangent(u[c] * v[c], b * r)
            fu[c] += slope * v[c] * along
            fv[c] += slope * u[c] * across


@njit(cache=True)
def span_of(ix, iy):
    """Return the first and last column and the first and last row of the cells."""
    left = right = ix[0]
    low = high = iy[0]
    for c in range(1, ix.size):
        left, right = min(left, ix[c]), max(right, ix[c])
        low, high = min(low, iy[c]), max(high, iy[c])
    return left, right, low, high


@njit(cache=True, error_model="numpy")
def cell_shares(x, y, shape, ix, iy, span, g, gx, gy):
    """Compute the shares of a shower in the cells.

    Parameters
    ----------
    x, y : float
        Axis of the shower in cm from the centre of cell (0, 0).
    shape : Shape
    ix, iy : ndarray of int, shape (cells,)
        Columns and rows.
    span : tuple of int
        `span_of` the cells.
    g, gx, gy : ndarray of float, shape (cells,)
        Filled with the shares and their derivatives with respect to `x` and `y` (1/cm); zero for cells
        whose centre is more than 20 cm away.
    """
    g.fill(0.0)
    gx.fill(0.0)
    gy.fill(0.0)
    pitch = shape.pitch
    column, row = round(x / pitch), round(y / pitch)
    left, right = max(column - _REACH_CELLS, span[0]), min(column + _REACH_CELLS, span[1])
    low, high = max(row - _REACH_CELLS, span[2]), min(row + _REACH_CELLS, span[3])
    columns, rows = right - left + 1, high - low + 1
    if columns < 1 or rows < 1:
        return
    table = np.empty((5, _CORNERS))
    stride = columns + 1
    count = stride * (rows + 1)
    u, v, f, fu, fv = table[0, :count], table[1, :count], table[2, :count], table[3, :count], table[4, :count]
    c = 0
    for j in range(rows + 1):
        for i in range(stride):
            u[c] = (left + i - 0.5) * pitch - x
            v[c] = (low + j - 0.5) * pitch - y
            c += 1
    _corners(u, v, shape, f, fu, fv)
    for cell in range(ix.size):
        i, j = ix[cell] - left, iy[cell] - low
        if i < 0 or i >= columns or j < 0 or j >= rows:
            continue
        if (ix[cell] * pitch - x) ** 2 + (iy[cell] * pitch - y) ** 2 > _REACH_CM**2:
            continue
        c = j * stride + i
        d = c + stride
        g[cell] = f[d + 1] - f[d] - f[c + 1] + f[c]
        gx[cell] = fu[d] + fu[c + 1] - fu[d + 1] - fu[c]
        gy[cell] = fv[d] + fv[c + 1] - fv[d + 1] - fv[c]
