"""Rules that a model must satisfy to become champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shashlik.lazy import offering

if TYPE_CHECKING:
    from tracking.rule import Check, Rule, ScoreRule

__all__ = ["Check", "Rule", "ScoreRule"]

__getattr__, __dir__ = offering(
    __name__,
    {
        "tracking.rule": ("Check", "Rule", "ScoreRule"),
    },
)
