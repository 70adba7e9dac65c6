"""What the gate says: claims with their intervals, and the decision that follows from them."""

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

#: The number of events needed is that at which a decision would be reached in this share of all samples.
POWER = 0.8
#: More events than this many times the sample are not worth a number.
MOST_SAMPLES = 1e4


@dataclass(frozen=True)
class Claim:
    """A number that has to lie between two limits.

    Parameters
    ----------
    kind : str
        ``better``, ``width``, ``q68``, ``bias``, ``tail``, ``failures``, ``auc``, ``ams``, ``flatness``,
        ``peak``, ``efficiency``, ``speed``, ``size`` or ``check``.
    what : str
        In words, e.g. ``core width of x``.
    reference : str
        With what it compares; empty where the limits are absolute.
    value, low, high : float
        The number and its interval.
    least, most : float
        The limits.
    status : {"shown", "open", "refuted"}
        Whether the interval lies inside the limits, reaches over one, or lies outside.
    events : float
        Size of a sample that would decide it, if the value is the truth; infinite if none would.
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
        """One line for people."""
        against = f" relative to {self.reference}" if self.reference else ""
        limits = [
            f"at most {self.most:g}" if math.isfinite(self.most) else "",
            f"at least {self.least:g}" if math.isfinite(self.least) else "",
        ]
        wanted = " and ".join(text for text in limits if text)
        measured = interval(self.value, self.low, self.high)
        return f"{self.what}{against}: {measured}, wanted {wanted}: {self.status}"


@dataclass(frozen=True)
class Spread:
    """How trainings differ that differ in nothing but the seed: relative standard deviation of a result."""

    quantity: str
    trainings: int
    relative: float


@dataclass(frozen=True)
class Verdict:
    """The decision on one candidate on one frozen sample.

    Parameters
    ----------
    decision : {"PROMOTE", "REJECT", "INCONCLUSIVE"}
        Only the first makes a champion.
    reasons : tuple of str
        Why, in words.
    claims : tuple of Claim
        All that was measured.
    task, candidate, champion : str
        Names; the champion is empty where there was none.
    sample_sha256 : str
        The frozen sample; verdicts on different ones are not compared.
    rule_sha256 : str
        The rule.
    events : int
        Size of the sample.
    events_needed : float
        Size at which the decision is expected; NaN where it was reached, infinite where no sample would do.
    looks : int
        How often candidates were held against this sample, this time included.
    trials : int
        Trials of a search that the candidate was chosen from, on other events than these.
    spreads : tuple of Spread
        What the seed of a training does, where several were trained; quantities as ``σ of x``.
    seed : int
        Of the bootstrap.
    hashes : mapping of str to str
        SHA-256 of every model that was judged.
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
        """Whether the candidate may become champion."""
        return self.decision == PROMOTE

    def to_json(self) -> str:
        """Exact text, the same for equal verdicts."""
        return json.dumps(encode(self), indent=1, sort_keys=True, allow_nan=False) + "\n"

    @property
    def sha256(self) -> str:
        """Hash of `to_json`; the journal keeps it."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def from_json(text: str) -> Verdict:
    """The verdict of `Verdict.to_json`.

    Raises
    ------
    ValueError
        If the text is not one.
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
    """A claim with its status.

    Parameters
    ----------
    numbers : tuple of float
        Value, lower and upper end of its interval; any NaN refutes the claim: what cannot be measured is
        not shown, and the reason is in the candidate.
    limits : tuple of float
        Least and most.
    events : int
        Events that gave the interval; 0 where more of them would not help.
    z : float
        Half-width of the interval in standard errors.
    logarithmic : bool
        Whether the interval is symmetric in the logarithm, as that of a ratio is.
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
    """Decision, reasons and events needed.

    Of the claims of kind ``better`` one for every reference must be shown, of all others every one.
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
        # Reached when all are shown, or the first is refuted: those that now point the wrong way.
        needed = [min(c.events for c in group) for group in undecided]
        wrong = [n for group, n in zip(undecided, needed, strict=True) if not any(map(_hopeful, group))]
        return (
            INCONCLUSIVE,
            tuple(c.words for group in undecided for c in group if c.status == OPEN),
            min(wrong) if wrong else max(needed),
        )
    better = tuple(c.words for c in claims if c.kind == "better" and c.status == SHOWN)
    return PROMOTE, better or ("there is nothing to be better than, and all limits are kept",), math.nan


def _hopeful(one: Claim) -> bool:
    """Whether the value itself, errors aside, is inside the limits."""
    return one.status != REFUTED and one.least < one.value < one.most
