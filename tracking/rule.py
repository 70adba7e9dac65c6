"""Rules for promotion: the requirements that a task declares, in advance, for a model to become champion.

Plain data. `registry.gate.decision` checks models against a rule.
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

#: Primary statistics that a classification allows.
SCORED = ("auc", "ams")


@dataclass(frozen=True)
class Check:
    """Limits of one of the task's own numbers, such as the mass of a peak.

    Parameters
    ----------
    metric : str
        Name of the number without the estimator, e.g. ``pi0/mu``. If ``<metric>_err`` exists, the value must
        be inside the limits by two of these errors.
    least, most : float
        Limits of the number.
    meaning : str
        Description of the number.
    """

    metric: str
    least: float = -math.inf
    most: float = math.inf
    meaning: str = ""


@dataclass(frozen=True)
class Terms:
    """Common terms of all rules; each number is a limit on an interval, not on a point estimate.

    Parameters
    ----------
    primary : tuple of str
        Primary quantities; at least one must be better than that of every reference.
    improvement : float
        Smallest required improvement.
    rivals : tuple of str
        Baselines to beat, by name; the champion is always an additional reference.
    efficiency : float
        Largest allowed absolute loss in the share of predictions.
    ns_per_event : float
        Largest time of a prediction.
    megabytes : float
        Largest size of the model.
    checks : tuple of Check
        Checks of the task's own numbers.
    level : float
        Confidence level of the intervals: simultaneous over the primary quantities, individual for all
        others, each of which must hold.
    replicas : int
        Number of bootstrap replicas.
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

    #: Names of the fields that are shares.
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
        """Hash of the whole rule, to prove that two verdicts use the same one."""
        text = json.dumps(encode(self), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class Rule(Terms):
    """Rule for tasks that evaluate resolutions.

    The core of at least one of the `primary` quantities must be narrower than that of every reference, by the
    share `improvement`: with 0.01 it must be significantly more than 1 % narrower.

    Parameters
    ----------
    margin : float
        Largest allowed relative increase of core and q68 of any quantity.
    bias : mapping of str to float
        Largest allowed distance of the core's centre from zero, by quantity, in its unit.
    tails : float
        Largest allowed absolute increase of the share of objects beyond three core sigmas of the reference.
    failures : float
        Largest allowed absolute increase of the share of grossly wrong predictions.
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
    """Rule for tasks that evaluate a classification.

    At least one of the `primary` statistics, ``"auc"`` and ``"ams"``, must be larger than that of every
    reference: the area, averaged over hypotheses, by the difference `improvement`; the significance, as the
    geometric mean of ratios, by the share `improvement`.

    Parameters
    ----------
    hypotheses : tuple of str
        Hypotheses to average over; empty for all.
    margin : float
        Largest allowed absolute loss of area for any single hypothesis.
    ams : float
        Largest allowed relative loss of the averaged significance; 1 for no limit.
    flatness : float
        Largest allowed ratio of the mean background responses under two hypotheses.
    spread : float
        Largest allowed difference of the mean background responses under two hypotheses.
    peak : float
        Largest allowed number of grid steps between the peak of the mean signal response and the true
        hypothesis; 0 requires the peak at the true one.
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
