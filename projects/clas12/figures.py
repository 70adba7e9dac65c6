"""MM^2 of events with a pi0 and with an eta, and width and bias of the momentum."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure

from projects.clas12 import events
from projects.clas12.evaluation import BINNINGS, residuals
from projects.clas12.kinematics import ETA, PI0
from shashlik.figures import Style, legend, literal, points, steps, styles, tidy, variable
from shashlik.statistics import resolution
from shashlik.task.sample import Predictions, Sample

__all__ = ["draw"]

#: Style of the generated proton, next to those of the estimators.
_BEST = Style("k", ":", "", 1.6, False, 0.0)


def draw(
    sample: Sample, predictions: Mapping[str, Predictions], subject: str = "network"
) -> dict[str, Figure]:
    """Draw the figures of one sample; return them by name."""
    return {
        "missing_mass": _missing_mass(sample, predictions, subject),
        "momentum_sigma_and_bias": _sigma_and_bias(sample, predictions, subject),
    }


def _missing_mass(sample: Sample, predictions: Mapping[str, Predictions], subject: str) -> Figure:
    """Draw MM^2 of every estimator and of the generated proton, for both mesons."""
    particles, looks = events.of(sample), styles(tuple(predictions), subject)
    measured = particles.corrected_mm2(np.zeros(len(sample)))
    spectra = {name: measured + prediction["dmm2"] for name, prediction in predictions.items()}
    figure = Figure(figsize=(12, 5), layout="constrained")
    panels = figure.subplots(1, 2)
    for axes, title, mass, rows in (
        (panels[0], r"$ep \to ep\,\pi^0$", PI0, ~particles.eta),
        (panels[1], r"$ep \to ep\,\eta$, unseen in training", ETA, particles.eta),
    ):
        axes.axvline(mass**2, color="0.6", linewidth=0.8, zorder=0)
        edges = np.linspace(mass**2 - 0.35, mass**2 + 0.35, 71)
        best = (measured + particles.targets[:, 1])[rows]
        for name, values, look in (
            *((name, values[rows], looks[name]) for name, values in spectra.items()),
            ("generated proton", best, _BEST),
        ):
            core = resolution(values)
            label = f"{literal(name)}: {core.mu:.4f}, {core.sigma:.4f}"
            steps(axes, values[np.isfinite(values)], edges, look, label)
        axes.set(xlabel="$MM^2$ (GeV$^2$)", ylabel="density (1/GeV$^2$)", xlim=(edges[0], edges[-1]))
        axes.set_title(f"{title}; core's centre and $\\sigma$ in GeV$^2$", fontsize=10, loc="left")
        axes.legend(fontsize=8, frameon=False)
        tidy(axes)
    return figure


def _sigma_and_bias(sample: Sample, predictions: Mapping[str, Predictions], subject: str) -> Figure:
    """Draw core sigma of dP/P, and below it the core's centre, against generated momentum and polar angle."""
    looks = styles(tuple(predictions), subject)
    figure = Figure(figsize=(11, 6), layout="constrained")
    grid = figure.subplots(2, 2, sharex="col", sharey="row", squeeze=False)
    for column, name in enumerate(("momentum", "theta")):
        (binning,) = (candidate for candidate in BINNINGS if candidate.name == name)
        top, bottom = grid[:, column]
        bottom.axhline(0.0, color="0.6", linewidth=0.8)
        for estimator, prediction in predictions.items():
            residual = residuals(sample, prediction)
            at, values = residual.variables[name], residual.values["p_relative"]
            cores = [resolution(values[(at >= low) & (at < high)]) for low, high in pairwise(binning.edges)]
            look = looks[estimator]
            for axes, statistic in ((top, "sigma"), (bottom, "mu")):
                numbers, errors = (
                    np.array([getattr(core, key) for core in cores])
                    for key in (statistic, f"{statistic}_err")
                )
                points(axes, binning, numbers, errors, look, literal(estimator))
        variable(bottom, binning)
        tidy(top)
        tidy(bottom)
    grid[0, 0].set_ylabel(r"$\sigma$ of $p/p_{gen} - 1$")
    grid[1, 0].set_ylabel(r"$\mu$ of $p/p_{gen} - 1$")
    legend(figure, grid[0, 0])
    return figure
