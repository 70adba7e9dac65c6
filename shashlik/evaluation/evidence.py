"""Read evidence and predictions of a run from its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shashlik.lazy import offering

if TYPE_CHECKING:
    from tracking.evidence import predictions
    from tracking.evidence.resolution import LIMIT, Evidence, from_json

__all__ = ["LIMIT", "Evidence", "from_json", "predictions"]

__getattr__, __dir__ = offering(
    __name__,
    {
        "tracking.evidence": ("predictions",),
        "tracking.evidence.resolution": ("Evidence", "LIMIT", "from_json"),
    },
)
