"""Two evidences of one thing, number by number: how far apart, in standard errors."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tracking.evidence.resolution import AnyEvidence

__all__ = ["MOST", "Difference", "differences"]

#: Standard errors that two numbers may lie apart and still agree.
MOST = 3.0


@dataclass(frozen=True)
class Difference:
    """One number in two evidences.

    Parameters
    ----------
    name : str
        As the metric is called, ``<estimator>/<quantity>/<statistic>``.
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
        """New less old in standard errors of the difference, as if the two were independent.

        On the same events they are not, and agreeing runs lie much closer. 0 for equal numbers and where
        neither is one; infinite where only one of them is, or where they differ and have no error.
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
    """Every number that the old evidence has, see `tracking.evidence.resolution.AnyEvidence.numbers`.

    What the new one does not have is no number there, and does not agree.
    """
    after = new.numbers()
    nothing = (math.nan, math.nan)
    return tuple(
        Difference(name, *before, *after.get(name, nothing)) for name, before in old.numbers().items()
    )
