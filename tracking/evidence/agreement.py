"""Comparison of two evidences of the same model, number by number, in standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tracking.evidence.resolution import AnyEvidence

__all__ = ["MOST", "Difference", "differences"]

#: Largest difference, in standard errors, of two numbers that agree.
MOST = 3.0


@dataclass(frozen=True)
class Difference:
    """One number in two evidences.

    Parameters
    ----------
    name : str
        Name of the metric, ``<estimator>/<quantity>/<statistic>``.
    old, old_err, new, new_err : float
        The number with its standard error, in the unit of the metric.
    """

    name: str
    old: float
    old_err: float
    new: float
    new_err: float

    @property
    def pull(self) -> float:
        """New minus old in standard errors of the difference, as if the two were independent.

        On the same events they are correlated, and agreeing runs lie much closer. The pull is 0 if both are
        equal or both are NaN. It is infinite if only one is NaN, or if they differ and have no error.
        """
        if self.old == self.new or (math.isnan(self.old) and math.isnan(self.new)):
            return 0.0
        error = math.hypot(self.old_err, self.new_err)
        distance = self.new - self.old
        return distance / error if error > 0 and math.isfinite(distance) else math.inf

    @property
    def agrees(self) -> bool:
        """Whether the two are compatible."""
        return abs(self.pull) <= MOST


def differences(old: AnyEvidence, new: AnyEvidence) -> tuple[Difference, ...]:
    """Compare every number of the old evidence, see `tracking.evidence.resolution.AnyEvidence.numbers`.

    A number that the new evidence lacks is NaN there, and does not agree.
    """
    numbers = new.numbers()
    undefined = (math.nan, math.nan)
    return tuple(
        Difference(name, *old_number, *numbers.get(name, undefined))
        for name, old_number in old.numbers().items()
    )
