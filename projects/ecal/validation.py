"""Compare the simulated showers with Geant4.

``python -m projects.ecal.validation <showers.npz or single.root> <folder>``

Reads single photons at normal incidence without noise and threshold, either a shower library as in
`projects.ecal.calibration` or a ROOT file of the ECAL schema, simulates photons of the same energies, prints
a table of ratios and writes four figures: lateral profile, resolution of energy and position, correlations.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects import rootio
from projects.ecal.calibration import BANDS
from projects.ecal.deposits import WINDOW
from projects.ecal.detector import PITCH, SCHEMA
from projects.ecal.lateral import (
    centre_of_gravity,
    corrected,
    half_width,
    moments,
    neighbour_correlation,
    simulated_cells,
)
from projects.ecal.library import Library
from projects.ecal.showers import ShowerModel, geant4_model
from projects.task import BadInput

__all__ = ["Photons", "figures", "simulated", "table"]

#: Boundaries of the energy bins of the figures, GeV.
ENERGIES = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 32.0, 50.0, 80.0, 120.0, 200.0)
#: Photons that a bin needs to be shown.
ENOUGH = 100
#: Simulated showers per shower of the file, and placements of a library's shower.
REPEAT, PLACEMENTS = 6, 4


@dataclass(frozen=True)
class Photons:
    """Single photons as read out.

    Parameters
    ----------
    cells : ndarray, shape (photons, side, side)
        Energies in GeV around the cell that was hit.
    x, y : ndarray, shape (photons,)
        Impact from the centre of that cell, cm.
    energy, seen : ndarray, shape (photons,)
        True energy and energy seen in all cells, GeV.
    """

    cells: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    energy: NDArray[np.float64]
    seen: NDArray[np.float64]

    def between(self, low: float, high: float) -> Photons:
        """Photons of `low` <= true energy < `high` GeV."""
        rows = (self.energy >= low) & (self.energy < high)
        return Photons(self.cells[rows], self.x[rows], self.y[rows], self.energy[rows], self.seen[rows])

    def moments(self) -> dict[str, float]:
        """See `projects.ecal.lateral.moments`."""
        return moments(self.cells, self.x, self.y, self.energy, self.seen)

    @classmethod
    def of_library(cls, library: Library) -> Photons:
        """A library's showers, each placed `PLACEMENTS` times."""
        rng = np.random.default_rng(3)
        placed = [library.cells(rng) for _ in range(PLACEMENTS)]
        cells, x, y = (np.concatenate(part) for part in zip(*placed, strict=True))
        return cls(cells, x, y, np.tile(library.energy, PLACEMENTS), np.tile(library.seen, PLACEMENTS))

    @classmethod
    def of_file(cls, spec: str) -> Photons:
        """Photons of a ROOT file of the ECAL schema; raises `BadInput` unless there is one an event."""
        events = rootio.read(spec, SCHEMA)
        if not ak.all(ak.num(events["true_e"]) == 1):
            raise BadInput(f"{spec} has events without or with several photons; give single photons")
        x, y, energy = (ak.to_numpy(ak.flatten(events[name])) for name in ("true_x", "true_y", "true_e"))
        event = np.repeat(np.arange(len(events)), ak.to_numpy(ak.num(events["cell_e"])))
        cell_x, cell_y, cell_e = (ak.to_numpy(ak.flatten(events[f"cell_{name}"])) for name in "xye")
        # The lattice is that of the file's cells, whatever its origin.
        origin_x, origin_y = cell_x[0], cell_y[0]
        middle_x, middle_y = np.rint((x - origin_x) / PITCH), np.rint((y - origin_y) / PITCH)
        column = np.rint((cell_x - origin_x) / PITCH - middle_x[event]).astype(int) + WINDOW // 2
        row = np.rint((cell_y - origin_y) / PITCH - middle_y[event]).astype(int) + WINDOW // 2
        inside = (column >= 0) & (column < WINDOW) & (row >= 0) & (row < WINDOW)
        cells = np.zeros((len(events), WINDOW, WINDOW))
        cells[event[inside], row[inside], column[inside]] = cell_e[inside]
        seen = np.bincount(event, cell_e, len(events)).astype(float)
        return cls(cells, x - origin_x - middle_x * PITCH, y - origin_y - middle_y * PITCH, energy, seen)


