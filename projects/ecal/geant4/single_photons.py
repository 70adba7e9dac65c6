"""Single photons in the calorimeter read-out: Geant4 showers from a library or a file, or simulated."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from projects.ecal.geant4.calibration import BANDS
from projects.ecal.geant4.lateral import half_width, moments, simulated_cells
from projects.ecal.geant4.library import Library
from projects.ecal.simulation.deposits import WINDOW
from projects.ecal.simulation.showers import ShowerModel
from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["ENOUGH", "Photons", "bands", "simulated"]

#: Fewest photons of an energy bin for a comparison.
ENOUGH = 100
#: Placements of a library's shower, each at another point of the cell.
PLACEMENTS = 12


@dataclass(frozen=True)
class Photons:
    """Single photons after read-out.

    Parameters
    ----------
    cells : ndarray, shape (photons, side, side)
        Energies in GeV around the cell of the impact.
    x, y : ndarray, shape (photons,)
        Impact from the centre of that cell, cm.
    energy, seen : ndarray, shape (photons,)
        True energy and energy measured in all cells, GeV.
    """

    cells: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    energy: NDArray[np.float64]
    seen: NDArray[np.float64]

    def between(self, low: float, high: float) -> Photons:
        """Select photons of `low` <= true energy < `high` GeV."""
        rows = (self.energy >= low) & (self.energy < high)
        return Photons(self.cells[rows], self.x[rows], self.y[rows], self.energy[rows], self.seen[rows])

    def moments(self) -> dict[str, float]:
        """Compute `projects.ecal.geant4.lateral.moments`."""
        return moments(self.cells, self.x, self.y, self.energy, self.seen)

    def typical(self) -> Photons:
        """Select photons within 4 half widths of the median response, as leakage dominates correlations."""
        response = self.seen / self.energy
        rows = np.abs(response - np.median(response)) < 4 * half_width(response)
        return Photons(self.cells[rows], self.x[rows], self.y[rows], self.energy[rows], self.seen[rows])

    @classmethod
    def of_library(cls, library: Library) -> Photons:
        """Read out a library's showers, each placed `PLACEMENTS` times."""
        rng = np.random.default_rng(3)
        placed = [library.cells(rng) for _ in range(PLACEMENTS)]
        cells, x, y = (np.concatenate(part) for part in zip(*placed, strict=True))
        return cls(cells, x, y, np.tile(library.energy, PLACEMENTS), np.tile(library.seen, PLACEMENTS))

    @classmethod
    def of_sample(cls, events: Sample) -> Photons:
        """Read events of one photon each; raise `BadInput` for other events."""
        if not ak.all(ak.num(events["true_e"]) == 1):
            raise BadInput(
                f"{events.source} has events without or with several photons; give single photons, or pairs"
            )
        x, y, energy = (ak.to_numpy(ak.flatten(events[name])) for name in ("true_x", "true_y", "true_e"))
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["cell_e"])))
        cell_x, cell_y, cell_e = (ak.to_numpy(ak.flatten(events[f"cell_{name}"])) for name in "xye")
        # The lattice is that of the file's cells, whatever its origin.
        origin_x, origin_y = cell_x[0], cell_y[0]
        middle_x, middle_y = np.rint((x - origin_x) / PITCH), np.rint((y - origin_y) / PITCH)
        column = np.rint((cell_x - origin_x) / PITCH - middle_x[event]).astype(int) + WINDOW // 2
        row = np.rint((cell_y - origin_y) / PITCH - middle_y[event]).astype(int) + WINDOW // 2
        in_window = (column >= 0) & (column < WINDOW) & (row >= 0) & (row < WINDOW)
        cells = np.zeros((len(events), WINDOW, WINDOW))
        cells[event[in_window], row[in_window], column[in_window]] = cell_e[in_window]
        measured = np.bincount(event, cell_e, len(events)).astype(float)
        return cls(cells, x - origin_x - middle_x * PITCH, y - origin_y - middle_y * PITCH, energy, measured)


def simulated(energy: NDArray[np.float64], model: ShowerModel, seed: int) -> Photons:
    """Simulate photons of the true energies `energy` (GeV), without noise and threshold."""
    cells, x, y = simulated_cells(model, energy, np.random.default_rng(seed), WINDOW)
    return Photons(cells, x, y, energy, cells.sum(axis=(1, 2)))


def bands(real: Photons) -> dict[str, tuple[float, float]]:
    """Return the `BANDS` with enough photons."""
    return {name: edges for name, edges in BANDS.items() if len(real.between(*edges).x) >= ENOUGH}
