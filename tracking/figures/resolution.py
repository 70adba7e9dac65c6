"""Figures of a resolution. Every function returns a new Figure and leaves pyplot's global state alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tracking.evidence.resolution import Evidence
from tracking.figures.drawing import legend, points, steps, tidy, variable, with_unit
from tracking.figures.styles import literal, styles
from tracking.report.numbers import with_error
from tracking.statistics.residuals import Binning, Quantity, Residuals
from tracking.statistics.widths import WINDOW

__all__ = ["bias_against", "figures", "losses_against", "residual_histograms", "sigma_against"]

BINS = 80


def figures(evidence: Evidence, residuals: Mapping[str, Residuals]) -> dict[str, Figure]:
    """Draw all figures of an evidence, by file name without extension.

    Parameters
    ----------
    evidence : Evidence
        Evidence to draw.
    residuals : mapping of str to Residuals
        Residuals behind the evidence, by estimator.
    """
    drawings = {
        f"residuals_{quantity.name}": residual_histograms(evidence, residuals, quantity)
        for quantity in evidence.quantities
    }
    for binning in evidence.binnings:
        drawings[f"sigma_against_{binning.name}"] = sigma_against(evidence, binning)
        drawings[f"bias_against_{binning.name}"] = bias_against(evidence, binning)
        drawings[f"losses_against_{binning.name}"] = losses_against(evidence, binning)
    return drawings


def residual_histograms(evidence: Evidence, residuals: Mapping[str, Residuals], quantity: Quantity) -> Figure:
    """Draw residuals of all estimators with their core fits, and their tails on a logarithmic scale."""
    look = styles(evidence.estimators, evidence.subject)
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    core, tails = figure.subplots(1, 2, width_ratios=(1.25, 1))
    rows = {name: evidence.row(name, quantity.name) for name in evidence.estimators}
    sigmas = [row.sigma for row in rows.values() if row.sigma > 0]
    # Range of the better estimators: a baseline five times as wide would turn the others into a spike.
    reach = 4.5 * float(np.median(sigmas)) if sigmas else 1.0
    centre = np.linspace(-reach, reach, BINS + 1)
    spread = [float(np.nanmax(np.abs(residuals[name].values[quantity.name]), initial=0.0)) for name in rows]
    wide = float(np.clip(max(spread, default=1.0), 2 * reach, 30 * reach))
    outer = np.linspace(-wide, wide, BINS + 1)
    for name, row in rows.items():
        style = look[name]
        values = residuals[name].values[quantity.name]
        values = values[np.isfinite(values)]
        steps(core, values, centre, style, None)
        # The outermost bins include underflow and overflow, so that nothing is hidden.
        steps(tails, np.clip(values, 0.999 * outer[0], 0.999 * outer[-1]), outer, style, literal(name))
        if not np.isfinite(row.sigma):
            continue
        grid = np.linspace(-reach, reach, 400)
        inside = np.abs(values - row.mu) <= WINDOW * row.sigma
        # Same area as the data within +-2 sigma, where a Gaussian has 95.45 % of its content.
        height = inside.sum() / 0.9544997 / len(values) / (row.sigma * np.sqrt(2 * np.pi))
        curve = height * np.exp(-0.5 * ((grid - row.mu) / row.sigma) ** 2)
        fitted = np.abs(grid - row.mu) <= WINDOW * row.sigma
        core.plot(grid, curve, color=style.colour, linewidth=0.8, linestyle=":")
        unit = f" {quantity.unit}" if quantity.unit else ""
        label = (
            f"{literal(name)}\n$\\mu$ = {with_error(row.mu, row.mu_err)}{unit}\n"
            f"$\\sigma$ = {with_error(row.sigma, row.sigma_err)}{unit}"
        )
        core.plot(
            grid[fitted],
            curve[fitted],
            color=style.colour,
            linestyle=style.line,
            linewidth=style.width,
            label=label,
        )
    core.set_xlim(-reach, reach)
    core.set_ylim(0, core.get_ylim()[1] * 1.02)
    tails.set_yscale("log")
    tails.set_xlim(-wide, wide)
    for axes in (core, tails):
        axes.set_xlabel(with_unit(quantity.label, quantity.unit))
        axes.set_ylabel(f"density (1/{quantity.unit})" if quantity.unit else "density")
        tidy(axes)
    core.set_title("core: histogram and Gaussian fit (line: fitted range)", fontsize=9, loc="left")
    tails.set_title("tails (outermost bins collect all beyond)", fontsize=9, loc="left")
    if sigmas:
        core.legend(
            fontsize=7, loc="upper left", bbox_to_anchor=(0.0, 1.0), framealpha=0.85, labelspacing=0.7
        )
    tails.legend(fontsize=8, framealpha=0.85)
    return figure


def sigma_against(evidence: Evidence, binning: Binning) -> Figure:
    """Draw the core sigma of all quantities against a variable, and its ratio to the best baseline.

    The bars of the subject's ratio are its 95 % interval from the paired bootstrap.
    """
    look = styles(evidence.estimators, evidence.subject)
    number = len(evidence.quantities)
    figure = Figure(figsize=(max(4.6 * number, 6.5), 5.8), layout="constrained")
    grid = figure.subplots(2, number, sharex=True, squeeze=False, height_ratios=(2.4, 1))
    for quantity, top, bottom in zip(evidence.quantities, *grid, strict=True):
        values = {}
        for name, style in look.items():
            widths = [row.result for row in evidence.bins(name, quantity.name, binning.name)]
            values[name] = np.array([result.sigma for result in widths])
            errors = np.array([result.sigma_err for result in widths])
            points(top, binning, values[name], errors, style, literal(name))
        if quantity.wish is not None:
            top.axhline(quantity.wish, color="0.45", linewidth=0.9, linestyle=(0, (6, 3)), label="wished for")
        top.set_ylabel(f"$\\sigma$ of {with_unit(quantity.label, quantity.unit)}")
        positive = [value for value in np.concatenate(list(values.values())) if value > 0]
        if positive and max(positive) > 4 * min(positive):
            top.set_yscale("log")
            top.yaxis.set_major_formatter("{x:g}")
            top.yaxis.set_minor_formatter(
                lambda value, place: f"{value:g}" if f"{value:e}"[0] in "235" else ""
            )
        else:
            top.set_ylim(bottom=0)
        _ratios(bottom, evidence, quantity, binning, values)
        variable(bottom, binning)
        tidy(top)
        tidy(bottom)
    legend(figure, grid[0, 0])
    return figure


def _ratios(
    axes: Axes,
    evidence: Evidence,
    quantity: Quantity,
    binning: Binning,
    values: Mapping[str, NDArray[np.floating]],
) -> None:
    best = evidence.best_other(quantity.name)
    if best is None:
        axes.set_visible(False)
        return
    look = styles(evidence.estimators, evidence.subject)
    axes.axhline(1.0, color=look[best].colour, linewidth=1.0)
    for name in evidence.estimators:
        if name not in (best, evidence.subject):
            points(axes, binning, values[name] / values[best], None, look[name], None)
    comparisons = evidence.compared(best, quantity.name, "sigma", binning.name)
    ratio, low, high = np.array([(c.ratio, c.ratio_low, c.ratio_high) for c in comparisons]).T
    points(axes, binning, ratio, np.array([ratio - low, high - ratio]), look[evidence.subject], None)
    limits = np.concatenate([low, high, ratio])
    span = float(np.clip(1.2 * np.max(np.abs(limits[np.isfinite(limits)] - 1), initial=0.1), 0.1, 1.0))
    axes.set_ylim(1 - span, 1 + span)
    axes.set_ylabel(f"ratio to\n{literal(best)}")


def bias_against(evidence: Evidence, binning: Binning) -> Figure:
    """Draw the core mu of every quantity against a variable."""
    look = styles(evidence.estimators, evidence.subject)
    number = len(evidence.quantities)
    figure = Figure(figsize=(7.2, 1.2 + 2.1 * number), layout="constrained")
    panels = figure.subplots(number, 1, sharex=True, squeeze=False)[:, 0]
    for panel, quantity in zip(panels, evidence.quantities, strict=True):
        panel.axhline(0.0, color="0.6", linewidth=0.8)
        for name, style in look.items():
            widths = [row.result for row in evidence.bins(name, quantity.name, binning.name)]
            mu = np.array([result.mu for result in widths])
            error = np.array([result.mu_err for result in widths])
            points(panel, binning, mu, error, style, literal(name))
        panel.set_ylabel(f"$\\mu$ of {with_unit(quantity.label, quantity.unit)}", fontsize=9)
        tidy(panel)
    variable(panels[-1], binning)
    legend(figure, panels[0])
    return figure


def losses_against(evidence: Evidence, binning: Binning) -> Figure:
    """Draw the shares of objects without a prediction and of failures against a variable."""
    look = styles(evidence.estimators, evidence.subject)
    figure = Figure(figsize=(7.2, 5.6), layout="constrained")
    failures, inefficiency = figure.subplots(2, 1, sharex=True)
    for name, style in look.items():
        counts = evidence.bin_counts(name, binning.name)
        wrong = np.array([(c.failures.value, c.failures.low, c.failures.high) for c in counts]).T
        unanswered = (
            1 - np.array([(c.efficiency.value, c.efficiency.high, c.efficiency.low) for c in counts]).T
        )
        for panel, (value, low, high) in ((failures, wrong), (inefficiency, unanswered)):
            points(
                panel,
                binning,
                100 * value,
                100 * np.array([value - low, high - value]),
                style,
                literal(name),
                False,
            )
    failures.set_ylabel("failures (%)")
    inefficiency.set_ylabel("without an answer (%)")
    for panel in (failures, inefficiency):
        # Linear below the smallest value, so that exact zeros are visible.
        panel.set_yscale("symlog", linthresh=_threshold(panel))
        panel.set_ylim(bottom=0)
        tidy(panel)
    variable(inefficiency, binning)
    legend(figure, failures)
    return figure


def _threshold(axes: Axes) -> float:
    heights = [y for line in axes.lines for y in np.asarray(line.get_ydata(), dtype=float) if y > 0]
    return max(min(heights, default=1.0), 1e-3)
