"""Resolution against energy with the fit of its three terms: metrics and figure, for every estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from projects.ecal.evaluation.energy_terms import EDGES, TERMS, fit, points
from shashlik.figures import literal, styles
from shashlik.statistics import Quantity, Residuals

__all__ = ["energy_figure", "energy_numbers"]


def energy_numbers(residuals: Mapping[str, Residuals], quantities: Sequence[Quantity]) -> dict[str, float]:
    """``<estimator>/<quantity>/stochastic``, ``noise``, ``constant``, their ``_err`` and ``terms_chi2_ndf``.

    Units: those of the quantity times GeV^(1/2), GeV and 1. Nothing where too few photons allow no fit.
    """
    numbers: dict[str, float] = {}
    for name, judged in residuals.items():
        for quantity in quantities:
            found = fit(points(judged, quantity.name))
            if found is None:
                continue
            for term, value, error in zip(TERMS, found.values, found.errors, strict=True):
                numbers[f"{name}/{quantity.name}/{term}"] = float(value)
                numbers[f"{name}/{quantity.name}/{term}_err"] = float(error)
            if found.ndf > 0:
                numbers[f"{name}/{quantity.name}/terms_chi2_ndf"] = found.chi2 / found.ndf
    return numbers


def energy_figure(
    residuals: Mapping[str, Residuals], quantities: Sequence[Quantity], subject: str = "network"
) -> Figure:
    """Core widths against energy as points, the fitted sums of three terms as lines."""
    figure = Figure(figsize=(4.8 * len(quantities), 4.6), layout="constrained")
    panels = figure.subplots(1, len(quantities), squeeze=False)[0]
    looks = styles(tuple(residuals), subject)
    curve = np.geomspace(EDGES[0], EDGES[-1], 100)
    for panel, quantity in zip(panels, quantities, strict=True):
        for name, judged in residuals.items():
            measured, look = points(judged, quantity.name), looks[name]
            found = fit(measured)
            text = literal(name)
            if found is not None:
                panel.plot(curve, found(curve), color=look.colour, ls=look.line, lw=look.width)
                a, b, c = found.values
                text += rf": {a:.3g}/$\sqrt{{E}}$ $\oplus$ {b:.3g}/E $\oplus$ {c:.3g}"
            panel.errorbar(
                1.0 / measured.inverse,
                measured.sigma,
                measured.error,
                fmt=look.marker,
                ms=4,
                color=look.colour,
                mfc="none" if look.hollow else look.colour,
                label=text,
            )
        unit = f" ({quantity.unit})" if quantity.unit else ""
        panel.set(xscale="log", xlim=(EDGES[0], EDGES[-1]), xlabel="photon energy (GeV)")
        if any(len(line.get_ydata()) for line in panel.get_lines()):
            panel.set_yscale("log")  # which matplotlib refuses where there is nothing to show
        panel.set_ylabel(f"$\\sigma$ of {quantity.label}{unit}")
        panel.legend(frameon=False, fontsize=6.5)
    return figure
