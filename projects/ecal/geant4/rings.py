"""Moments of showers in rings around the impact, for the fit of the simulated shower shape.

The energy of ten rings and its first two Fourier components in azimuth; their means and, between neighbouring
rings, their covariances, in bins of energy.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from projects.ecal.geant4.library import Library

__all__ = ["RingMoments"]

#: Energy bins of the fitted moments, GeV.
ENERGY_BINS = (1.9, 4.0, 10.0, 30.0, 80.0, 201.0)
#: Boundaries of the rings, cm.
RINGS = np.array([0.0, 0.3, 0.6, 1.0, 1.6, 2.4, 3.4, 5.0, 8.0, 13.4, 30.0])
#: Boundaries of the summed pixels on one side of the impact, in pixels: fine where the shower is steep.
STEPS = np.array([0, 1, 2, 3, 4, 6, 8, 10, 13, 17, 23, 32, 45, 70])
#: Relative systematic uncertainty of means and covariances of Lednev terms.
MEAN_FLOOR, COVARIANCE_FLOOR = 0.003, 0.03
#: Square of the share of the energy below which a ring is empty.
TINY = 1e-10


class RingMoments:
    """Means and covariances of ring energies and their azimuthal components, in bins of energy.

    Parameters
    ----------
    pixel : float
        Side of a library's pixel in cm.
    """

    def __init__(self, pixel: float) -> None:
        self.edges = np.concatenate([-STEPS[:0:-1], STEPS]) * pixel
        centres = (self.edges[1:] + self.edges[:-1]) / 2
        x, y = np.meshgrid(centres, centres)
        ring = np.digitize(np.hypot(x, y).ravel(), RINGS) - 1
        angle = np.arctan2(y, x).ravel()
        self.count = len(RINGS) - 1
        member = (ring[:, None] == np.arange(self.count)).astype(float)
        waves = (np.ones_like(angle), np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle))
        self.projection = np.concatenate([member * wave[:, None] for wave in waves], axis=1)

    def images(self, library: Library) -> NDArray[np.float64]:
        """Rebin the library's maps to coarser pixels, GeV."""
        cuts = (np.rint(self.edges / library.pixel) + library.maps.shape[1] // 2).astype(int)[:-1]
        sums = np.add.reduceat(np.add.reduceat(library.maps, cuts, axis=1, dtype=np.float64), cuts, axis=2)
        return sums * library.calibration / 1e3

    def __call__(self, images: NDArray, energy: NDArray) -> tuple[NDArray, NDArray]:
        """Compute moments and their statistical errors, each of shape (moments,)."""
        values, errors = [], []
        rings = (images.reshape(len(images), -1) @ self.projection).reshape(len(images), 5, self.count)
        rings /= energy[:, None, None]
        for low, high in pairwise(ENERGY_BINS):
            in_bin = (energy >= low) & (energy < high)
            number = in_bin.sum()
            # Fluctuations fall as 1/sqrt(E): scale all showers of the bin to one energy.
            scale = np.sqrt(energy[in_bin] / np.exp(np.log(energy[in_bin]).mean()))[:, None]
            sums = rings[in_bin, 0]
            mean = sums.mean(axis=0)
            values.append(mean)
            errors.append(np.sqrt(sums.var(axis=0) / number + (MEAN_FLOOR * mean) ** 2 + TINY))
            share = sums / sums.sum(axis=1, keepdims=True)
            waves = [[share - share.mean(axis=0)]] + [
                [rings[in_bin, k], rings[in_bin, k + 1]] for k in (1, 3)
            ]
            for components, reach in zip(waves, (3, 4, 3), strict=True):
                covariance = np.mean([(c * scale).T @ (c * scale) / number for c in components], axis=0)
                variance = covariance.diagonal()
                for step in range(reach):
                    product = variance[: self.count - step] * variance[step:]
                    values.append(covariance.diagonal(step))
                    statistical = 1.2 * (product + values[-1] ** 2) / number / len(components)
                    errors.append(np.sqrt(statistical + COVARIANCE_FLOOR**2 * product + TINY**2))
        return np.concatenate(values), np.concatenate(errors)
