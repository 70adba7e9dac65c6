"""Two evidences of one thing, number by number: how far apart, in standard errors."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from tracking.counting import Fraction
from tracking.evidence import Evidence

__all__ = ["MOST", "Difference", "differences"]

#: Standard errors that two numbers may lie apart and still agree.
MOST = 3.0
_WIDTHS = ("mu", "sigma", "q68")
_SHARES = ("failures", "efficiency")


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


def differences(old: Evidence, new: Evidence) -> tuple[Difference, ...]:
    """Centre, widths, failures and efficiency of every estimator that the old evidence has.

    What the new one does not have is no number there, and does not agree.
    """
    return tuple(_all(old, new))


def _all(old: Evidence, new: Evidence) -> Iterator[Difference]:
    nothing = (math.nan, math.nan)
    for estimator in old.estimators:
        there = estimator in new.estimators
        for quantity in old.quantities:
            before = old.row(estimator, quantity.name)
            found = quantity.name in {one.name for one in new.quantities} and there
            after = new.row(estimator, quantity.name) if found else None
            for statistic in _WIDTHS:
                names = (statistic, f"{statistic}_err")
                first = tuple(getattr(before, name) for name in names)
                last = nothing if after is None else tuple(getattr(after, name) for name in names)
                yield Difference(f"{estimator}/{quantity.name}/{statistic}", *first, *last)
        for statistic in _SHARES:
            shares = getattr(old.count(estimator), statistic)
            last = _share(getattr(new.count(estimator), statistic)) if there else nothing
            yield Difference(f"{estimator}/{statistic}", *_share(shares), *last)


def _share(share: Fraction) -> tuple[float, float]:
    """A share with half of its interval."""
    return share.value, (share.high - share.low) / 2
