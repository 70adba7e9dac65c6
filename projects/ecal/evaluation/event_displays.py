"""Figures and numbers specific to the calorimeter: event displays and the pi0 mass peak."""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.ecal.detector import PITCH, Z_TARGET
from projects.ecal.evaluation.photons import predicted_photons, residuals, true_photons
from shashlik.figures import Style, styles
from shashlik.statistics import Resolution, resolution
from shashlik.task.sample import Predictions, Sample

__all__ = ["PI0_MASS_MEV", "event_displays", "pi0_masses", "pi0_numbers", "pi0_peak"]

#: Particle Data Group, Phys. Rev. D 110 (2024) 030001.
PI0_MASS_MEV = 134.9768


def _mass(photons: Mapping[str, NDArray[np.floating]]) -> NDArray[np.floating]:
    """Return the mass of each pair from the target, ``sqrt(E1 E2) d / Z`` (GeV), shape (events,)."""
    x, y, e = photons["x"], photons["y"], photons["e"]
    distance = np.hypot(x[:, 0] - x[:, 1], y[:, 0] - y[:, 1])
    return np.sqrt(np.clip(e[:, 0] * e[:, 1], 0, None)) * distance / Z_TARGET


def pi0_masses(sample: Sample, predictions: Predictions) -> NDArray[np.floating]:
    """Return reconstructed masses of the pairs (MeV), (events,), each scaled to the mass of a pi0.

    The pairs of a sample have any mass. Their reconstructed over their true mass, times the pi0 mass, forms
    the peak of pi0 decays with the same energies and distances. NaN if a photon was not found.
    """
    return PI0_MASS_MEV * _mass(predicted_photons(predictions, 2)) / _mass(true_photons(sample, 2))


def pi0_numbers(sample: Sample, predictions: Mapping[str, Predictions]) -> dict[str, float]:
    """Return ``<estimator>/pi0/mu`` and ``sigma`` with their errors (MeV)."""
    numbers: dict[str, float] = {}
    for name, prediction in predictions.items():
        core = _core(pi0_masses(sample, prediction))
        numbers |= {
            f"{name}/pi0/{key}": float(getattr(core, key)) for key in ("mu", "mu_err", "sigma", "sigma_err")
        }
    return numbers


def _core(masses: NDArray[np.floating]) -> Resolution:
    return resolution(masses[np.isfinite(masses)])


def pi0_peak(sample: Sample, predictions: Mapping[str, Predictions], subject: str = "network") -> Figure:
    """Draw the histogram of `pi0_masses` of every estimator with its core."""
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    edges = np.linspace(0.85 * PI0_MASS_MEV, 1.15 * PI0_MASS_MEV, 121)
    looks = styles(tuple(predictions), subject)
    for name, prediction in predictions.items():
        masses = pi0_masses(sample, prediction)
        core = _core(masses)
        axes.hist(
            masses[np.isfinite(masses)],
            list(edges),
            histtype="step",
            color=looks[name].colour,
            linestyle=looks[name].line,
            linewidth=looks[name].width,
            label=rf"{name}: $\mu$ = {core.mu:.2f}, $\sigma$ = {core.sigma:.2f} MeV",
        )
    axes.axvline(PI0_MASS_MEV, color="0.6", lw=0.8, zorder=0)
    axes.set(
        xlabel=r"$m_{\gamma\gamma}\,/\,m_{\gamma\gamma}^{\mathrm{true}} \times m_{\pi^0}$ (MeV)",
        ylabel=f"pairs / {edges[1] - edges[0]:.2f} MeV",
        xlim=(edges[0], edges[-1]),
    )
    axes.legend(frameon=False, fontsize=8)
    return figure


def event_displays(
    sample: Sample,
    predictions: Mapping[str, Predictions],
    subject: str = "network",
    photons: int = 2,
    fewest: int | None = None,
) -> Figure:
    """Draw six events: cell energies, true photons, and the photons of every estimator.

    The first row shows a close, a middle and a far pair on which the subject performs typically; the second
    row shows its three worst events. Numbers of photons as for
    `projects.ecal.evaluation.photons.residuals`.
    """
    truth = true_photons(sample, photons, fewest)
    subject_residuals = residuals(sample, predictions[subject], photons, fewest)
    miss = np.nan_to_num(np.hypot(subject_residuals.values["x"], subject_residuals.values["y"]), nan=99.0)
    miss = np.where(subject_residuals.present, miss, 0.0).max(axis=1)
    distance = subject_residuals.variables["distance"][:, 0]
    usual = np.flatnonzero(miss <= np.median(miss))
    typical = [usual[np.argmin(np.abs(distance[usual] - target))] for target in (4.5, 8, 14)]
    events = [*typical, *np.argsort(-miss, kind="stable")[:3]]
    figure = Figure(figsize=(13, 8.6), layout="constrained")
    axes = figure.subplots(2, 3, squeeze=False)
    looks = styles(tuple(predictions), subject)
    for panel, event in zip(axes.flat, events, strict=False):
        _display(panel, sample, truth, predictions, looks, int(event))
    axes.flat[0].legend(frameon=True, fontsize=7, loc="upper left")
    return figure


def _display(
    panel: Axes,
    sample: Sample,
    truth: Mapping[str, NDArray[np.floating]],
    predictions: Mapping[str, Predictions],
    looks: Mapping[str, Style],
    event: int,
) -> None:
    """Draw one event: cells in colour, true photons as circles, estimators as markers."""
    x, y, e = (ak.to_numpy(sample[f"cell_{axis}"][event]) for axis in "xye")
    if len(x):
        corner = (x.min(), y.min())
        shape = tuple(round((v.max() - v.min()) / PITCH) + 1 for v in (y, x))
        grid = np.full(shape, np.nan)
        grid[np.rint((y - corner[1]) / PITCH).astype(int), np.rint((x - corner[0]) / PITCH).astype(int)] = e
        extent = (x.min() - PITCH / 2, x.max() + PITCH / 2, y.min() - PITCH / 2, y.max() + PITCH / 2)
        image = panel.imshow(
            grid, origin="lower", extent=extent, cmap="YlOrBr", norm=LogNorm(max(e.min(), 1e-2), e.max())
        )
        panel.figure.colorbar(image, ax=panel, label="cell energy (GeV)", shrink=0.85)
    panel.plot(truth["x"][event], truth["y"][event], "o", mfc="none", mec="k", ms=15, label="truth")
    for name, prediction in predictions.items():
        photons, look = predicted_photons(prediction, truth["x"].shape[1]), looks[name]
        panel.plot(
            photons["x"][event],
            photons["y"][event],
            look.marker,
            color=look.colour,
            mfc="none" if look.hollow else look.colour,
            ms=6,
            mew=1.4,
            alpha=0.8,
            label=name,
        )
    present = np.isfinite(truth["e"][event])
    energies = " + ".join(f"{energy:.1f}" for energy in truth["e"][event][present])
    gap = np.hypot(*(np.ptp(truth[axis][event][present]) for axis in "xy"))
    panel.set(
        xlabel="x (cm)",
        ylabel="y (cm)",
    )
    panel.set_title(f"event {sample['event'][event]}\n{energies} GeV, {gap:.1f} cm apart", fontsize=9)
