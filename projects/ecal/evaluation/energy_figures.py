"""Resolution against energy with the fit of its three terms: metrics and figure for every estimator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from projects.ecal.evaluation.energy_terms import EDGES, TERMS, fit, points
from shashlik.figures import literal, styles
from shashlik.statistics import Quantity, Residuals

__all__ = ["energy_figure", "energy_numbers"]


def energy_numbers(residuals: Mapping[str, Residuals], quantities: Sequence[Quantity]) -> dict[str, float]:
    """Return the fitted terms of every estimator and quantity.

    Keys are ``<estimator>/<quantity>/stochastic``, ``noise``, ``constant``, their ``_err`` and
    ``terms_chi2_ndf``. Units: those of the quantity times GeV^(1/2), GeV and 1. A quantity with too few
    photons for a fit is omitted.
    """
    numbers: dict[str, float] = {}
    for name, residual in residuals.items():
        for quantity in quantities:
            terms = fit(points(residual, quantity.name))
            if terms is None:
                continue
            for term, value, error in zip(TERMS, terms.values, terms.errors, strict=True):
                numbers[f"{name}/{quantity.name}/{term}"] = float(value)
                numbers[f"{name}/{quantity.name}/{term}_err"] = float(error)
            if terms.ndf > 0:
                numbers[f"{name}/{quantity.name}/terms_chi2_ndf"] = terms.chi2 / terms.ndf
    return numbers


def energy_figure(
    residuals: Mapping[str, Residuals], quantities: Sequence[Quantity], subject: str = "network"
) -> Figure:
    """Draw core widths against energy as points and the fitted sums of three terms as lines."""
    figure = Figure(figsize=(4.8 * len(quantities), 4.6), layout="constrained")
    panels = figure.subplots(1, len(quantities), squeeze=False)[0]
    looks = styles(tuple(residuals), subject)
    curve = np.geomspace(EDGES[0], EDGES[-1], 100)
    for panel, quantity in zip(panels, quantities, strict=True):
        for name, residual in residuals.items():
            widths, look = points(residual, quantity.name), looks[name]
            terms = fit(widths)
            text = literal(name)
            if terms is not None:
                panel.plot(curve, terms(curve), color=look.colour, ls=look.line, lw=look.width)
                a, b, c = terms.values
                text += rf": {a:.3g}/$\sqrt{{E}}$ $\oplus$ {b:.3g}/E $\oplus$ {c:.3g}"
            panel.errorbar(
                1.0 / widths.inverse,
                widths.sigma,
                widths.error,
                fmt=look.marker,
                ms=4,
                color=look.colour,
                mfc="none" if look.hollow else look.colour,
                label=text,
            )
        unit = f" ({quantity.unit})" if quantity.unit else ""
        panel.set(xscale="log", xlim=(EDGES[0], EDGES[-1]), xlabel="photon energy (GeV)")
        if any(len(line.get_ydata()) for line in panel.get_lines()):
            panel.set_yscale("log")  # matplotlib refuses it in an empty panel
        panel.set_ylabel(f"$\\sigma$ of {quantity.label}{unit}")
        panel.legend(frameon=False, fontsize=6.5)
    return figure
