"""What a task demands of a model before it becomes champion; declared in the task, before anybody looks.

Plain data. `registry.gate.decision` holds models against it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from tracking.evidence.serialization import encode

__all__ = ["Check", "Rule", "ScoreRule", "Terms"]

#: What can be primary where a classification is judged.
SCORED = ("auc", "ams")


@dataclass(frozen=True)
class Check:
    """Limits of one of the task's own numbers, such as the mass of a peak.

    Parameters
    ----------
    metric : str
        Name of the number without the estimator, e.g. ``pi0/mu``. Where ``<metric>_err`` exists the value
        must keep within the limits by two of these errors.
    least, most : float
        The limits.
    meaning : str
        What it is, in words.
    """

    metric: str
    least: float = -math.inf
    most: float = math.inf
    meaning: str = ""


@dataclass(frozen=True)
class Terms:
    """What rules of every kind say; each number is a limit on an interval, not on a point.

    Parameters
    ----------
    primary : tuple of str
        Of what the task judges, that in which at least one must be better than that of every reference.
    improvement : float
        By how much at least.
    rivals : tuple of str
        Baselines to beat, by name; the champion is always one more reference.
    efficiency : float
        How much smaller the share of answers may be, absolutely.
    ns_per_event : float
        Longest time of a prediction.
    megabytes : float
        Largest size of the model.
    checks : tuple of Check
        Numbers of the task's own.
    level : float
        Confidence of the intervals: simultaneous over what is primary, one by one for all others, of which
        each must hold.
    replicas : int
        Bootstrap replicas.
    """

    primary: tuple[str, ...] = ()
    improvement: float = 0.0
    rivals: tuple[str, ...] = ()
    efficiency: float = 0.005
    ns_per_event: float = math.inf
    megabytes: float = math.inf
    checks: tuple[Check, ...] = ()
    level: float = 0.95
    replicas: int = 1000

    #: Fields that are shares.
    SHARES: ClassVar[tuple[str, ...]] = ("improvement", "efficiency")

    def __post_init__(self) -> None:
        if not self.primary:
            raise ValueError("a rule needs at least one primary quantity")
        for name in self.SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"rule: {name}={getattr(self, name)} is a share, at least 0 and below 1")
        if not 0.5 < self.level < 1 or self.replicas < 100:
            raise ValueError(
                f"rule: level={self.level}, replicas={self.replicas}; a level above 0.5 and below 1 and at "
                "least 100 replicas are needed"
            )

    @property
    def limits(self) -> bool:
        """Whether it holds a candidate to anything where there is nothing to compare with."""
        return bool(self.checks)

    @property
    def sha256(self) -> str:
        """Hash of all that the rule says, to show that two verdicts stand on the same one."""
        text = json.dumps(encode(self), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Rule(Terms):
    """When a candidate is better where resolutions are judged.

    Of `primary`, names of quantities, the core of at least one must be narrower than that of every
    reference, by the share `improvement`: with 0.01 it has to be shown to be more than 1 % narrower.

    Parameters
    ----------
    margin : float
        How much wider core and q68 of any quantity may be, as a share.
    bias : mapping of str to float
        Largest distance of the core's centre from zero, by quantity, in its unit.
    tails : float
        How much larger the share of objects beyond three core sigmas of the reference may be, absolutely.
    failures : float
        How much larger the share of grossly wrong answers may be, absolutely.
    """

    margin: float = 0.02
    bias: Mapping[str, float] = field(default_factory=dict)
    tails: float = 0.005
    failures: float = 0.005

    SHARES: ClassVar[tuple[str, ...]] = ("improvement", "margin", "tails", "failures", "efficiency")

    @property
    def limits(self) -> bool:
        """Whether it holds a candidate to anything where there is nothing to compare with."""
        return bool(self.bias or self.checks)


@dataclass(frozen=True)
class ScoreRule(Terms):
    """When a candidate is better where a classification is judged.

    Of `primary`, ``"auc"`` and ``"ams"``, at least one must be larger than that of every reference: the area,
    averaged over hypotheses, by the difference `improvement`; the significance, as the geometric mean of
    ratios, by that share.

    Parameters
    ----------
    hypotheses : tuple of str
        Those that are averaged over; empty for all.
    margin : float
        How much smaller the area of any single hypothesis may be, absolutely.
    ams : float
        How much smaller the averaged significance may be, as a share; 1 for no limit.
    flatness : float
        Largest ratio of the mean background responses under two hypotheses.
    spread : float
        Largest difference of the mean background responses under two hypotheses.
    peak : float
        How many steps of the grid from its own hypothesis the mean response of a signal may peak, 0 being
        its own.
    """

    margin: float = 0.002
    hypotheses: tuple[str, ...] = ()
    ams: float = 0.05
    flatness: float = math.inf
    spread: float = math.inf
    peak: float = math.inf

    SHARES: ClassVar[tuple[str, ...]] = ("improvement", "margin", "efficiency")

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = set(self.primary) - set(SCORED)
        if unknown:
            raise ValueError(f"rule: primary={unknown.pop()!r} is none of {', '.join(SCORED)}")
        if not 0 <= self.ams <= 1:
            raise ValueError(f"rule: ams={self.ams} is a share, from 0 to 1 (no limit)")
        for name, least in (("flatness", 1), ("spread", 0), ("peak", 0)):
            if not getattr(self, name) >= least:
                raise ValueError(f"rule: {name}={getattr(self, name)} must be at least {least}")

    @property
    def limits(self) -> bool:
        """Whether it holds a candidate to anything where there is nothing to compare with."""
        return bool(self.checks) or any(math.isfinite(x) for x in (self.flatness, self.spread, self.peak))
