"""Evidence: the frozen result of judging estimators on one sample, and nothing else.

It holds numbers, no events; a gate, a table or a figure needs nothing more than it. `from_json` of
`to_json` gives back the same evidence to the last bit.
"""

from __future__ import annotations

import hashlib
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from tracking.evidence.serialization import decode, encode
from tracking.statistics.counting import Fraction
from tracking.statistics.residuals import Binning, Quantity
from tracking.statistics.resolution import Resolution

__all__ = [
    "KINDS",
    "LIMIT",
    "AnyEvidence",
    "Comparison",
    "Count",
    "Evidence",
    "Exact",
    "Facts",
    "Row",
    "from_json",
]

#: Reserved name: not an estimator but the information limit, made with the truth. It is shown and compared
#: like all others, and is nobody's rival.
LIMIT = "bound"


@dataclass(frozen=True)
class Facts:
    """What was judged.

    Parameters
    ----------
    task : str
        Name of the task.
    sha256 : str
        Content hash of the judged sample.
    source : str
        Where its events come from.
    events, objects : int
        Size of the sample and objects in each event.
    seed : int
        Seed of the run.
    versions : mapping of str to str
        Versions of the packages that made the numbers.
    """

    task: str
    sha256: str
    source: str
    events: int
    objects: int
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)


