"""Verdicts of the gate: claims with their intervals, and the decision that follows from them."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from scipy.special import ndtri

from tracking.evidence.serialization import decode, encode
from tracking.report.numbers import interval

__all__ = [
    "INCONCLUSIVE",
    "OPEN",
    "PROMOTE",
    "REFUTED",
    "REJECT",
    "SHOWN",
    "Claim",
    "Spread",
    "Verdict",
    "claim",
    "decide",
    "from_json",
]

PROMOTE, REJECT, INCONCLUSIVE = "PROMOTE", "REJECT", "INCONCLUSIVE"
SHOWN, OPEN, REFUTED = "shown", "open", "refuted"

#: Probability of a decision at the number of events needed.
POWER = 0.8
#: Larger multiples of the sample size are reported as infinite.
MOST_SAMPLES = 1e4


@dataclass(frozen=True)
class Claim:
    """A measured quantity that has to lie between two limits.

    Parameters
    ----------
    kind : str
        ``better``, ``width``, ``q68``, ``bias``, ``tail``, ``failures``, ``auc``, ``ams``, ``flatness``,
        ``peak``, ``efficiency``, ``speed``, ``size`` or ``check``.
    what : str
        The quantity in words, e.g. ``core width of x``.
    reference : str
        Name of the reference; empty where the limits are absolute.
    value, low, high : float
        The value and its interval.
    least, most : float
        The limits.
    status : {"shown", "open", "refuted"}
        The interval lies inside the limits, crosses one, or lies outside.
    events : float
        Sample size that would decide the claim if the value is the truth; infinite if none would.
    """

    kind: str
    what: str
    reference: str
    value: float
    low: float
    high: float
    least: float
    most: float
    status: str
    events: float

    @property
    def words(self) -> str:
        """The claim in one line."""
        relation = f" relative to {self.reference}" if self.reference else ""
        limits = [
            f"at most {self.most:g}" if math.isfinite(self.most) else "",
            f"at least {self.least:g}" if math.isfinite(self.least) else "",
        ]
        bounds = " and ".join(text for text in limits if text)
        measured = interval(self.value, self.low, self.high)
        return f"{self.what}{relation}: {measured}, wanted {bounds}: {self.status}"


@dataclass(frozen=True)
class Spread:
    """Relative standard deviation of a result between trainings that differ only in the random seed."""

    quantity: str
    trainings: int
    relative: float


@dataclass(frozen=True)
class Verdict:
    """The decision on one candidate on one frozen sample.

    Parameters
    ----------
    decision : {"PROMOTE", "REJECT", "INCONCLUSIVE"}
        Only ``PROMOTE`` makes a champion.
    reasons : tuple of str
        Reasons in words.
    claims : tuple of Claim
        All measured claims.
    task, candidate, champion : str
        Names; the champion is empty if there was none.
    sample_sha256 : str
        Hash of the frozen sample; verdicts on different samples are not compared.
    rule_sha256 : str
        Hash of the rule.
    events : int
        Size of the sample.
    events_needed : float
        Size at which a decision is expected; NaN if it was reached, infinite if no sample would do.
    looks : int
        Number of candidates evaluated on this sample, including this one.
    trials : int
        Trials of the search that selected the candidate, on events other than these.
    spreads : tuple of Spread
        Spreads between random seeds, if several trainings exist; quantities as ``σ of x``.
    seed : int
        Random seed of the bootstrap.
    hashes : mapping of str to str
        SHA-256 of every evaluated model.
    """

    decision: str
    reasons: tuple[str, ...]
    claims: tuple[Claim, ...]
    task: str
    candidate: str
    champion: str
    sample_sha256: str
    rule_sha256: str
    events: int
    events_needed: float = math.nan
    looks: int = 0
    trials: int = 0
    spreads: tuple[Spread, ...] = ()
    seed: int = 0
    hashes: Mapping[str, str] = field(default_factory=dict)

    @property
    def promoted(self) -> bool:
        """True if the candidate may become champion."""
        return self.decision == PROMOTE

    def to_json(self) -> str:
        """Serialize the verdict; equal verdicts give identical text."""
        return json.dumps(encode(self), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @property
    def sha256(self) -> str:
        """SHA-256 of `to_json`, as stored in the journal."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def from_json(text: str) -> Verdict:
    """Parse the text of `Verdict.to_json`.

    Raises
    ------
    ValueError
        If the text is not a verdict.
    """
    plain_values = json.loads(text)
    if not isinstance(plain_values, dict):
        raise ValueError("the text is not a verdict")
    return decode(Verdict, plain_values)


