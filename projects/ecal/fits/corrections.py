"""Corrections of a fitted shower to a photon at the front face: energy response and angle.

Also flattens the columns of a file. Travels with every registered baseline (numpy only).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["flat_cells", "front_face", "true_energy"]


def true_energy(measured: NDArray[np.floating], response: tuple[float, float, float]) -> NDArray[np.floating]:
    """Correct the measured energies (GeV) of photons, any shape, for the response.

    The response, measured over true energy, is r0 + r1 ln E + r2 / E with E the measured energy: the
    logarithm accounts for leakage, the last term for the energy below threshold. NaN where the response is
    not positive.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = response[0] + response[1] * np.log(measured) + response[2] / measured
        return np.where(ratio > 0, measured / ratio, np.nan)


def front_face(
    energy: NDArray[np.floating], radiation_length: float, z_target: float
) -> NDArray[np.floating]:
    """Return front-face over shower position, for photons of `energy` (GeV) from the target.

    The shower of a photon at x with slope x / Z appears at depth t = X0 (ln(E / 25 MeV) + 1.5), thus at
    x (1 + t / Z).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = radiation_length * (np.log(energy / 0.025) + 1.5)
    return 1.0 / (1.0 + depth / z_target)


def flat_cells(columns: Mapping[str, Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return offsets and flat ``cell_x, cell_y, cell_e`` of columns that hold one sequence per event."""
    counts = [len(event) for event in columns["cell_e"]]
    x, y, energy = (
        np.concatenate([np.empty(0), *columns[name]]).astype(np.float64)
        for name in ("cell_x", "cell_y", "cell_e")
    )
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), x, y, energy