class AnyEvidence(Protocol):
    """What all kinds of evidence have in common; whoever records or compares runs needs no more."""

    @property
    def facts(self) -> Facts:
        """What was judged."""

    @property
    def subject(self) -> str:
        """The estimator that is compared with all others."""

    @property
    def estimators(self) -> tuple[str, ...]:
        """Names of the judged estimators."""

    @property
    def ns_per_event(self) -> Mapping[str, float]:
        """Time of a prediction by estimator."""

    @property
    def extra(self) -> Mapping[str, float]:
        """Numbers of the task's own, under the name they have as metrics."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def sha256(self) -> str:
        """Hash of `to_json`."""

    def metrics(self) -> dict[str, float]:
        """All overall numbers under their metric names."""

    def numbers(self) -> dict[str, tuple[float, float]]:
        """What a second run must reproduce: value and standard error by name of the metric."""

    def to_json(self) -> str:
        """Exact text, the same for equal evidence."""


class Exact:
    """Text and hash of a frozen dataclass of evidence."""

    def to_json(self) -> str:
        """Exact text, the same for equal evidence; NaN and infinities are written as strings."""
        return self._text

    @cached_property
    def sha256(self) -> str:
        """Hash of `to_json`, to name this evidence by."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @cached_property
    def _text(self) -> str:
        return json.dumps(encode(self), indent=1, sort_keys=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Row:
    """Resolution of one estimator in one quantity, in one bin; overall where `binning` is empty."""

    estimator: str
    quantity: str
    binning: str
    low: float
    high: float
    result: Resolution


@dataclass(frozen=True)
class Count:
    """Efficiency and failures of one estimator, in one bin; overall where `binning` is empty.

    Both are shares of *all* objects: one without an answer lowers the efficiency, one with a grossly wrong
    answer counts as a failure, none is dropped.
    """

    estimator: str
    binning: str
    low: float
    high: float
    efficiency: Fraction
    failures: Fraction


@dataclass(frozen=True)
class Comparison:
    """Ratio of the subject to a reference in one statistic, in one bin; overall where `binning` is empty.

    Parameters
    ----------
    subject, reference : str
        Estimators; the ratio is subject over reference.
    quantity : str
        Quantity of a width; empty for ``failures`` and ``efficiency``.
    statistic : {"sigma", "q68", "failures", "efficiency"}
        What is compared. Widths are compared on the objects that both estimators answered.
    ratio, ratio_low, ratio_high, level : float
        The ratio with its interval at this confidence level, from a paired bootstrap by events; for
        failures of fewer than ten events from the exact interval of two counts.
    """

    subject: str
    reference: str
    quantity: str
    statistic: str
    binning: str
    low: float
    high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    level: float


@dataclass(frozen=True)
class Evidence(Exact):
    """Resolution, efficiency, failures and speed of estimators on identical events.

    Parameters
    ----------
    facts : Facts
        What was judged.
    subject : str
        The estimator that is compared with all others.
    quantities, binnings : tuple
        What was looked at; the first quantity is the primary one.
    rows, counts, comparisons : tuple
        Overall entries first, then bin by bin. Estimators keep the order they were given in.
    ns_per_event : mapping of str to float
        Time of a prediction by estimator.
    extra : mapping of str to float
        Numbers of the task's own, under the name they have as metrics.
    kind : str
        Always ``"resolution"``; another kind of evidence is another class, found by this name.
    """

    facts: Facts
    subject: str
    quantities: tuple[Quantity, ...]
    binnings: tuple[Binning, ...]
    rows: tuple[Row, ...]
    counts: tuple[Count, ...]
    comparisons: tuple[Comparison, ...]
    ns_per_event: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)
    kind: str = "resolution"

    @property
    def estimators(self) -> tuple[str, ...]:
        """Names of the judged estimators."""
        return tuple(dict.fromkeys(count.estimator for count in self.counts))

    def row(self, estimator: str, quantity: str) -> Resolution:
        """Overall resolution of an estimator in a quantity."""
        return self.bins(estimator, quantity, "")[0].result

    def count(self, estimator: str) -> Count:
        """Overall efficiency and failures of an estimator."""
        return self.bin_counts(estimator, "")[0]

    def bins(self, estimator: str, quantity: str, binning: str) -> tuple[Row, ...]:
        """Resolution bin by bin, in the order of the bins."""
        key = (estimator, quantity, binning)
        return tuple(row for row in self.rows if (row.estimator, row.quantity, row.binning) == key)

    def bin_counts(self, estimator: str, binning: str) -> tuple[Count, ...]:
        """Efficiency and failures bin by bin, in the order of the bins."""
        return tuple(
            count for count in self.counts if (count.estimator, count.binning) == (estimator, binning)
        )

    def compared(
        self, reference: str, quantity: str, statistic: str, binning: str = ""
    ) -> tuple[Comparison, ...]:
        """Ratios of the subject to a reference: one overall, or one for each bin."""
        key = (reference, quantity, statistic, binning)
        return tuple(c for c in self.comparisons if (c.reference, c.quantity, c.statistic, c.binning) == key)

    def best_other(self, quantity: str) -> str | None:
        """The estimator with the smallest core width, neither the subject nor `LIMIT`; None without one."""
        rivals = [name for name in self.estimators if name not in (self.subject, LIMIT)]
        found = {name: self.row(name, quantity).sigma for name in rivals}
        return min((name for name in found if found[name] > 0), key=found.__getitem__, default=None)

    def metrics(self) -> dict[str, float]:
        """All overall numbers under their metric names, ``<estimator>/<quantity>/<statistic>``."""
        found: dict[str, float] = {}
        for row in self.rows:
            if not row.binning:
                prefix, r = f"{row.estimator}/{row.quantity}", row.result
                for name in (
                    "mu",
                    "mu_err",
                    "sigma",
                    "sigma_err",
                    "q68",
                    "q68_err",
                    "rms",
                    "tail",
                    "tail_err",
                ):
                    found[f"{prefix}/{name}"] = getattr(r, name)
                found[f"{prefix}/chi2_ndf"] = r.chi2 / r.ndf if r.ndf > 0 else float("nan")
                found[f"{prefix}/n"] = float(r.n)
        for count in self.counts:
            if not count.binning:
                for name, share in (("efficiency", count.efficiency), ("failures", count.failures)):
                    found[f"{count.estimator}/{name}"] = share.value
                    found[f"{count.estimator}/{name}_low"] = share.low
                    found[f"{count.estimator}/{name}_high"] = share.high
        for c in self.comparisons:
            if not c.binning:
                name = "/".join(
                    part for part in (c.subject, c.quantity, f"{c.statistic}_over_{c.reference}") if part
                )
                found |= {name: c.ratio, f"{name}_low": c.ratio_low, f"{name}_high": c.ratio_high}
        found |= {f"{name}/ns_per_event": time for name, time in self.ns_per_event.items()}
        return found | dict(self.extra)

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Centre, widths, failures and efficiency of every estimator, each with its standard error."""
        found = {}
        for estimator in self.estimators:
            for quantity in self.quantities:
                result = self.row(estimator, quantity.name)
                for name in ("mu", "sigma", "q68"):
                    value = (getattr(result, name), getattr(result, f"{name}_err"))
                    found[f"{estimator}/{quantity.name}/{name}"] = value
            count = self.count(estimator)
            for name in ("failures", "efficiency"):
                share: Fraction = getattr(count, name)
                found[f"{estimator}/{name}"] = (share.value, (share.high - share.low) / 2)
        return found


#: Kinds of evidence and where their class is; it is loaded when asked for, as it builds on this module.
KINDS = {
    "resolution": "tracking.evidence.resolution:Evidence",
    "classification": "tracking.evidence.classification:Classification",
}


def from_json(text: str) -> AnyEvidence:
    """Evidence of any kind from its `to_json`.

    Raises
    ------
    ValueError
        If the text is not evidence of a known kind.
    """
    plain: Any = json.loads(text)
    kind = plain.get("kind") if isinstance(plain, dict) else None
    if kind not in KINDS:
        raise ValueError(f"evidence of kind {kind!r}; known: {', '.join(KINDS)}; a newer version may read it")
    return decode(pkgutil.resolve_name(KINDS[kind]), plain)
