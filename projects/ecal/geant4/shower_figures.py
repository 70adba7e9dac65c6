"""Figures comparing simulated single photons with Geant4: profile, resolutions, correlations."""

from __future__ import annotations

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from projects.ecal.geant4.lateral import centre_of_gravity, corrected, half_width, neighbour_correlation
from projects.ecal.geant4.single_photons import ENOUGH, Photons, bands

__all__ = ["figures"]

#: Boundaries of the energy bins of the figures, GeV.
ENERGIES = (2.0, 3.0, 5.0, 8.0, 12.0, 20.0, 32.0, 50.0, 80.0, 120.0, 200.0)


def figures(real: Photons, fast: Photons) -> dict[str, Figure]:
    """Draw the four figures; return them by name."""
    return {
        "lateral_profile": _lateral_profile(real, fast),
        "energy_resolution": _energy_resolution(real, fast),
        "position_resolution": _position_resolution(real, fast),
        "correlations": _correlations(real, fast),
    }


def _bins(photons: Photons) -> tuple[NDArray[np.float64], list[Photons]]:
    """Return centres of the energy bins with enough photons, GeV, and the photons."""
    filled = [edges for edges in pairwise(ENERGIES) if len(photons.between(*edges).x) >= ENOUGH]
    centres = np.array([np.sqrt(low * high) for low, high in filled])
    return centres, [photons.between(low, high) for low, high in filled]


def _lateral_profile(real: Photons, fast: Photons) -> Figure:
    """Draw the mean share of a cell against its distance from the impact along x, in the impact's row."""
    figure, (above, below) = plt.subplots(
        2, 1, sharex=True, figsize=(7, 6), height_ratios=(3, 1), layout="constrained"
    )
    # Library showers are placed in steps of a pixel, a twentieth of a cell: one step per bin.
    centres = np.arange(51) * PITCH / 20
    borders = np.append(centres - PITCH / 40, centres[-1] + PITCH / 40)
    for colour, (name, (low, high)) in zip(("C0", "C1", "C2", "C3"), bands(real).items(), strict=False):
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
    """Draw residual correlations of the 3x3 cells, impact in the quadrant of cell 9, and the difference."""
    shown = bands(real)
    size = (9, 3 * len(shown))
    figure, rows = plt.subplots(len(shown), 3, figsize=size, squeeze=False, layout="constrained")
    for axes, (name, (low, high)) in zip(rows, shown.items(), strict=True):
        matrices = [
            neighbour_correlation(part.cells, part.x, part.y, part.energy)
            for part in (real.between(low, high).typical(), fast.between(low, high).typical())
        ]
        titles = (f"Geant4, {name} GeV", "simulation", "difference")
        for axis, matrix, title in zip(axes, (*matrices, matrices[1] - matrices[0]), titles, strict=True):
            image = axis.imshow(matrix, vmin=-0.6, vmax=0.6, cmap="RdBu_r", origin="lower")
            axis.set_title(title)
            axis.set_xticks(range(9), range(1, 10))
            axis.set_yticks(range(9), range(1, 10))
        figure.colorbar(image, ax=axes)
    return figure
