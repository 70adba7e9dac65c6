"""Figure of an ablation: widths and ratios of all variants side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from shashlik.ablation.summary import Row
from shashlik.task.variants import BASE, Study
from tracking.figures.drawing import tidy, with_unit
from tracking.figures.styles import OTHERS, SUBJECT, literal
from tracking.statistics.residuals import Quantity

__all__ = ["figure"]


def figure(study: Study, found: Sequence[Row], quantities: Sequence[Quantity]) -> Figure:
    """Draw the core width of every variant, one panel per quantity, and below it the ratio of q68.

    The ratio is to the variant's reference. Lines mark the base and the width that the original study states
    for its best network.
    """
    done = [row for row in found if row.trainings]
    height = 1.6 + 0.27 * len(done)
    canvas = Figure(figsize=(9.2, 2 * height), layout="constrained")
    panels = canvas.subplots(2, len(quantities), sharey="row", squeeze=False)
    places = range(len(done))
    for column, quantity in enumerate(quantities):
        upper, lower = panels[0, column], panels[1, column]
        base = next((row.sigma(quantity.name)[0] for row in done if row.name == BASE), math.nan)
        if math.isfinite(base):
            upper.axvline(base, color=SUBJECT, lw=0.9, label="base")
        if quantity.name in study.stated:
            stated = study.stated[quantity.name]
            upper.axvline(stated, color=OTHERS[0], ls="--", label="original study, its best")
        for place, row in enumerate(done):
            value, error = row.sigma(quantity.name)
            colour = SUBJECT if row.name == BASE else "black"
            if math.isfinite(value):
                each = [training.widths[quantity.name][0] for training in row.trainings]
                upper.plot(each, [place] * len(each), "|", color="0.55", ms=7)
                upper.errorbar(value, place, xerr=error, fmt="o", ms=4, capsize=2, color=colour)
            ratio = row.ratios.get(quantity.name)
            if ratio is not None and math.isfinite(ratio.value):
                reach = [[ratio.value - ratio.low], [ratio.high - ratio.value]]
                bounded = math.isfinite(ratio.low + ratio.high)
                lower.errorbar(
                    ratio.value,
                    place,
                    xerr=reach if bounded else None,
                    fmt="s",
                    ms=3.5,
                    capsize=2,
                    color=colour,
                )
        upper.set_xscale("log")
        upper.set_xlabel(with_unit(f"σ of {quantity.name}", quantity.unit))
        lower.set_xscale("log")
        lower.axvline(1.0, color=SUBJECT, lw=0.9)
        lower.set_xlabel(f"ratio of q68 of {quantity.name}")
        for axes in (upper, lower):
            _ticks(axes)
            tidy(axes)
    for axes, with_reference in ((panels[0, 0], False), (panels[1, 0], True)):
        names = [
            f"{row.name} / {row.against}" if with_reference and row.name != BASE else row.name for row in done
        ]
        axes.set_yticks(list(places), [literal(name) for name in names], fontsize=8)
        axes.set_ylim(len(done) - 0.4, -0.6)
    # The original study states no width for some quantities.
    marks = {
        label: handle
        for axes in panels[0]
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if marks:
        canvas.legend(
            list(marks.values()),
            list(marks),
            loc="outside upper center",
            ncols=2,
            fontsize=9,
            frameon=False,
        )
    return canvas


def _ticks(axes: Axes) -> None:
    """Label an axis with a handful of plain numbers, whether it spans per cents or powers of ten."""
    low, high = axes.get_xlim()
    wide = high > 4 * low
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)) if wide else MaxNLocator(5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter("{x:g}")
    axes.tick_params(axis="x", labelsize=8, labelrotation=45)
