"""Construction of `Classification` from the scores of every estimator on identical events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from tracking.evidence.classification import (
    MEAN,
    Calibration,
    Classification,
    Contrast,
    Count,
    Flatness,
    Hypothesis,
    Power,
    Response,
    Sculpted,
)
from tracking.evidence.resolution import Facts
from tracking.statistics.bootstrap import Statistic, interval, replicate
from tracking.statistics.counting import fraction
from tracking.statistics.dependence import DependenceOf, flatness, mean_response, peaks, spread
from tracking.statistics.reliability import reliability
from tracking.statistics.roc import AucOf, influence
from tracking.statistics.scores import Criteria, Scores
from tracking.statistics.sculpting import sculpting
from tracking.statistics.significance import CutsOf

__all__ = ["build"]

LEVEL = 0.95

#: Bootstrap output for an estimator: value first, then replicas, along the last axis.
Sampled = Mapping[str, NDArray[np.floating]]


def build(
    scores: Mapping[str, Scores],
    criteria: Criteria,
    *,
    facts: Facts,
    seed: int,
    subject: str = "network",
    ns_per_event: Mapping[str, float] | None = None,
    extra: Mapping[str, float] | None = None,
    replicas: int = 400,
) -> Classification:
    """Evaluate classifiers on identical events.

    Parameters
    ----------
    scores : mapping of str to Scores
        Scores by estimator, all of the same events and hypotheses.
    criteria : Criteria
        Criteria of the evaluation.
    facts : Facts
        Facts of the sample.
    seed : int
        Random seed of the bootstrap.
    subject : str
        Estimator that is compared with every other.
    ns_per_event, extra : mapping of str to float, optional
        See `Classification`.
    replicas : int
        Bootstrap replicas.

    Raises
    ------
    ValueError
        If the subject is missing, the events differ or a sculpted variable is missing.
    """
    _check(scores, criteria, subject)
    first = next(iter(scores.values()))
    names = first.hypotheses
    statistics: dict[tuple[str, str], Statistic] = {}
    for name, responses in scores.items():
        statistics[name, "auc"] = AucOf(responses)
        statistics[name, "cuts"] = CutsOf(responses, criteria.efficiencies)
        statistics[name, "response"] = DependenceOf(responses)
    events = first.shape[0]
    once = np.ones((1, events), dtype=np.uint8)
    replicated = replicate(statistics, events, replicas, np.random.default_rng(seed))
    sampled: dict[str, Sampled] = {
        name: {
            key: np.concatenate([statistics[name, key](once), replicated[name, key]], axis=-1)
            for key in ("auc", "cuts", "response")
        }
        for name in scores
    }
    return Classification(
        facts=facts,
        subject=subject,
        criteria=criteria,
        background_error=first.background_error,
        hypotheses=tuple(
            Hypothesis(name, float(value), bool(excluded), int((evaluated & first.signal).sum()))
            for name, value, excluded, evaluated in zip(
                names, first.values, first.held_out, first.asked.T, strict=True
            )
        ),
        powers=tuple(
            power for name, responses in scores.items() for power in _powers(name, responses, sampled[name])
        ),
        counts=tuple(
            Count(name, fraction(responses.answered, responses.asked)) for name, responses in scores.items()
        ),
        calibrations=tuple(_calibrations(scores)),
        responses=tuple(row for name, responses in scores.items() for row in _responses(name, responses)),
        flatness=tuple(_flatness(name, sampled[name]) for name in scores if len(names) > 1),
        sculpted=tuple(
            row for name, responses in scores.items() for row in _sculpted(name, responses, criteria)
        ),
        contrasts=tuple(
            row
            for name in scores
            if name != subject
            for row in _contrasts(subject, name, names, sampled[subject], sampled[name])
        ),
        ns_per_event=dict(ns_per_event or {}),
        extra=dict(extra or {}),
    )


def _check(scores: Mapping[str, Scores], criteria: Criteria, subject: str) -> None:
    if subject not in scores:
        raise ValueError(f"no scores of the subject {subject!r}; there are: {', '.join(scores) or 'none'}")
    first = next(iter(scores.values()))
    for name, responses in scores.items():
        if responses.hypotheses != first.hypotheses or not np.array_equal(responses.asked, first.asked):
            raise ValueError(f"estimators must be judged on the same events and hypotheses; {name} is not")
        for missing in (b.name for b in criteria.sculpted if b.name not in responses.variables):
            raise ValueError(
                f"scores of {name} have no variable {missing!r}; there are: {', '.join(responses.variables)}"
            )


def _plain(values: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(map(float, values))


def _std(replicas: NDArray[np.floating]) -> NDArray[np.floating]:
    """Compute the standard deviation along the last axis; NaN unless nine replicas of ten are finite."""
    finite = np.isfinite(replicas)
    usable = finite.mean(axis=-1) >= 0.9
    with np.errstate(invalid="ignore"):
        mean = np.sum(np.where(finite, replicas, 0.0), axis=-1) / np.maximum(finite.sum(axis=-1), 1)
        square = np.sum(np.where(finite, (replicas - mean[..., None]) ** 2, 0.0), axis=-1)
    return np.where(usable, np.sqrt(square / np.maximum(finite.sum(axis=-1) - 1, 1)), np.nan)


def _powers(name: str, scores: Scores, sampled: Sampled) -> Iterator[Power]:
    areas, parts = influence(scores)
    errors = np.sqrt(np.sum(parts**2, axis=0))
    with np.errstate(divide="ignore", invalid="ignore"):
        significance, rejection = sampled["cuts"][0], 1 / sampled["cuts"][1:]
        average = np.exp(np.mean(np.log(significance), axis=0))
        # Averaged over passing shares: under a single hypothesis nothing may pass.
        harmonic = 1 / np.mean(sampled["cuts"][1:], axis=1)
    rows = [(MEAN, areas.mean(), np.sqrt(np.sum(parts.mean(axis=1) ** 2)), average, harmonic)]
    rows += [
        (label, areas[i], errors[i], significance[i], rejection[:, i])
        for i, label in enumerate(scores.hypotheses)
    ]
    for hypothesis, area, error, ams, background_rejection in rows:
        yield Power(
            name,
            hypothesis,
            float(area),
            float(error),
            float(ams[0]),
            float(_std(ams[1:])),
            tuple(map(float, background_rejection[:, 0])),
            tuple(map(float, _std(background_rejection[:, 1:]))),
        )


def _calibrations(scores: Mapping[str, Scores]) -> Iterator[Calibration]:
    for name, responses in scores.items():
        calibration = reliability(responses)
        if calibration is not None:
            yield Calibration(
                name,
                _plain(calibration.predicted),
                _plain(calibration.observed),
                _plain(calibration.error),
                _plain(calibration.share),
                calibration.ece,
                calibration.ece_err,
                calibration.ece_floor,
                calibration.brier,
                calibration.brier_err,
            )


def _responses(name: str, scores: Scores) -> Iterator[Response]:
    if len(scores.hypotheses) == 1:
        return
    values, errors = mean_response(scores)
    places = [np.nan, *peaks(values[1:])]
    groups = ("background", *scores.hypotheses)
    for group, mean, error, peak in zip(groups, values, errors, places, strict=True):
        yield Response(name, group, tuple(map(float, mean)), tuple(map(float, error)), float(peak))


def _flatness(name: str, sampled: Sampled) -> Flatness:
    background = sampled["response"][0]
    limits = []
    for statistic in (flatness, spread):
        values = statistic(background)
        estimate = interval(float(values[0]), values[1:], LEVEL)
        limits += [estimate.value, estimate.low, estimate.high]
    return Flatness(name, *limits)


def _sculpted(name: str, scores: Scores, criteria: Criteria) -> Iterator[Sculpted]:
    at = criteria.efficiencies[0]
    for binning in criteria.sculpted:
        for place, hypothesis in enumerate(scores.hypotheses):
            result = sculpting(scores, place, binning, at)
            yield Sculpted(
                name, hypothesis, binning.name, at, result.passing, result.js, result.js_floor, result.ks
            )


def _contrasts(
    subject: str, reference: str, names: tuple[str, ...], ours: Sampled, theirs: Sampled
) -> Iterator[Contrast]:
    with np.errstate(divide="ignore", invalid="ignore"):
        area = ours["auc"] - theirs["auc"]
        inefficiency = np.log((1 - ours["auc"]) / (1 - theirs["auc"]))
        significance = np.log(ours["cuts"][0] / theirs["cuts"][0])
        # Averages: the mean area, the mean of 1 - area, and the geometric mean of the significances.
        averages = (
            area.mean(axis=0),
            np.exp(np.log((1 - ours["auc"]).mean(axis=0) / (1 - theirs["auc"]).mean(axis=0))),
            np.exp(significance.mean(axis=0)),
        )
    rows = [(MEAN, *averages)]
    rows += [
        (name, area[i], np.exp(inefficiency[i]), np.exp(significance[i])) for i, name in enumerate(names)
    ]
    for hypothesis, *values in rows:
        for statistic, value in zip(("auc", "loss", "ams"), values, strict=True):
            estimate = interval(float(value[0]), value[1:], LEVEL)
            yield Contrast(
                subject, reference, hypothesis, statistic, estimate.value, estimate.low, estimate.high, LEVEL
            )