def simulated(energy: NDArray[np.float64], model: ShowerModel, seed: int) -> Photons:
    """Simulated photons of the true energies `energy` (GeV), without noise and threshold."""
    cells, x, y = simulated_cells(model, energy, np.random.default_rng(seed), WINDOW)
    return Photons(cells, x, y, energy, cells.sum(axis=(1, 2)))


def table(real: Photons, fast: Photons) -> str:
    """Markdown table of the moments in `BANDS`: simulation, Geant4 and the ratio or, for shares and
    correlations, the difference."""
    lines = ["| E (GeV) | moment | simulation | Geant4 | ratio or difference |", "|---|---|---|---|---|"]
    for name, (low, high) in _bands(real).items():
        ours, theirs = fast.between(low, high).moments(), real.between(low, high).moments()
        for key, value in ours.items():
            relative = key in ("cog_sigma", "rms", "width")
            compared = f"{value / theirs[key]:.3f}" if relative else f"{value - theirs[key]:+.4f}"
            lines.append(f"| {name} | {key} | {value:.4f} | {theirs[key]:.4f} | {compared} |")
    return "\n".join(lines)


def figures(real: Photons, fast: Photons) -> dict[str, Figure]:
    """The four figures by name."""
    return {
        "lateral_profile": _lateral_profile(real, fast),
        "energy_resolution": _energy_resolution(real, fast),
        "position_resolution": _position_resolution(real, fast),
        "correlations": _correlations(real, fast),
    }


def _bands(real: Photons) -> dict[str, tuple[float, float]]:
    """`BANDS` that hold enough photons."""
    return {name: edges for name, edges in BANDS.items() if len(real.between(*edges).x) >= ENOUGH}


def _bins(photons: Photons) -> tuple[NDArray[np.float64], list[Photons]]:
    """Centres of the energy bins that hold enough photons, GeV, and the photons."""
    filled = [edges for edges in pairwise(ENERGIES) if len(photons.between(*edges).x) >= ENOUGH]
    centres = np.array([np.sqrt(low * high) for low, high in filled])
    return centres, [photons.between(low, high) for low, high in filled]


