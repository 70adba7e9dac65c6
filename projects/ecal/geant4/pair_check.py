"""Comparison of the resolution of profile fits on simulated and Geant4 pairs of overlapping photons.

Moments of single showers can agree while a fit, which weights the cells differently, responds differently.
Therefore the tuned fits are tuned on half of the real pairs and evaluated on the other half, then tuned and
evaluated in the same way on equally many simulated pairs, and their resolutions are compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from projects.ecal.evaluation.photons import residuals, true_photons
from projects.ecal.fits.baselines import baselines
from projects.ecal.simulation.events import Scene, simulate
from shashlik.exceptions import BadInput
from shashlik.statistics import Residuals, Resolution, resolution
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample

__all__ = ["FEWEST_PAIRS", "PairResolution", "pair_figure", "pair_resolutions", "pair_table"]

#: Fewest pairs for tuning a fit and evaluating it in bins.
FEWEST_PAIRS = 1000
#: Boundaries of the bins of photon energy, GeV.
ENERGIES = (2.0, 20.0, 40.0, 80.0, 140.0, 200.0)
FITS = ("lednev-tuned", "coral-tuned")
QUANTITIES = ("x", "y", "energy")


@dataclass(frozen=True)
class PairResolution:
    """Resolution of a fit for photons in one energy range, simulated and real.

    Parameters
    ----------
    fit, quantity : str
        Name of the fit, and ``x``, ``y`` (cm) or ``energy`` (relative).
    range_gev : tuple of float
        Energy range of the photons.
    simulated, real : Resolution
        Core and widths of the residuals; failures are excluded.
    """

    fit: str
    quantity: str
    range_gev: tuple[float, float]
    simulated: Resolution
    real: Resolution

    @property
    def ratio(self) -> tuple[float, float]:
        """Simulated over real core sigma, and its error."""
        ratio = self.simulated.sigma / self.real.sigma
        simulated_error, real_error = (part.sigma_err / part.sigma for part in (self.simulated, self.real))
        return ratio, ratio * float(np.hypot(simulated_error, real_error))


def pair_resolutions(real: Sample, seed: int = 1) -> list[PairResolution]:
    """Compute resolutions of the tuned fits on real and on simulated pairs, overall and in bins.

    Parameters
    ----------
    real : Sample
        Pairs at normal incidence with the default noise, gains and threshold of `Scene`.
    seed : int
        Random seed of the simulated pairs and of the split into halves.

    Raises
    ------
    BadInput
        If there are fewer than `FEWEST_PAIRS`, or an event does not have two photons.
    """
    if len(real) < FEWEST_PAIRS:
        raise BadInput(
            f"{real.source}: {len(real)} pairs; give at least {FEWEST_PAIRS} to tune a fit and judge it"
        )
    truth = true_photons(real, 2)
    x, y = truth["x"], truth["y"]
    apart = np.hypot(x[:, 1] - x[:, 0], y[:, 1] - y[:, 0])
    scene = Scene(
        energy=(float(truth["e"].min()), float(truth["e"].max())),
        distance=(float(apart.min()), float(apart.max())),
    )
    order = np.random.default_rng(seed).permutation(len(real))
    samples = (simulate(scene, len(real), seed, progress=True), real.select(order))
    resolutions = []
    for name in FITS:
        simulated, measured = (_tuned_residuals(name, sample) for sample in samples)
        for quantity in QUANTITIES:
            for low, high in ((ENERGIES[0], ENERGIES[-1]), *pairwise(ENERGIES)):
                pair = (_resolution(part, quantity, low, high) for part in (simulated, measured))
                resolutions.append(PairResolution(name, quantity, (low, high), *pair))
    return resolutions


def pair_table(found: list[PairResolution]) -> str:
    """Format a Markdown table of core sigmas (mm and %) and their ratios."""
    lines = ["| fit | quantity | E (GeV) | simulation | Geant4 | ratio |", "|---|---|---|---|---|---|"]
    for row in found:
        unit, scale = ("%", 100) if row.quantity == "energy" else ("mm", 10)
        simulated, real = (f"{scale * part.sigma:.3f}" for part in (row.simulated, row.real))
        ratio, error = row.ratio
        low, high = row.range_gev
        lines.append(
            f"| {row.fit} | {row.quantity} ({unit}) | {low:g}-{high:g} | {simulated} | {real} "
            f"| {ratio:.3f} ± {error:.3f} |"
        )
    return "\n".join(lines)


def pair_figure(found: list[PairResolution]) -> Figure:
    """Draw core sigma against energy for the first fit, Geant4 as points, simulation as lines."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
    for axis, quantities in zip(axes, (("x", "y"), ("energy",)), strict=True):
        for colour, quantity in zip(("C0", "C1"), quantities, strict=False):
            rows = [row for row in found if row.fit == FITS[0] and row.quantity == quantity][1:]
            centres = [np.sqrt(row.range_gev[0] * row.range_gev[1]) for row in rows]
            scale = 100 if quantity == "energy" else 10
            axis.errorbar(
                centres,
                [scale * row.real.sigma for row in rows],
                [scale * row.real.sigma_err for row in rows],
                fmt="o",
                ms=4,
                color=colour,
                label=f"Geant4, {quantity}",
            )
            axis.plot(
                centres,
                [scale * row.simulated.sigma for row in rows],
                color=colour,
                label=f"simulation, {quantity}",
            )
        axis.set_xscale("log")
        axis.set_xlabel("photon energy (GeV)")
        axis.legend()
    axes[0].set_yscale("log")
    axes[0].set_ylabel("core of the position residual (mm)")
    axes[1].set_ylabel("core of the relative energy residual (%)")
    figure.suptitle(f"pairs, {FITS[0]}")
    return figure


def _tuned_residuals(name: str, sample: Sample) -> Residuals:
    """Tune a fit on the first half of `sample`; return its residuals on the second."""
    half = len(sample) // 2
    train, test = sample.select(slice(None, half)), sample.select(slice(half, None))
    (fit,) = (estimator for estimator in baselines(2, "normal") if estimator.name == name)
    return residuals(test, fit.fit(train, Bench(seed=0, scratch=Path())).predict(test), 2)


def _resolution(part: Residuals, quantity: str, low: float, high: float) -> Resolution:
    """Return the resolution of photons of `low` <= true energy <= `high` GeV that did not fail."""
    energy = part.variables["energy"]
    rows = (energy >= low) & (energy <= high)
    if part.failed is not None:
        rows &= ~part.failed
    return resolution(part.values[quantity][rows])
