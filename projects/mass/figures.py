"""The notebook's three plots for several estimators, and the spectrum of the masses."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shashlik.statistics import Residuals

__all__ = ["draw"]

#: Range of relative errors, as in the notebook; an odd number of bins has one centred at zero.
SHOWN, BINS = (-0.5, 0.5), 41


def draw(
    truth: NDArray[np.floating],
    answers: Mapping[str, NDArray[np.floating]],
    judged: Mapping[str, Residuals],
) -> dict[str, Figure]:
    """Draw the figures of one sample.

    Parameters
    ----------
    truth : ndarray, shape (events,)
        True masses in GeV.
    answers : mapping of str to ndarray, shape (events,)
        Predicted masses in GeV by estimator.
    judged : mapping of str to Residuals
        Relative errors ``mass`` with the variables ``energy`` and ``gamma``.
    """
    return {"relative_error": _relative_error(judged), "masses": _masses(truth, answers)}


def _relative_error(judged: Mapping[str, Residuals]) -> Figure:
    """Draw one row per estimator: relative error, against E, against gamma."""
    figure = Figure(figsize=(13, 3.6 * len(judged)), layout="constrained")
    rows = figure.subplots(len(judged), 3, squeeze=False)
    for (name, residual), (plain, energy, gamma) in zip(judged.items(), rows, strict=True):
        error = residual.values["mass"].ravel()
        shown = np.isfinite(error)
        plain.hist(error[shown], bins=BINS, range=SHOWN, histtype="step")
        outside = np.mean(np.abs(error) > SHOWN[1])
        plain.set(xlim=SHOWN, xlabel="relative error", ylabel="particles")
        plain.set_title(f"{name}, {100 * outside:.1f} % outside")
        for axes, variable, label, least, usual in (
            (energy, "energy", "$E$ (GeV)", 0.0, 200.0),
            (gamma, "gamma", r"$\gamma = E/m$", 1.0, 7.0),
        ):
            values = residual.variables[variable].ravel()
            # The notebook's range, unless most particles of another sample lie above it.
            top = (least, usual if np.median(values) < usual else float(np.max(values)))
            counts, x, y = np.histogram2d(error[shown], values[shown], bins=(BINS, 30), range=(SHOWN, top))
            image = axes.pcolormesh(x, y, np.ma.masked_equal(counts.T, 0), cmap="viridis", rasterized=True)
            figure.colorbar(image, ax=axes, label="particles")
            axes.set(xlim=SHOWN, ylim=top, xlabel="relative error", ylabel=label)
    return figure


def _masses(truth: NDArray[np.floating], answers: Mapping[str, NDArray[np.floating]]) -> Figure:
    """Draw true and predicted masses in the range of the true ones, with a margin for wrong predictions."""
    low, high = np.quantile(truth, (0.001, 0.999))
    room = max(0.1 * (high - low), 0.3 * high if high - low < 0.1 * high else 0.0)
    edges = np.linspace(low - room, high + room, 61).tolist()
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.hist(truth, bins=edges, color="0.85", label="truth")
    for name, masses in answers.items():
        axes.hist(masses[np.isfinite(masses)], bins=edges, histtype="step", label=name)
    axes.set(xlabel="mass (GeV)", ylabel="particles", xlim=(edges[0], edges[-1]), yscale="log")
    axes.legend(frameon=False)
    return figure
