"""Evidence: the frozen result of evaluating estimators on one sample.

It holds numbers and no events. Gates, tables and figures need nothing else. `from_json` restores the output
of `to_json` exactly.
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

#: Reserved name of the information limit, which is computed with the truth. It is shown and compared like an
#: estimator, but never counts as a rival.
LIMIT = "bound"


@dataclass(frozen=True)
class Facts:
    """Facts of the evaluated sample.

    Parameters
    ----------
    task : str
        Name of the task.
    sha256 : str
        Content hash of the evaluated sample.
    source : str
        Origin of its events.
    events, objects : int
        Size of the sample and objects in each event.
    seed : int
        Random seed of the run.
    versions : mapping of str to str
        Versions of the packages that produced the numbers.
    """

    task: str
    sha256: str
    source: str
    events: int
    objects: int
    seed: int
    versions: Mapping[str, str] = field(default_factory=dict)


class AnyEvidence(Protocol):
    """Common interface of all kinds of evidence, sufficient to record or compare runs."""

    @property
    def facts(self) -> Facts:
        """Facts of the evaluated sample."""

    @property
    def subject(self) -> str:
        """Estimator that is compared with all others."""

    @property
    def estimators(self) -> tuple[str, ...]:
        """Names of the evaluated estimators."""

    @property
    def ns_per_event(self) -> Mapping[str, float]:
        """Time of a prediction, by estimator."""

    @property
    def extra(self) -> Mapping[str, float]:
        """The task's own numbers, by metric name."""

    @property
    def kind(self) -> str:
        """One of `KINDS`."""

    @property
    def sha256(self) -> str:
        """Hash of `to_json`."""

    def metrics(self) -> dict[str, float]:
        """Collect all overall numbers by metric name."""

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Collect the numbers that a second run must reproduce: value and standard error by metric name."""

    def to_json(self) -> str:
        """Serialise to exact text, identical for equal evidence."""


class Exact:
    """Text and hash of a frozen dataclass of evidence."""

    def to_json(self) -> str:
        """Serialise to exact text, identical for equal evidence; NaN and infinities become strings."""
        return self._text

    @cached_property
    def sha256(self) -> str:
        """Hash of `to_json`, which identifies this evidence."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @cached_property
    def _text(self) -> str:
        return json.dumps(encode(self), indent=1, sort_keys=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Row:
    """Resolution of an estimator in a quantity and a bin; overall if `binning` is empty."""

    estimator: str
    quantity: str
    binning: str
    low: float
    high: float
    result: Resolution


@dataclass(frozen=True)
class Count:
    """Efficiency and failures of an estimator in a bin; overall if `binning` is empty.

    Both are shares of *all* objects. An object without a prediction lowers the efficiency, one with a grossly
    wrong prediction counts as a failure, and none is dropped.
    """

    estimator: str
    binning: str
    low: float
    high: float
    efficiency: Fraction
    failures: Fraction


@dataclass(frozen=True)
class Comparison:
    """Ratio of the subject to a reference in a statistic and a bin; overall if `binning` is empty.

    Parameters
    ----------
    subject, reference : str
        Estimators; the ratio is subject over reference.
    quantity : str
        Quantity of a width; empty for ``failures`` and ``efficiency``.
    statistic : {"sigma", "q68", "failures", "efficiency"}
        Compared statistic. Widths are compared on the objects with predictions of both estimators.
    ratio, ratio_low, ratio_high, level : float
        Ratio with its interval at this confidence level, from a paired bootstrap by events. For failures of
        fewer than ten events it is the exact interval of two counts.
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
        Facts of the evaluated sample.
    subject : str
        Estimator that is compared with all others.
    quantities, binnings : tuple
        Evaluated quantities and bins; the first quantity is the primary one.
    rows, counts, comparisons : tuple
        Overall entries first, then bin by bin, in the input order of the estimators.
    ns_per_event : mapping of str to float
        Time of a prediction, by estimator.
    extra : mapping of str to float
        The task's own numbers, by metric name.
    kind : str
        Always ``"resolution"``; another kind of evidence is another class, identified by this name.
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
        """Names of the evaluated estimators."""
        return tuple(dict.fromkeys(count.estimator for count in self.counts))

    def row(self, estimator: str, quantity: str) -> Resolution:
        """Look up the overall resolution of an estimator in a quantity."""
        return self.bins(estimator, quantity, "")[0].result

    def count(self, estimator: str) -> Count:
        """Look up the overall efficiency and failures of an estimator."""
        return self.bin_counts(estimator, "")[0]

    def bins(self, estimator: str, quantity: str, binning: str) -> tuple[Row, ...]:
        """Look up the resolution bin by bin, in the order of the bins."""
        key = (estimator, quantity, binning)
        return tuple(row for row in self.rows if (row.estimator, row.quantity, row.binning) == key)

    def bin_counts(self, estimator: str, binning: str) -> tuple[Count, ...]:
        """Look up efficiency and failures bin by bin, in the order of the bins."""
        return tuple(
            count for count in self.counts if (count.estimator, count.binning) == (estimator, binning)
        )

    def compared(
        self, reference: str, quantity: str, statistic: str, binning: str = ""
    ) -> tuple[Comparison, ...]:
        """Look up ratios of the subject to a reference: one overall, or one for each bin."""
        key = (reference, quantity, statistic, binning)
        return tuple(c for c in self.comparisons if (c.reference, c.quantity, c.statistic, c.binning) == key)

    def best_other(self, quantity: str) -> str | None:
        """Find the estimator with the smallest core width except subject and `LIMIT`; None without one."""
        rivals = [name for name in self.estimators if name not in (self.subject, LIMIT)]
        widths = {name: self.row(name, quantity).sigma for name in rivals}
        return min((name for name in widths if widths[name] > 0), key=widths.__getitem__, default=None)

    def metrics(self) -> dict[str, float]:
        """Collect all overall numbers by metric name, ``<estimator>/<quantity>/<statistic>``."""
        values: dict[str, float] = {}
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
                    values[f"{prefix}/{name}"] = getattr(r, name)
                values[f"{prefix}/chi2_ndf"] = r.chi2 / r.ndf if r.ndf > 0 else float("nan")
                values[f"{prefix}/n"] = float(r.n)
        for count in self.counts:
            if not count.binning:
                for name, share in (("efficiency", count.efficiency), ("failures", count.failures)):
                    values[f"{count.estimator}/{name}"] = share.value
                    values[f"{count.estimator}/{name}_low"] = share.low
                    values[f"{count.estimator}/{name}_high"] = share.high
        for c in self.comparisons:
            if not c.binning:
                name = "/".join(
                    part for part in (c.subject, c.quantity, f"{c.statistic}_over_{c.reference}") if part
                )
                values |= {name: c.ratio, f"{name}_low": c.ratio_low, f"{name}_high": c.ratio_high}
        values |= {f"{name}/ns_per_event": time for name, time in self.ns_per_event.items()}
        return values | dict(self.extra)

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Collect centre, widths, failures and efficiency of every estimator with their standard errors."""
        values_by_name = {}
        for estimator in self.estimators:
            for quantity in self.quantities:
                result = self.row(estimator, quantity.name)
                for name in ("mu", "sigma", "q68"):
                    value = (getattr(result, name), getattr(result, f"{name}_err"))
                    values_by_name[f"{estimator}/{quantity.name}/{name}"] = value
            count = self.count(estimator)
            for name in ("failures", "efficiency"):
                share: Fraction = getattr(count, name)
                values_by_name[f"{estimator}/{name}"] = (share.value, (share.high - share.low) / 2)
        return values_by_name


#: Kinds of evidence and import paths of their classes, which are loaded lazily because they import this
#: module.
KINDS = {
    "resolution": "tracking.evidence.resolution:Evidence",
    "classification": "tracking.evidence.classification:Classification",
}


def from_json(text: str) -> AnyEvidence:
    """Restore evidence of any kind from the output of `to_json`.

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
