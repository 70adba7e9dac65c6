"""Response and the resolution corrected for it, against energy and transverse momentum, by pile-up."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from projects.facile.evaluation import ENERGIES, MOMENTA, PILE_UP, response
from shashlik.figures import legend, literal, points, styles, tidy, variable
from shashlik.statistics import Binning
from shashlik.task.sample import Predictions, Sample

__all__ = ["draw"]

#: Range of responses shown; values beyond it are clipped, not dropped.
_SHOWN = (0.6, 2.4)
_WIDTHS = (0.025, 6.0)


def draw(
    sample: Sample, predictions: Mapping[str, Predictions], subject: str = "network"
) -> dict[str, Figure]:
    """Draw the figures of one sample; return them by name."""
    return {
        f"response_{binning.name}": _response(sample, predictions, subject, binning, column)
        for binning, column in ((ENERGIES, "genE"), (MOMENTA, "pt"))
    }


def _response(
    sample: Sample, predictions: Mapping[str, Predictions], subject: str, binning: Binning, column: str
) -> Figure:
    """Draw corrected resolution and below it the median response; a column for each class of pile-up."""
    looks = styles(tuple(predictions), subject)
    true, at, interactions = (np.asarray(sample[name], np.float64) for name in ("genE", column, "PU"))
    figure = Figure(figsize=(13, 7), layout="constrained")
    grid = figure.subplots(2, len(PILE_UP.edges) - 1, sharex=True, sharey="row", squeeze=False)
    for (low, high), (top, bottom) in zip(pairwise(PILE_UP.edges), grid.T, strict=True):
        in_class = (interactions >= low) & (interactions < high)
        bottom.axhline(1.0, color="0.6", linewidth=0.8)
        for name, prediction in predictions.items():
            ratios = np.asarray(prediction["energy"], np.float64) / true
            responses = [
                response(ratios[in_class & (at >= begin) & (at < end)])
                for begin, end in pairwise(binning.edges)
            ]
            for axes, statistic in ((top, "corrected"), (bottom, "median")):
                numbers, errors = (
                    np.array([getattr(bin_response, statistic + suffix) for bin_response in responses])
                    for suffix in ("", "_err")
                )
                points(axes, binning, numbers, errors, looks[name], literal(name))
        top.set_title(f"{PILE_UP.label} {low:g} to {high:g}", fontsize=10, loc="left")
        variable(bottom, binning)
        for axes, limits in ((top, _WIDTHS), (bottom, _SHOWN)):
            axes.set_yscale("log")
            axes.set_ylim(*limits)
            axes.yaxis.set_minor_formatter(NullFormatter())
            tidy(axes)
        top.yaxis.set_major_formatter("{x:g}")
        bottom.set_yticks([0.6, 0.8, 1.0, 1.2, 1.5, 2.0], ["0.6", "0.8", "1", "1.2", "1.5", "2"])
    grid[0, 0].set_ylabel("68 % half width of $E/E_{gen}$ / median")
    grid[1, 0].set_ylabel("median of $E/E_{gen}$")
    legend(figure, grid[0, 0])
    return figure
