"""Shared elements of the figures of evidence: points in bins, histograms, axes and the legend."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from numpy.typing import NDArray

from tracking.figures.styles import Style
from tracking.statistics.residuals import Binning

__all__ = ["legend", "logarithmic", "points", "steps", "tidy", "variable", "with_unit"]


def legend(figure: Figure, axes: Axes) -> None:
    """Draw one legend above all panels, with the labels of one of them."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside upper center", ncols=min(len(labels), 7), fontsize=9, frameon=False
    )


def logarithmic(axes: Axes) -> None:
    """Set a logarithmic horizontal axis of about a decade, with plain numbers at some ticks."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")


def variable(axes: Axes, binning: Binning) -> None:
    """Set the horizontal axis of a binned variable."""
    if binning.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlim(binning.edges[0], binning.edges[-1])
    axes.set_xlabel(with_unit(binning.label, binning.unit))


def points(
    axes: Axes,
    binning: Binning,
    values: NDArray[np.floating],
    errors: NDArray[np.floating] | None,
    style: Style,
    label: str | None,
    clip: bool = True,
) -> None:
    """Draw points with errors, shifted inside the bin so that several estimators stay readable."""
    edges = np.array(binning.edges)
    forward: Callable = np.log if binning.log else np.asarray
    back: Callable = np.exp if binning.log else np.asarray
    low, high = forward(edges[:-1]), forward(edges[1:])
    at = back((low + high) / 2 + style.shift * (high - low))
    axes.errorbar(
        at,
        values,
        None if errors is None else np.maximum(np.nan_to_num(errors, nan=0.0, posinf=0.0), 0.0),
        color=style.colour,
        marker=style.marker,
        markersize=5 if style.width > 1.5 else 4,
        markerfacecolor="white" if style.hollow else style.colour,
        linestyle=style.line,
        linewidth=0.6 * style.width,
        elinewidth=1.1,
        capsize=2,
        label=label,
        zorder=3 if style.width > 1.5 else 2,
        clip_on=clip,
    )


def steps(
    axes: Axes, values: NDArray[np.floating], edges: NDArray[np.floating], style: Style, label: str | None
) -> None:
    """Draw a histogram of values as a density."""
    content, _ = np.histogram(values, edges)
    density = content / max(len(values), 1) / np.diff(edges)
    axes.stairs(
        density,
        edges,
        color=style.colour,
        alpha=0.75,
        linestyle=style.line,
        linewidth=0.7 * style.width,
        label=label,
    )


def with_unit(label: str, unit: str) -> str:
    """Format ``label (unit)``, or the label alone for a relative quantity."""
    return f"{label} ({unit})" if unit else label


def tidy(axes: Axes) -> None:
    """Set the common style of grid and ticks."""
    axes.grid(True, color="0.9", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(direction="in", which="both", top=True, right=True)
