"""Fit of photons to a window of cells as a Keras graph: Gauss-Newton on the lateral shower profile.

Only `keras.ops` are used, so that the fit is saved, loaded and exported with the networks around it.
A hypothesis is a point (x1, y1, ln E1, x2, ...) of one photon or more, in cm from the centre of the window's
lower-left cell and in GeV; hypotheses are a second batch axis.

The profile is Lednev's (A. A. Lednev, NIM A366 (1995) 292): with corners at (u, v) from the shower axis

    F(u, v) = 1/4 + sum_i a_i/(2 pi) [atan(u/b_i) + atan(v/b_i) + atan(u v / (b_i sqrt(b_i^2+u^2+v^2)))]

and a cell's share is the difference of F over its four corners. The terms in one coordinate cancel in that
difference, as do those of the derivative dF/du = sum_i a_i b_i/(2 pi (b_i^2+u^2)) (1 + v/s_i), so the graph
does not compute them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

__all__ = ["Readout", "cell_variance", "chi2", "gauss_newton_step", "photon_cells"]

#: The fit bounds photon energies (GeV) from below, so that the logarithm stays finite.
LEAST_ENERGY = 0.2
#: Largest move in one step: cm, and in ln E. Newton's step is reliable only near the minimum.
_REACH = (1.5, 1.5, 0.7)
#: Relative addition to the diagonal of the normal equations, which are singular for two photons at one
#: position.
_DAMPING = 1e-3

Tensor = Any


@dataclass(frozen=True)
class Readout:
    """Showers and cells as the fit models them.

    Parameters
    ----------
    a, b : tuple of float
        Weights and widths (cm) of the profile's terms.
    pitch : float
        Side of a cell in cm.
    threshold : float
        Cells at or below this energy (GeV) are absent.
    size : int
        Cells on a side of the window.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]
    pitch: float
    threshold: float
    size: int


def cell_variance(energy: Tensor) -> Tensor:
    """Return the variance (GeV^2) of a cell of the given energy (GeV), as in the coral fit."""
    return 0.15**2 * energy + 0.015**2 * energy * energy + 0.05**2


def _across(corners: Tensor) -> Tensor:
    """Take the second difference over the last two axes: (..., n+1, n+1) corners to (..., n, n) cells."""
    rows = corners[..., 1:, :] - corners[..., :-1, :]
    return rows[..., 1:] - rows[..., :-1]


