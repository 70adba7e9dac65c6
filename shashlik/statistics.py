"""Statistics for tasks: residuals and scores, resolutions, intervals, and numbers with their errors.

All functions are pure: arrays in, numbers out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shashlik.lazy import offering

if TYPE_CHECKING:
    from tracking.report.numbers import MISSING, percent, with_error
    from tracking.statistics.bootstrap import interval, replicate
    from tracking.statistics.counting import fraction, wilson
    from tracking.statistics.residuals import Binning, Quantity, Residuals
    from tracking.statistics.resolution import Resolution, resolution
    from tracking.statistics.scores import Criteria, Published, Scores

__all__ = [
    "MISSING",
    "Binning",
    "Criteria",
    "Published",
    "Quantity",
    "Residuals",
    "Resolution",
    "Scores",
    "fraction",
    "interval",
    "percent",
    "replicate",
    "resolution",
    "wilson",
    "with_error",
]

__getattr__, __dir__ = offering(
    __name__,
    {
        "tracking.report.numbers": ("MISSING", "percent", "with_error"),
        "tracking.statistics.bootstrap": ("interval", "replicate"),
        "tracking.statistics.counting": ("fraction", "wilson"),
        "tracking.statistics.residuals": ("Binning", "Quantity", "Residuals"),
        "tracking.statistics.resolution": ("Resolution", "resolution"),
        "tracking.statistics.scores": ("Criteria", "Published", "Scores"),
    },
)