def claim(
    kind: str,
    what: str,
    reference: str,
    numbers: tuple[float, float, float],
    limits: tuple[float, float],
    *,
    events: int = 0,
    z: float = math.nan,
    logarithmic: bool = False,
) -> Claim:
    """Build a claim and determine its status.

    Parameters
    ----------
    numbers : tuple of float
        Value, lower and upper end of its interval. Any NaN refutes the claim: the cause of an unmeasurable
        quantity is in the candidate.
    limits : tuple of float
        Lower and upper limit.
    events : int
        Events behind the interval; 0 where more of them would not help.
    z : float
        Half-width of the interval in standard errors.
    logarithmic : bool
        Whether the interval is symmetric in the logarithm, as that of a ratio is.

    Examples
    --------
    A ratio of widths that has to lie below 1. The interval decides it, or reaches over the limit:

    >>> from math import inf
    >>> shown = claim("better", "width of x", "coral", (0.95, 0.93, 0.97), (-inf, 1.0))
    >>> shown.status
    'shown'
    >>> limits = (-inf, 1.0)
    >>> unclear = claim("better", "width of x", "coral", (0.98, 0.95, 1.01), limits, events=1000, z=2)
    >>> unclear.status, round(unclear.events)
    ('open', 4542)
    """
    value, low, high = numbers
    least, most = limits
    needed = math.inf
    if any(math.isnan(number) for number in numbers) or low >= most or high <= least:
        status = REFUTED
    elif low > least and high < most:
        status = SHOWN
    else:
        status = OPEN
        if events:
            scaled = [math.log(max(n, 1e-300)) if logarithmic else n for n in (value, low, high)]
            bounds = [math.log(max(b, 1e-300)) if logarithmic else b for b in limits if math.isfinite(b)]
            error = (scaled[2] - scaled[1]) / (2 * z)
            distance = min(abs(scaled[0] - bound) for bound in bounds)
            if distance > 0:
                needed = events * ((z + float(ndtri(POWER))) * error / distance) ** 2
                needed = needed if needed < MOST_SAMPLES * events else math.inf
    return Claim(kind, what, reference, value, low, high, least, most, status, needed)


def decide(claims: Sequence[Claim]) -> tuple[str, tuple[str, ...], float]:
    """Decide from claims: return the decision, its reasons and the events needed.

    Of the claims of kind ``better`` at least one for every reference must be shown; of all others every one.

    Examples
    --------
    >>> from math import inf
    >>> width = claim("better", "width of x", "coral", (0.95, 0.93, 0.97), (-inf, 1.0))
    >>> decide([width])[0]
    'PROMOTE'
    >>> bias = claim("bias", "centre of x", "", (0.3, 0.2, 0.4), (-0.1, 0.1))
    >>> decide([width, bias])[0]
    'REJECT'
    """
    groups: list[list[Claim]] = [[c] for c in claims if c.kind != "better"]
    for reference in dict.fromkeys(c.reference for c in claims if c.kind == "better"):
        groups.append([c for c in claims if c.kind == "better" and c.reference == reference])
    undecided: list[list[Claim]] = []
    refuted: list[Claim] = []
    for group in groups:
        if all(c.status == REFUTED for c in group):
            refuted += group
        elif not any(c.status == SHOWN for c in group):
            undecided.append(group)
    if refuted:
        return REJECT, tuple(c.words for c in refuted), math.nan
    if undecided:
        # A larger sample shows all groups, or refutes one that already points the wrong way.
        needed = [min(c.events for c in group) for group in undecided]
        wrong = [n for group, n in zip(undecided, needed, strict=True) if not any(map(_hopeful, group))]
        return (
            INCONCLUSIVE,
            tuple(c.words for group in undecided for c in group if c.status == OPEN),
            min(wrong) if wrong else max(needed),
        )
    better = tuple(c.words for c in claims if c.kind == "better" and c.status == SHOWN)
    return PROMOTE, better or ("there is nothing to be better than, and all limits are kept",), math.nan


def _hopeful(estimate: Claim) -> bool:
    """Return whether the value itself, ignoring its error, lies inside the limits."""
    return estimate.status != REFUTED and estimate.least < estimate.value < estimate.most