def photon_cells(point: Tensor, readout: Readout, slopes: bool = True) -> tuple[Tensor, ...]:
    """Compute the cell energies of each photon and their derivatives with respect to its position.

    Parameters
    ----------
    point : tensor, shape (n, hypotheses, 3 photons)
    readout : Readout
    slopes : bool
        Whether to compute the derivatives.

    Returns
    -------
    energy, by_x, by_y : tensors, shape (n, hypotheses, photons, size, size)
        GeV, GeV/cm, GeV/cm; the last axes are iy, ix. Without `slopes` only the energy.
    """
    photon = ops.reshape(point, (-1, point.shape[1], point.shape[2] // 3, 3))
    edges = ((np.arange(readout.size + 1) - 0.5) * readout.pitch).astype("float32")
    u = ops.subtract(edges, photon[..., 0:1])
    v = ops.subtract(edges, photon[..., 1:2])
    u, v = u[..., None, :], v[..., :, None]
    uu, vv, uv = u * u, v * v, u * v
    share = by_u = by_v = 0.0
    for weight, radius in zip(readout.a, readout.b, strict=True):
        norm, square = weight / (2 * math.pi), radius * radius
        inverse = ops.rsqrt(uu + vv + square)
        share = share + norm * ops.arctan(uv * inverse / radius)
        if slopes:
            inverse = norm * radius * inverse
            by_u = by_u + v * inverse / (uu + square)
            by_v = by_v + u * inverse / (vv + square)
    energy = ops.exp(photon[..., 2])[..., None, None]
    if not slopes:
        return (energy * _across(share),)
    return energy * _across(share), -energy * _across(by_u), -energy * _across(by_v)


def _mismatch(cells: Tensor, expected: Tensor, threshold: float) -> Tensor:
    """Return cell energy minus expectation; an absent cell may have any energy below the threshold."""
    return ops.where(cells > 0, cells - expected, -ops.relu(expected - threshold))


def chi2(cells: Tensor, point: Tensor, readout: Readout) -> Tensor:
    """Compute the chi-square of hypotheses, shape (n, hypotheses), with weights from the data only.

    Weights that depend on the hypothesis would favour a wrong one with a large expected energy.
    """
    (showers,) = photon_cells(point, readout, slopes=False)
    data = cells[:, None]
    pull2 = ops.square(_mismatch(data, ops.sum(showers, axis=2), readout.threshold)) / cell_variance(data)
    return ops.sum(pull2, axis=(2, 3))


def gauss_newton_step(cells: Tensor, point: Tensor, readout: Readout) -> Tensor:
    """Move hypotheses by one damped Gauss-Newton step.

    Parameters
    ----------
    cells : tensor, shape (n, size, size)
        GeV.
    point : tensor, shape (n, hypotheses, 3 photons)
    readout : Readout

    Returns
    -------
    tensor, shape (n, hypotheses, 3 photons)
    """
    photons = point.shape[2] // 3
    by_energy, by_x, by_y = photon_cells(point, readout)
    data = cells[:, None]
    expected = ops.sum(by_energy, axis=2)
    missing = _mismatch(data, expected, readout.threshold)
    # An absent cell expected below threshold carries no information: no residual, no slope.
    informative = ops.cast(ops.logical_or(data > 0, expected > readout.threshold), "float32")
    weight = informative / cell_variance(data)
    columns = [slope[:, :, photon] for photon in range(photons) for slope in (by_x, by_y, by_energy)]
    weighted = [column * weight for column in columns]
    normal = [
        [ops.sum(weighted[i] * columns[j], axis=(2, 3)) for j in range(i + 1)] for i in range(3 * photons)
    ]
    pull = [ops.sum(column * missing, axis=(2, 3)) for column in weighted]
    for i in range(3 * photons):
        normal[i][i] = normal[i][i] * (1 + _DAMPING) + 1e-6
    step = ops.stack(_solve(normal, pull), axis=-1)
    reach = np.tile(np.array(_REACH, dtype=np.float32), photons)
    updated = point + ops.minimum(ops.maximum(step, -reach), reach)
    border = (-0.5 * readout.pitch, (readout.size - 0.5) * readout.pitch)
    low = np.array(photons * [border[0], border[0], math.log(LEAST_ENERGY)], dtype=np.float32)
    high = np.array(photons * [border[1], border[1], math.log(1e4)], dtype=np.float32)
    return ops.minimum(ops.maximum(updated, low), high)


def _solve(matrix: list[list[Tensor]], right: list[Tensor]) -> list[Tensor]:
    """Solve a symmetric positive system by Cholesky, written out over tensors of batch shape.

    `matrix` holds the lower triangle. Library solvers process a batch of 6x6 systems one at a time.
    """
    n = len(right)
    low: list[list[Tensor]] = [[] for _ in range(n)]
    inverse: list[Tensor] = []
    for i in range(n):
        for j in range(i + 1):
            value = matrix[i][j]
            for k in range(j):
                value = value - low[i][k] * low[j][k]
            if i == j:
                # Rounding can push a singular pivot below zero.
                inverse.append(ops.rsqrt(ops.maximum(value, 1e-6 * matrix[i][i])))
            else:
                low[i].append(value * inverse[j])
    forward: list[Tensor] = []
    for i in range(n):
        value = right[i]
        for k in range(i):
            value = value - low[i][k] * forward[k]
        forward.append(value * inverse[i])
    solution: list[Tensor] = [None] * n
    for i in reversed(range(n)):
        value = forward[i]
        for k in range(i + 1, n):
            value = value - low[k][i] * solution[k]
        solution[i] = value * inverse[i]
    return solution
