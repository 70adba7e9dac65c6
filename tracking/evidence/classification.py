"""Evidence of a classification: areas, significances, calibration and dependence.

The counterpart of `tracking.evidence.resolution.Evidence`. It holds numbers and no events. `from_json`
restores the output of `to_json` exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tracking.evidence.resolution import LIMIT, Exact, Facts
from tracking.statistics.counting import Fraction
from tracking.statistics.scores import Criteria

__all__ = [
    "MEAN",
    "Calibration",
    "Classification",
    "Contrast",
    "Count",
    "Flatness",
    "Hypothesis",
    "Power",
    "Response",
    "Sculpted",
]


@dataclass(frozen=True)
class Hypothesis:
    """Hypothesis of the sample: name, value on its axis, exclusion from training, number of events."""

    name: str
    value: float
    held_out: bool
    events: int


@dataclass(frozen=True)
class Power:
    """Power of an estimator under one hypothesis, or averaged over all where `hypothesis` is ``mean``.

    Parameters
    ----------
    auc, auc_err : float
        Area under the curve.
    ams, ams_err : float
        Significance at a cut chosen on other events; the mean is geometric.
    rejection, rejection_err : tuple of float
        Background events per passing one, at each of `Criteria.efficiencies`; the mean is harmonic.
    """

    estimator: str
    hypothesis: str
    auc: float
    auc_err: float
    ams: float
    ams_err: float
    rejection: tuple[float, ...]
    rejection_err: tuple[float, ...]


@dataclass(frozen=True)
class Count:
    """Share of evaluated entries with a prediction."""

    estimator: str
    efficiency: Fraction


@dataclass(frozen=True)
class Calibration:
    """Reliability of an estimator whose responses are probabilities, see
    `tracking.statistics.reliability`.
    """

    estimator: str
    predicted: tuple[float, ...]
    observed: tuple[float, ...]
    error: tuple[float, ...]
    share: tuple[float, ...]
    ece: float
    ece_err: float
    ece_floor: float
    brier: float
    brier_err: float


@dataclass(frozen=True)
class Response:
    """Mean response against the evaluated hypothesis, see `tracking.statistics.dependence`.

    Parameters
    ----------
    group : str
        ``background``, or the true hypothesis of a signal.
    mean, error : tuple of float
        Value for each hypothesis, in their order.
    peak : float
        Grid steps between the peak of a signal and its true hypothesis; NaN for background, and if not all
        hypotheses were evaluated.
    """

    estimator: str
    group: str
    mean: tuple[float, ...]
    error: tuple[float, ...]
    peak: float


@dataclass(frozen=True)
class Flatness:
    """Ratio and difference of the largest and smallest mean background response, with 95 % intervals."""

    estimator: str
    ratio: float
    ratio_low: float
    ratio_high: float
    spread: float
    spread_low: float
    spread_high: float


@dataclass(frozen=True)
class Sculpted:
    """Background spectrum of a variable before and after a cut, see `tracking.statistics.sculpting`."""

    estimator: str
    hypothesis: str
    variable: str
    efficiency: float
    passing: float
    js: float
    js_floor: float
    ks: float


@dataclass(frozen=True)
class Contrast:
    """Comparison of the subject with a reference under one hypothesis, or averaged over all (``mean``).

    Parameters
    ----------
    statistic : {"auc", "loss", "ams"}
        Difference of areas; ratio of 1 - area; ratio of significances.
    value, low, high, level : float
        Value with the interval at this level, from a paired bootstrap by events.
    """

    subject: str
    reference: str
    hypothesis: str
    statistic: str
    value: float
    low: float
    high: float
    level: float


#: Name of the average over all hypotheses.
MEAN = "mean"
_NAMES = {"auc": "auc_minus", "loss": "loss_over", "ams": "ams_over"}


@dataclass(frozen=True)
class Classification(Exact):
    """Ranking, significance, calibration and dependence on the hypothesis, on identical events.

    Parameters
    ----------
    facts : Facts
        Facts of the sample; its objects are the hypotheses.
    subject : str
        Estimator that is compared with all others.
    criteria : Criteria
        Criteria of the evaluation.
    background_error : float
        ``b_r`` of the significances, in events.
    hypotheses : tuple of Hypothesis
        Hypotheses by increasing value.
    powers, counts, calibrations, responses, flatness, sculpted, contrasts : tuple
        Results, in the input order of the estimators.
    ns_per_event : mapping of str to float
        Time of a prediction, by estimator.
    extra : mapping of str to float
        The task's own numbers, by metric name.
    kind : str
        Always ``"classification"``.
    """

    facts: Facts
    subject: str
    criteria: Criteria
    background_error: float
    hypotheses: tuple[Hypothesis, ...]
    powers: tuple[Power, ...]
    counts: tuple[Count, ...]
    calibrations: tuple[Calibration, ...]
    responses: tuple[Response, ...]
    flatness: tuple[Flatness, ...]
    sculpted: tuple[Sculpted, ...]
    contrasts: tuple[Contrast, ...]
    ns_per_event: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, float] = field(default_factory=dict)
    kind: str = "classification"

    @property
    def estimators(self) -> tuple[str, ...]:
        """Names of the evaluated estimators."""
        return tuple(count.estimator for count in self.counts)

    def power(self, estimator: str, hypothesis: str = MEAN) -> Power:
        """Look up the power of an estimator under a hypothesis; the average by default."""
        key = (estimator, hypothesis)
        return next(p for p in self.powers if (p.estimator, p.hypothesis) == key)

    def count(self, estimator: str) -> Count:
        """Look up the efficiency of an estimator."""
        return next(c for c in self.counts if c.estimator == estimator)

    def response(self, estimator: str, group: str) -> Response | None:
        """Look up the dependence of a response on the hypothesis; None with a single hypothesis."""
        key = (estimator, group)
        return next((r for r in self.responses if (r.estimator, r.group) == key), None)

    def contrast(self, reference: str, statistic: str, hypothesis: str = MEAN) -> Contrast:
        """Look up the comparison of the subject with a reference."""
        key = (reference, hypothesis, statistic)
        return next(c for c in self.contrasts if (c.reference, c.hypothesis, c.statistic) == key)

    def best_other(self) -> str | None:
        """Find the estimator with the largest area except subject and `LIMIT`; None without one."""
        rivals = [name for name in self.estimators if name not in (self.subject, LIMIT)]
        return max(rivals, key=lambda name: self.power(name).auc, default=None)

    def metrics(self) -> dict[str, float]:
        """Collect all numbers by metric name, ``<estimator>/<statistic>/<hypothesis>``."""
        values: dict[str, float] = {}
        for power in self.powers:
            end = _end(power.hypothesis)
            for name in ("auc", "ams"):
                key = f"{power.estimator}/{name}{end}"
                values |= {key: getattr(power, name), f"{key}_err": getattr(power, f"{name}_err")}
            for at, value, error in zip(
                self.criteria.efficiencies, power.rejection, power.rejection_err, strict=True
            ):
                key = f"{power.estimator}/rejection_{100 * at:g}{end}"
                values |= {key: value, f"{key}_err": error}
        for count in self.counts:
            for name in ("value", "low", "high"):
                ending = "" if name == "value" else f"_{name}"
                values[f"{count.estimator}/efficiency{ending}"] = getattr(count.efficiency, name)
        for reliability in self.calibrations:
            for name in ("ece", "brier"):
                key = f"{reliability.estimator}/{name}"
                values |= {key: getattr(reliability, name), f"{key}_err": getattr(reliability, f"{name}_err")}
        for flat in self.flatness:
            for name, part in (("flatness", "ratio"), ("spread", "spread")):
                for ending in ("", "_low", "_high"):
                    values[f"{flat.estimator}/{name}{ending}"] = getattr(flat, f"{part}{ending}")
        for response in self.responses:
            if response.peak == response.peak:
                values[f"{response.estimator}/peak/{response.group}"] = response.peak
        for cut in self.sculpted:
            values[f"{cut.estimator}/js_{cut.variable}{_end(cut.hypothesis)}"] = cut.js
        for c in self.contrasts:
            key = f"{c.subject}/{_NAMES[c.statistic]}_{c.reference}{_end(c.hypothesis)}"
            values |= {key: c.value, f"{key}_low": c.low, f"{key}_high": c.high}
        values |= {f"{name}/ns_per_event": time for name, time in self.ns_per_event.items()}
        return values | dict(self.extra)

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Collect areas, significances and efficiencies of every estimator with their standard errors."""
        values_by_name = {}
        for power in self.powers:
            for name in ("auc", "ams"):
                value = (getattr(power, name), getattr(power, f"{name}_err"))
                values_by_name[f"{power.estimator}/{name}{_end(power.hypothesis)}"] = value
        for count in self.counts:
            share = count.efficiency
            values_by_name[f"{count.estimator}/efficiency"] = (share.value, (share.high - share.low) / 2)
        return values_by_name


def _end(hypothesis: str) -> str:
    """Build the suffix of a metric name: empty for the average and for a plain classifier."""
    return "" if hypothesis in (MEAN, "") else f"/{hypothesis}"
