"""Pareto fronts in two numbers: elements that no other one beats in both."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import TypeVar

__all__ = ["front"]

One = TypeVar("One")


def front(found: Iterable[One], cost: Callable[[One], float], loss: Callable[[One], float]) -> list[One]:
    """Select the elements that no other one beats in both `cost` and `loss`, the cheapest first.

    Elements with a number that is not finite are ignored. Of equal elements the first is selected.

    Examples
    --------
    >>> points = [(1, 5.0), (2, 4.0), (3, 4.5), (4, 1.0)]
    >>> front(points, cost=lambda point: point[0], loss=lambda point: point[1])
    [(1, 5.0), (2, 4.0), (4, 1.0)]
    """
    finite = [
        candidate for candidate in found if math.isfinite(cost(candidate)) and math.isfinite(loss(candidate))
    ]
    selected: list[One] = []
    for candidate in sorted(finite, key=lambda candidate: (cost(candidate), loss(candidate))):
        if not selected or loss(candidate) < loss(selected[-1]):
            selected.append(candidate)
    return selected
