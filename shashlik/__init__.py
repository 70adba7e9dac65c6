"""Public interface for tasks: import from here when you write your own.

Names are loaded on first use, so that ``import shashlik`` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shashlik.lazy import offering

if TYPE_CHECKING:
    from shashlik.exceptions import BadInput
    from shashlik.task.definition import Finding, Task
    from shashlik.task.estimator import Bench, Estimator, Nested, Portable
    from shashlik.task.sample import Column, Predictions, Sample, Schema
    from shashlik.task.search_space import Choice, Range, Space
    from shashlik.task.settings import RunSettings, setting
    from shashlik.task.variants import Statement, Study, Variant
    from tracking.rule import Check, Rule, ScoreRule
    from tracking.statistics.residuals import Binning, Quantity, Residuals
    from tracking.statistics.scores import Criteria, Published, Scores

__all__ = [
    "BadInput",
    "Bench",
    "Binning",
    "Check",
    "Choice",
    "Column",
    "Criteria",
    "Estimator",
    "Finding",
    "Nested",
    "Portable",
    "Predictions",
    "Published",
    "Quantity",
    "Range",
    "Residuals",
    "Rule",
    "RunSettings",
    "Sample",
    "Schema",
    "ScoreRule",
    "Scores",
    "Space",
    "Statement",
    "Study",
    "Task",
    "Variant",
    "setting",
]

__getattr__, __dir__ = offering(
    __name__,
    {
        "shashlik.exceptions": ("BadInput",),
        "shashlik.task.definition": ("Finding", "Task"),
        "shashlik.task.estimator": ("Bench", "Estimator", "Nested", "Portable"),
        "shashlik.task.sample": ("Column", "Predictions", "Sample", "Schema"),
        "shashlik.task.search_space": ("Choice", "Range", "Space"),
        "shashlik.task.settings": ("RunSettings", "setting"),
        "shashlik.task.variants": ("Statement", "Study", "Variant"),
        "tracking.rule": ("Check", "Rule", "ScoreRule"),
        "tracking.statistics.residuals": ("Binning", "Quantity", "Residuals"),
        "tracking.statistics.scores": ("Criteria", "Published", "Scores"),
    },
)
