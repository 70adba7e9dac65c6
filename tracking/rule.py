"""What a task demands of a model before it becomes champion; declared in the task, before anybody looks.

Plain data. `registry.gate` holds models against it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tracking.codec import encode

__all__ = ["Check", "Rule"]


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
class Rule:
    """When a candidate is better; every number is a limit on an interval, not on a point.

    Parameters
    ----------
    primary : tuple of str
        Quantities of which at least one must have a narrower core than that of every reference.
    improvement : float
        By what share at least: with 0.01 a core has to be shown to be more than 1 % narrower.
    margin : float
        How much wider core and q68 of any quantity may be, as a share.
    rivals : tuple of str
        Baselines to beat, by name; the champion is always one more reference.
    bias : mapping of str to float
        Largest distance of the core's centre from zero, by quantity, in its unit.
    tails : float
        How much larger the share of objects beyond three core sigmas of the reference may be, absolutely.
    failures : float
        How much larger the share of grossly wrong answers may be, absolutely.
    efficiency : float
        How much smaller the share of answered objects may be, absolutely.
    ns_per_event : float
        Longest time of a prediction.
    megabytes : float
        Largest size of the model.
    checks : tuple of Check
        Numbers of the task's own.
    level : float
        Confidence of the intervals: simultaneous over the primary quantities, one by one for the others,
        of which each must hold.
    replicas : int
        Bootstrap replicas.
    """

    primary: tuple[str, ...]
    improvement: float = 0.0
    margin: float = 0.02
    rivals: tuple[str, ...] = ()
    bias: Mapping[str, float] = field(default_factory=dict)
    tails: float = 0.005
    failures: float = 0.005
    efficiency: float = 0.005
    ns_per_event: float = math.inf
    megabytes: float = math.inf
    checks: tuple[Check, ...] = ()
    level: float = 0.95
    replicas: int = 1000

    def __post_init__(self) -> None:
        if not self.primary:
            raise ValueError("a rule needs at least one primary quantity")
        for name in ("improvement", "margin", "tails", "failures", "efficiency"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"rule: {name}={getattr(self, name)} is a share, at least 0 and below 1")
        if not 0.5 < self.level < 1 or self.replicas < 100:
            raise ValueError(
                f"rule: level={self.level}, replicas={self.replicas}; a level above 0.5 and below 1 and at "
                "least 100 replicas are needed"
            )

    @property
    def sha256(self) -> str:
        """Hash of all that the rule says, to show that two verdicts stand on the same one."""
        text = json.dumps(encode(self), sort_keys=True, allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()
