"""A library of Geant4 showers in fine pixels, and their read-out in cells.

The stack is laterally homogeneous, so a shower may be translated, rotated by 90 degrees and mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from shashlik.exceptions import BadInput

__all__ = ["Library"]


@dataclass(frozen=True)
class Library:
    """Showers of photons at normal incidence in a laterally homogeneous stack.

    Parameters
    ----------
    energy, visible, lead : ndarray, shape (showers,)
        True energy, energy in the scintillator, energy in the lead, GeV.
    maps : ndarray, shape (showers, pixels, pixels)
        Visible energy in MeV, y before x; the impact is the common corner of the four middle pixels.
    pixel : float
        Side of a pixel in cm.
    calibration : float
        Measured over visible energy.
    """

    energy: NDArray[np.float64]
    visible: NDArray[np.float64]
    lead: NDArray[np.float64]
    maps: NDArray[np.floating]
    pixel: float
    calibration: float

    @classmethod
    def read(cls, path: Path) -> Library:
        """Read a ``.npz`` file; raise `BadInput` if it lacks an array."""
        try:
            with np.load(path) as file:
                return cls(
                    energy=file["true_e"].astype(float),
                    visible=file["visible_e"].astype(float),
                    lead=file["lead_e"].astype(float),
                    maps=file["maps_MeV"],
                    pixel=float(file["pixel_cm"]),
                    calibration=float(file["calibration"]),
                )
        except (OSError, ValueError, KeyError) as error:
            raise BadInput(
                f"no shower library in {path}: {error}; give an .npz file of Geant4 showers"
            ) from None

    def select(self, rows: slice | NDArray) -> Library:
        """Select showers by `rows`."""
        return replace(
            self,
            energy=self.energy[rows],
            visible=self.visible[rows],
            lead=self.lead[rows],
            maps=self.maps[rows],
        )

    @property
    def seen(self) -> NDArray[np.float64]:
        """Measured energy of the whole shower, GeV, shape (showers,)."""
        return self.visible * self.calibration

    def cells(self, rng: np.random.Generator, side: int = 5) -> tuple[NDArray, NDArray, NDArray]:
        """Read out showers in cells, at random points of the middle cell, randomly rotated and mirrored.

        Returns
        -------
        cells : ndarray, shape (showers, side, side)
            Measured energies in GeV.
        x, y : ndarray, shape (showers,)
            Impact from the centre of the middle cell, cm.
        """
        per_cell = round(PITCH / self.pixel)
        half = self.maps.shape[1] // 2
        cells = np.zeros((len(self.energy), side, side))
        # Pixels between the lower edge of the middle cell and the impact; both edges count half.
        shifts = rng.integers(0, per_cell, (len(cells), 2)) + rng.integers(0, 2, (len(cells), 2))
        turns = rng.integers(0, 8, len(cells))
        for shower, ((across, up), turn) in enumerate(zip(shifts, turns, strict=True)):
            image = np.rot90(self.maps[shower].astype(np.float64), turn % 4)
            image = image.T if turn > 3 else image
            left, low = half - across - per_cell * (side // 2), half - up - per_cell * (side // 2)
            block = image[low : low + side * per_cell, left : left + side * per_cell]
            cells[shower] = block.reshape(side, per_cell, side, per_cell).sum(axis=(1, 3))
        x, y = (shifts.T / per_cell - 0.5) * PITCH
        return cells * self.calibration / 1e3, x, y