def _lateral_profile(real: Photons, fast: Photons) -> Figure:
    """Mean share of a cell against its distance from the impact along x, in the row that was hit."""
    figure, (above, below) = plt.subplots(
        2, 1, sharex=True, figsize=(7, 6), height_ratios=(3, 1), layout="constrained"
    )
    borders = np.linspace(0, 2.5 * PITCH, 41)
    centres = (borders[1:] + borders[:-1]) / 2
    for colour, (name, (low, high)) in zip(("C0", "C1", "C2", "C3"), _bands(real).items(), strict=False):
        curves = []
        for photons in (real.between(low, high), fast.between(low, high)):
            side = photons.cells.shape[1]
            distance = np.abs((np.arange(side) - side // 2) * PITCH - photons.x[:, None]).ravel()
            share = (photons.cells[:, side // 2] / photons.seen[:, None]).ravel()
            counts = np.histogram(distance, borders)[0]
            curves.append(np.histogram(distance, borders, weights=share)[0] / np.maximum(counts, 1))
        above.plot(centres, curves[0], "o", ms=3, color=colour, label=f"Geant4, {name} GeV")
        above.plot(centres, curves[1], "-", color=colour)
        below.plot(centres, curves[1] - curves[0], "-", color=colour)
    above.set_yscale("log")
    above.set_ylabel("share of the cell")
    above.legend(title="lines: simulation")
    below.axhline(0, color="grey", lw=0.8)
    below.set_ylim(-0.03, 0.03)
    below.set_ylabel("simulation $-$ Geant4")
    below.set_xlabel("distance of the cell's centre from the impact along x (cm)")
    return figure


def _energy_resolution(real: Photons, fast: Photons) -> Figure:
    figure, (above, below) = plt.subplots(2, 1, sharex=True, figsize=(7, 6), layout="constrained")
    for photons, style, label in ((real, "o", "Geant4"), (fast, "-", "simulation")):
        centres, parts = _bins(photons)
        samples = [part.seen / part.energy for part in parts]
        spread = [100 * sample.std() / sample.mean() for sample in samples]
        core = [100 * half_width(sample) / np.median(sample) for sample in samples]
        above.plot(centres, spread, style, color="C0", label=f"{label}, rms", ms=4)
        above.plot(centres, core, style, color="C1", label=f"{label}, half of central 68 %", ms=4)
        below.plot(centres, [sample.mean() for sample in samples], style, color="C0", label=label, ms=4)
    above.set_xscale("log")
    above.set_ylabel(r"resolution of $E_\mathrm{seen}/E$ (%)")
    above.legend()
    below.set_ylabel(r"mean $E_\mathrm{seen}/E$")
    below.set_xlabel("photon energy (GeV)")
    below.legend()
    return figure


def _position_resolution(real: Photons, fast: Photons) -> Figure:
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for photons, style, label in ((real, "o", "Geant4"), (fast, "-", "simulation")):
        widths = []
        centres, parts = _bins(photons)
        for part in parts:
            true = np.concatenate([part.x, part.y])
            widths.append(
                10 * half_width(corrected(np.concatenate(centre_of_gravity(part.cells)), true) - true)
            )
        axes.plot(centres, widths, style, color="C0", label=label, ms=4)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("photon energy (GeV)")
    axes.set_ylabel("corrected 3x3 centre of gravity,\nhalf of central 68 % (mm)")
    axes.legend()
    return figure


def _correlations(real: Photons, fast: Photons) -> Figure:
    """Residual correlations of the 3x3 cells, the impact in the quadrant of cell 9, and the difference."""
    bands = _bands(real)
    size = (9, 3 * len(bands))
    figure, rows = plt.subplots(len(bands), 3, figsize=size, squeeze=False, layout="constrained")
    for axes, (name, (low, high)) in zip(rows, bands.items(), strict=True):
        matrices = [
            neighbour_correlation(part.cells, part.x, part.y, part.energy)
            for part in (_typical(real.between(low, high)), _typical(fast.between(low, high)))
        ]
        titles = (f"Geant4, {name} GeV", "simulation", "difference")
        for axis, matrix, title in zip(axes, (*matrices, matrices[1] - matrices[0]), titles, strict=True):
            image = axis.imshow(matrix, vmin=-0.6, vmax=0.6, cmap="RdBu_r", origin="lower")
            axis.set_title(title)
            axis.set_xticks(range(9), range(1, 10))
            axis.set_yticks(range(9), range(1, 10))
        figure.colorbar(image, ax=axes)
    return figure


def _typical(photons: Photons) -> Photons:
    """Photons within 4 half widths of the median response: one that all but leaks rules a correlation."""
    response = photons.seen / photons.energy
    rows = np.abs(response - np.median(response)) < 4 * half_width(response)
    return Photons(
        photons.cells[rows], photons.x[rows], photons.y[rows], photons.energy[rows], photons.seen[rows]
    )


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    if len(arguments) != 2:
        print("usage: python -m projects.ecal.validation showers.npz|single.root folder", file=sys.stderr)
        return 2
    source, folder = arguments[0], Path(arguments[1])
    try:
        is_library = source.endswith(".npz")
        real = Photons.of_library(Library.read(Path(source))) if is_library else Photons.of_file(source)
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    if not _bands(real):
        wanted = ", ".join(f"{low:g}-{high:g}" for low, high in BANDS.values())
        print(
            f"{source} has under {ENOUGH} photons in each of {wanted} GeV; give more photons", file=sys.stderr
        )
        return 2
    fast = simulated(np.tile(real.energy, 1 if is_library else REPEAT), geant4_model(), seed=1)
    folder.mkdir(parents=True, exist_ok=True)
    text = table(real, fast)
    (folder / "table.md").write_text(text + "\n", encoding="utf-8")
    for name, figure in figures(real, fast).items():
        figure.savefig(folder / f"{name}.png", dpi=110)
        plt.close(figure)
    print(text)
    return 0


if __name__ == "__main__":
    plt.switch_backend("agg")
    sys.exit(main(sys.argv[1:]))
