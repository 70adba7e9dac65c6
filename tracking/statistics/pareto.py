"""Pareto fronts: who is beaten by nobody in both of two numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["front"]

One = TypeVar("One")


def front(found: Iterable[One], cost: Callable[[One], float], loss: Callable[[One], float]) -> list[One]:
    """Those that no other one beats in both `cost` and `loss`, the cheapest first.

    Those with a number that is not finite take no part; of equal ones the first is kept.
    """
    known = [one for one in found if math.isfinite(cost(one)) and math.isfinite(loss(one))]
    kept: list[One] = []
    for one in sorted(known, key=lambda one: (cost(one), loss(one))):
        if not kept or loss(one) < loss(kept[-1]):
            kept.append(one)
    return kept
