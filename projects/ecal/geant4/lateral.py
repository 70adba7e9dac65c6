"""Observables of single showers in a calorimeter, for the comparison of simulation and Geant4.

All functions take `cells`, energies in GeV of shape (showers, side, side), row (y) before column (x), with
the impact at (x, y) cm from the centre of the middle cell and inside it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import LSQUnivariateSpline

from projects.ecal.detector import PITCH
from projects.ecal.simulation.deposits import deposit
from projects.ecal.simulation.showers import ShowerModel, draw

__all__ = [
    "centre_of_gravity",
    "corrected",
    "half_width",
    "lateral_fractions",
    "moments",
    "neighbour_correlation",
    "simulated_cells",
]


def simulated_cells(
    model: ShowerModel, energy: NDArray[np.float64], rng: np.random.Generator, side: int = 5
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Simulate showers at normal incidence, uniform over the middle cell, no noise; return cells, x and y."""
    x, y = rng.uniform(-PITCH / 2, PITCH / 2, (2, len(energy)))
    cells = np.zeros((len(energy), side, side))
    deposit(cells, np.arange(len(energy)), x, y, draw(model, energy, rng), rng)
    return cells, x, y


def half_width(values: NDArray[np.floating]) -> float:
    """Return half the width of the central 68.27 % of `values`, shape (n,)."""
    low, high = np.quantile(values, [0.158655, 0.841345])
    return float(high - low) / 2


def centre_of_gravity(cells: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the energy-weighted mean (x, y) in cm of the 3x3 cells in the middle."""
    middle = cells.shape[1] // 2
    block = cells[:, middle - 1 : middle + 2, middle - 1 : middle + 2]
    total = np.maximum(block.sum(axis=(1, 2)), 1e-12)
    steps = np.array([-PITCH, 0.0, PITCH])
    return block.sum(axis=1) @ steps / total, block.sum(axis=2) @ steps / total


def corrected(measured: NDArray[np.floating], true: NDArray[np.floating]) -> NDArray[np.floating]:
    """Correct `measured` coordinates, (n,), for the S-curve: an odd spline fitted to `true`; all in cm."""
    size, folded = np.abs(measured), np.sign(measured) * true
    order = np.argsort(size)
    knots = np.quantile(size, np.linspace(0, 1, 8)[1:-1])
    curve = LSQUnivariateSpline(size[order], folded[order], knots)
    return np.sign(measured) * curve(size)


def lateral_fractions(cells: NDArray[np.floating], total: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return mean shares of `total` (GeV, (showers,)) in the middle cell, 3x3 and 5x5 cells, shape (3,)."""
    middle = cells.shape[1] // 2
    blocks = [cells[:, middle - k : middle + k + 1, middle - k : middle + k + 1] for k in range(3)]
    return np.array([np.mean(block.sum(axis=(1, 2)) / total) for block in blocks])


def neighbour_correlation(
    cells: NDArray[np.floating],
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    energy: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Return the correlation of the 3x3 cells' residuals about the mean dependence on the impact.

    Cells are mirrored so that the impact lies in the quadrant x, y > 0; the mean share of every cell as a
    function of the impact is a polynomial of total degree 5 there. Shape (9, 9), rows of cells along x first.
    """
    middle = cells.shape[1] // 2
    block = cells[:, middle - 1 : middle + 2, middle - 1 : middle + 2].copy()
    block[x < 0] = block[x < 0][:, :, ::-1]
    block[y < 0] = block[y < 0][:, ::-1, :]
    share = block.reshape(len(block), 9) / energy[:, None]
    u, v = np.abs(x), np.abs(y)
    design = np.stack([u**i * v**j for i in range(6) for j in range(6 - i)], axis=1)
    residual = (share - design @ np.linalg.lstsq(design, share, rcond=None)[0]) * np.sqrt(energy)[:, None]
    return np.corrcoef(residual.T)


def moments(
    cells: NDArray[np.floating],
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    energy: NDArray[np.floating],
    total: NDArray[np.floating],
) -> dict[str, float]:
    """Compute the reference moments of showers in a narrow band of energy.

    Parameters
    ----------
    energy, total : ndarray, shape (showers,)
        True energy and visible energy in all cells, GeV.

    Returns
    -------
    dict
        ``cog_sigma`` (cm, corrected 3x3 centre of gravity, both axes), ``rms`` of the relative visible energy
        about its mean within 4 half widths, ``width`` its half width, ``share_1``, ``share_9``, ``share_25``
        the lateral fractions, ``beside``, ``opposite``, ``diagonal`` correlations of residuals: middle cell
        with the adjacent cell nearest the impact, that cell with the one on the other side, and the two cells
        adjacent to the middle one and nearest the impact with each other.
    """
    cog = np.concatenate(centre_of_gravity(cells))
    true = np.concatenate([x, y])
    response = total / energy
    centre, width = np.median(response), half_width(response)
    typical = np.abs(response - centre) < 4 * width
    correlation = neighbour_correlation(cells[typical], x[typical], y[typical], energy[typical])
    shares = lateral_fractions(cells, total)
    return {
        "cog_sigma": half_width(corrected(cog, true) - true),
        "rms": float(response[typical].std() / response[typical].mean()),
        "width": width / float(centre),
        "share_1": float(shares[0]),
        "share_9": float(shares[1]),
        "share_25": float(shares[2]),
        "beside": float(correlation[4, 5] + correlation[4, 7]) / 2,
        "opposite": float(correlation[3, 5] + correlation[1, 7]) / 2,
        "diagonal": float(correlation[5, 7]),
    }
