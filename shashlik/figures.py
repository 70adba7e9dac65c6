"""Building blocks of figures for tasks, in the style of the figures of every run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shashlik.lazy import offering

if TYPE_CHECKING:
    from tracking.figures.dependence import importance
    from tracking.figures.drawing import legend, logarithmic, points, steps, tidy, variable
    from tracking.figures.styles import MARKERS, OTHERS, Style, literal, styles

__all__ = [
    "MARKERS",
    "OTHERS",
    "Style",
    "importance",
    "legend",
    "literal",
    "logarithmic",
    "points",
    "steps",
    "styles",
    "tidy",
    "variable",
]

__getattr__, __dir__ = offering(
    __name__,
    {
        "tracking.figures.dependence": ("importance",),
        "tracking.figures.drawing": ("legend", "logarithmic", "points", "steps", "tidy", "variable"),
        "tracking.figures.styles": ("MARKERS", "OTHERS", "Style", "literal", "styles"),
    },
)
