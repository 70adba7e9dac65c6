"""The parts of a mean shower and their displacements from shower to shower."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.ecal.limit.cell_moments import ORDER
from projects.ecal.simulation.profile import REACH
from projects.ecal.simulation.showers import ShowerModel, typical

__all__ = ["Parts", "parts"]

#: Smallest width of a displacement in cm: smearing of a fixed term by so little is invisible in the cells.
_LEAST = 0.01


@dataclass(frozen=True)
class Parts:
    """Parts of mean showers and their displacements; p parts, one entry per photon.

    Parameters
    ----------
    amplitude, loss : ndarray, shape (photons, p)
        Mean visible energy in GeV after the mean leakage, and its change when the leakage grows by that of a
        conversion at the mean depth.
    x, y : ndarray, shape (photons, p)
        Mean displacement from the impact in cm: slope times depth.
    width, sigma : ndarray, shape (photons, p)
        Width b and standard deviation of the displacement along an axis, cm.
    powers : ndarray, shape (photons, ORDER, p, p)
        Powers 1, 2, ... of the correlation of displacements.
    sampling : ndarray, shape (photons,)
        Relative variance of the visible energy of all parts together.
    total : ndarray, shape (photons,)
        Mean energy within reach, whose granularity cancels in the sum over the cells, GeV.
    """

    amplitude: NDArray[np.floating]
    loss: NDArray[np.floating]
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    width: NDArray[np.floating]
    sigma: NDArray[np.floating]
    powers: NDArray[np.floating]
    sampling: NDArray[np.floating]
    total: NDArray[np.floating]


def parts(
    model: ShowerModel,
    energy: NDArray[np.floating],
    mean_leak: float,
    slope: tuple[NDArray[np.floating], NDArray[np.floating]] | None = None,
) -> Parts:
    """Compute the parts of the mean showers of `energy` (GeV, shape (photons,)) and their displacements.

    Parameters
    ----------
    mean_leak : float
        Mean leakage over that of a conversion at the mean depth.
    slope : pair of ndarray, shape (photons,), optional
        dx/dz and dy/dz in rad. Without it both halves of a term have the same position and are one part.
    """
    common = typical(model, energy)
    loss = -common.seen[:, None] * common.leak[:, None] * np.array(model.leakage_shares)
    amplitude = common.seen[:, None] * common.shares + mean_leak * loss
    mixing = np.array(model.displacement)
    together = (mixing @ mixing.T) / energy[:, None, None]
    apart = np.array(model.split) ** 2 / np.sqrt(energy)[:, None]
    sigma = np.maximum(np.sqrt(np.diagonal(together, axis1=1, axis2=2) + apart), _LEAST)
    apart = apart[:, :, None] * np.eye(len(mixing))
    scale = sigma[:, :, None] * sigma[:, None, :]
    order = np.arange(1, ORDER + 1)[None, :, None, None]
    same, opposite = (((together + sign * apart) / scale)[:, None] ** order for sign in (1, -1))
    sampling = model.stochastic**2 / energy
    total = (amplitude * (1 - common.width / np.hypot(common.width, REACH))).sum(axis=1)
    if slope is None:
        still = np.zeros_like(amplitude)
        powers = (same + opposite) / 2
        return Parts(amplitude, loss, still, still, common.width, sigma, powers, sampling, total)
    depth = common.depth[:, None] + np.array([-1.0, 1.0]) * common.length[:, None]
    depth = np.repeat(depth, len(mixing), axis=1)
    powers = np.block([[same, opposite], [opposite, same]])
    twice = [np.tile(array, 2) for array in (amplitude / 2, loss / 2, common.width, sigma)]
    shift = [part[:, None] * depth for part in slope]
    return Parts(twice[0], twice[1], shift[0], shift[1], twice[2], twice[3], powers, sampling, total)
