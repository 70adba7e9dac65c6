"""Fisher information of Gaussian data, of data with a threshold, and of data shifted by a skewed number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from projects.ecal.simulation.showers import ShowerModel

__all__ = ["Latent", "conversion", "gaussian_information", "kept_share", "leakage"]

#: Widths of the Gaussian around a latent number at which its information is tabulated.
_WIDTHS = np.geomspace(0.03, 30.0, 40)
#: Number of bins of a latent number's distribution.
_BINS = 600


@numba.njit(cache=True, error_model="numpy")
def gaussian_information(slope, covariance, covariance_slope):
    """Compute the Fisher information of a Gaussian vector whose mean and covariance depend on parameters.

    J_ij = dmu_i' C^-1 dmu_j + 1/2 tr(C^-1 dC_i C^-1 dC_j)

    Parameters
    ----------
    slope : ndarray, shape (parameters, n)
        Derivatives of the mean.
    covariance : ndarray, shape (n, n)
    covariance_slope : ndarray, shape (parameters, n, n)
        Derivatives of the covariance.

    Returns
    -------
    ndarray, shape (parameters, parameters)
    """
    count = len(slope)
    inverse = np.linalg.inv(covariance)
    information = slope @ inverse @ slope.T
    products = np.empty_like(covariance_slope)
    for i in range(count):
        products[i] = inverse @ covariance_slope[i]
        for j in range(i + 1):
            trace = 0.5 * np.sum(products[i] * products[j].T)
            information[i, j] += trace
            if i != j:
                information[j, i] += trace
    return information


@numba.njit(cache=True, error_model="numpy")
def kept_share(level):
    """Return the share of the information on its mean that a Gaussian number retains above a threshold.

    1 - Phi(z) + phi(z) (phi(z) / Phi(z) + z): from values above the threshold, and from the fact of being
    below.

    Parameters
    ----------
    level : float
        z, threshold minus mean in standard deviations.
    """
    if level > 8:
        return 0.0
    if level < -8:
        return 1.0
    below = 0.5 * math.erfc(-level / math.sqrt(2.0))
    density = math.exp(-0.5 * level * level) / math.sqrt(2 * math.pi)
    return min(1 - below + density * (density / below + level), 1.0)


@dataclass(frozen=True)
class Latent:
    """A random number that moves all cells along one direction and is not Gaussian.

    If the rest of the data is Gaussian and constrains the number to a width t, the data have as much
    information on all other parameters as if the number were Gaussian with the variance v for which 1 / (v +
    t^2) is the Fisher information on a shift of (number + t x normal). For one number and a linear model this
    is exact.

    Parameters
    ----------
    mean : float
    widths, variances : ndarray
        t and v.
    """

    mean: float
    widths: NDArray[np.float64]
    variances: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64], weights: NDArray[np.float64]) -> Latent:
        """Create the latent number with the given values and weights, which sum to 1."""
        variances = []
        for width in _WIDTHS:
            step = min(width, 0.1) / 4
            grid = np.arange(values.min() - 8 * width, values.max() + 8 * width, step)
            density, slope = np.zeros_like(grid), np.zeros_like(grid)
            for value, weight in zip(values, weights, strict=True):
                first, last = np.searchsorted(grid, (value - 8 * width, value + 8 * width))
                pull = (grid[first:last] - value) / width
                bell = weight * np.exp(-0.5 * pull * pull)
                density[first:last] += bell
                slope[first:last] -= bell * pull / width
            significant = density > 1e-280
            information = np.sum(slope[significant] ** 2 / density[significant]) / np.sum(density)
            variances.append(max(1 / information - width**2, 0.0))
        return cls(float(values @ weights), _WIDTHS, np.array(variances))


def _binned(values: NDArray[np.float64], weights: NDArray[np.float64]) -> Latent:
    """Create a latent number from many weighted values; bins equidistant in the logarithm."""
    edges = np.geomspace(values.min(), values.max() * 1.0001, _BINS)
    bin_index = np.digitize(values, edges)
    weight = np.bincount(bin_index, weights)
    filled = weight > 0
    mean = np.bincount(bin_index, weights * values)[filled] / weight[filled]
    return Latent.of(mean, weight[filled] / weights.sum())


def leakage(model: ShowerModel) -> Latent:
    """Return the leakage over that of a conversion at the mean depth: exp(growth u + spread z)."""
    return _leakage(model.leakage_growth, model.leakage_spread)


@lru_cache(maxsize=8)
def _leakage(growth: float, spread: float) -> Latent:
    late = -np.log1p(-(np.arange(4000) + 0.5) / 4000) - 1
    nodes, weights = np.polynomial.hermite_e.hermegauss(24)
    values = np.exp(growth * late[:, None] + spread * nodes)
    return _binned(values.ravel(), np.tile(weights / weights.sum() / len(late), len(late)))


@lru_cache(maxsize=1)
def conversion() -> Latent:
    """Return the depth of the conversion in mean free paths: exponential."""
    late = -np.log1p(-(np.arange(40000) + 0.5) / 40000)
    return _binned(late, np.full(len(late), 1 / len(late)))
