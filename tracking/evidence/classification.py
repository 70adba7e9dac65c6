"""Evidence of a classification: areas, significances, calibration and dependence, and nothing else.

The counterpart of `tracking.evidence.resolution.Evidence`; it holds numbers, no events, and `from_json` of
`to_json` gives back the same to the last bit.
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
    """One hypothesis of the sample: name, value on its axis, whether trainings saw it, number of events."""

    name: str
    value: float
    held_out: bool
    events: int


@dataclass(frozen=True)
class Power:
    """What one estimator reaches under one hypothesis, or averaged over them where `hypothesis` is ``mean``.

    Parameters
    ----------
    auc, auc_err : float
        Area under the curve.
    ams, ams_err : float
        Significance at a cut chosen on other events; the mean is the geometric one.
    rejection, rejection_err : tuple of float
        Background events for one that passes, at each of `Criteria.efficiencies`; the mean is harmonic.
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
    """Share of all that was asked to which there is an answer."""

    estimator: str
    efficiency: Fraction


@dataclass(frozen=True)
class Calibration:
    """Reliability of one estimator whose responses are probabilities, see
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
    """Mean response against the hypothesis asked, see `tracking.statistics.dependence`.

    Parameters
    ----------
    group : str
        ``background``, or the hypothesis whose signal it is.
    mean, error : tuple of float
        One for each hypothesis, in their order.
    peak : float
        Steps of the grid from its own hypothesis at which a signal peaks; NaN for background, and where not
        all were asked.
    """

    estimator: str
    group: str
    mean: tuple[float, ...]
    error: tuple[float, ...]
    peak: float


@dataclass(frozen=True)
class Flatness:
    """Largest over smallest, and largest less smallest, mean background response, with 95 % intervals."""

    estimator: str
    ratio: float
    ratio_low: float
    ratio_high: float
    spread: float
    spread_low: float
    spread_high: float


@dataclass(frozen=True)
class Sculpted:
    """Background in a variable before and after a cut, see `tracking.statistics.sculpting`."""

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
    """Subject against a reference under one hypothesis, or averaged over them (``mean``).

    Parameters
    ----------
    statistic : {"auc", "loss", "ams"}
        Difference of areas; ratio of what is missing to an area of 1; ratio of significances.
    value, low, high, level : float
        With the interval at this level, from a paired bootstrap by events.
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
        What was judged; its objects are the hypotheses.
    subject : str
        The estimator that is compared with all others.
    criteria : Criteria
        What was looked at.
    background_error : float
        ``b_r`` of the significances, in events.
    hypotheses : tuple of Hypothesis
        By increasing value.
    powers, counts, calibrations, responses, flatness, sculpted, contrasts : tuple
        Estimators keep the order they were given in.
    ns_per_event : mapping of str to float
        Time of a prediction by estimator.
    extra : mapping of str to float
        Numbers of the task's own, under the name they have as metrics.
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
        """Names of the judged estimators."""
        return tuple(count.estimator for count in self.counts)

    def power(self, estimator: str, hypothesis: str = MEAN) -> Power:
        """What an estimator reaches under a hypothesis; on average by default."""
        key = (estimator, hypothesis)
        return next(one for one in self.powers if (one.estimator, one.hypothesis) == key)

    def count(self, estimator: str) -> Count:
        """Efficiency of an estimator."""
        return next(one for one in self.counts if one.estimator == estimator)

    def response(self, estimator: str, group: str) -> Response | None:
        """Its dependence on the hypothesis; None where there is but one."""
        key = (estimator, group)
        return next((one for one in self.responses if (one.estimator, one.group) == key), None)

    def contrast(self, reference: str, statistic: str, hypothesis: str = MEAN) -> Contrast:
        """The subject against a reference."""
        key = (reference, hypothesis, statistic)
        return next(c for c in self.contrasts if (c.reference, c.hypothesis, c.statistic) == key)

    def best_other(self) -> str | None:
        """The estimator with the largest area, neither the subject nor `LIMIT`; None without one."""
        rivals = [name for name in self.estimators if name not in (self.subject, LIMIT)]
        return max(rivals, key=lambda name: self.power(name).auc, default=None)

    def metrics(self) -> dict[str, float]:
        """All numbers under their metric names, ``<estimator>/<statistic>/<hypothesis>``."""
        found: dict[str, float] = {}
        for power in self.powers:
            end = _end(power.hypothesis)
            for name in ("auc", "ams"):
                key = f"{power.estimator}/{name}{end}"
                found |= {key: getattr(power, name), f"{key}_err": getattr(power, f"{name}_err")}
            for at, value, error in zip(
                self.criteria.efficiencies, power.rejection, power.rejection_err, strict=True
            ):
                key = f"{power.estimator}/rejection_{100 * at:g}{end}"
                found |= {key: value, f"{key}_err": error}
        for count in self.counts:
            for name in ("value", "low", "high"):
                ending = "" if name == "value" else f"_{name}"
                found[f"{count.estimator}/efficiency{ending}"] = getattr(count.efficiency, name)
        for one in self.calibrations:
            for name in ("ece", "brier"):
                key = f"{one.estimator}/{name}"
                found |= {key: getattr(one, name), f"{key}_err": getattr(one, f"{name}_err")}
        for flat in self.flatness:
            for name, part in (("flatness", "ratio"), ("spread", "spread")):
                for ending in ("", "_low", "_high"):
                    found[f"{flat.estimator}/{name}{ending}"] = getattr(flat, f"{part}{ending}")
        for response in self.responses:
            if response.peak == response.peak:
                found[f"{response.estimator}/peak/{response.group}"] = response.peak
        for cut in self.sculpted:
            found[f"{cut.estimator}/js_{cut.variable}{_end(cut.hypothesis)}"] = cut.js
        for c in self.contrasts:
            key = f"{c.subject}/{_NAMES[c.statistic]}_{c.reference}{_end(c.hypothesis)}"
            found |= {key: c.value, f"{key}_low": c.low, f"{key}_high": c.high}
        found |= {f"{name}/ns_per_event": time for name, time in self.ns_per_event.items()}
        return found | dict(self.extra)

    def numbers(self) -> dict[str, tuple[float, float]]:
        """Areas, significances and efficiencies of every estimator, each with its standard error."""
        found = {}
        for one in self.powers:
            for name in ("auc", "ams"):
                value = (getattr(one, name), getattr(one, f"{name}_err"))
                found[f"{one.estimator}/{name}{_end(one.hypothesis)}"] = value
        for count in self.counts:
            share = count.efficiency
            found[f"{count.estimator}/efficiency"] = (share.value, (share.high - share.low) / 2)
        return found


def _end(hypothesis: str) -> str:
    """End of a metric's name: nothing for the average and for the one hypothesis of a plain classifier."""
    return "" if hypothesis in (MEAN, "") else f"/{hypothesis}"
