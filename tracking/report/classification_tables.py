"""What is told of a classification: averages, areas by hypothesis, comparisons, dependence, sculpting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracking.evidence.classification import MEAN, Classification
from tracking.report.document import Block, Content
from tracking.report.numbers import MISSING, interval, percent, plain, with_error
from tracking.report.table import Cell, Table, between, measured, number, share, table

__all__ = ["content"]


def content(evidence: Classification) -> Content:
    """All that is told of it."""
    several = len(evidence.hypotheses) > 1
    headline = [Block((_overall(evidence),))]
    if several:
        headline.append(Block((_areas(evidence),), "Area under the curve"))
    if evidence.contrasts:
        note = (
            "Above 0 and 1, but for 1 − AUC, favours the first. Intervals: "
            f"{100 * evidence.contrasts[0].level:.0f} %, paired bootstrap by events."
        )
        headline.append(Block((_averages(evidence),), f"{evidence.subject} relative to the others", note))
    details = [Block((_significances(evidence),), "Significance (AMS)")] if several else []
    details.append(Block(tuple(_rejections(evidence)), "Background rejection"))
    if evidence.contrasts and several:
        tables = tuple(_contrasts(evidence, name) for name in evidence.estimators if name != evidence.subject)
        details.append(Block(tables, f"{evidence.subject} relative to the others, by hypothesis"))
    if evidence.responses:
        details.append(Block((_responses(evidence),), "Background response against the hypothesis asked"))
        details.append(Block((_peaks(evidence),), "Where the response to a signal is largest"))
    for binning in evidence.criteria.sculpted:
        details.append(
            Block((_sculpted(evidence, binning.name),), f"Background in {binning.name} after a cut")
        )
    own = _own(evidence)
    if own:
        tables = tuple(_of_own(evidence, what) for what in own)
        details.append(Block(tables, "Numbers of the task's own, by hypothesis"))
    objects = f" under {len(evidence.hypotheses)} hypotheses" if several else ""
    return Content(
        _sentence(evidence),
        tuple(headline),
        tuple(details),
        objects,
        "AUC: area under the ROC curve, errors after DeLong; AMS: significance with physical weights at a "
        f"cut chosen on other events, b_r = {evidence.background_error:g}; rejection: background events for "
        "one that passes; averages over hypotheses: arithmetic for AUC, geometric for AMS, harmonic for "
        "rejection; efficiency: share of answers, the others rank last.",
        frozenset(name for names in own.values() for name in names),
    )


def _sentence(evidence: Classification) -> str:
    """The subject's area, how it compares with the best other, significance and efficiency."""
    found = evidence.power(evidence.subject)
    text = f"AUC = {with_error(found.auc, found.auc_err)}"
    if rival := evidence.best_other():
        one = evidence.contrast(rival, "auc")
        text += f", {interval(one.value, one.low, one.high)} above {rival}"
    share = evidence.count(evidence.subject).efficiency
    return (
        f"{evidence.subject}: {text}; AMS = {with_error(found.ams, found.ams_err)}; "
        f"efficiency {percent(share.value, share.low, share.high)}"
    )


def _overall(evidence: Classification) -> Table:
    """All estimators with what is one number each."""
    flat = {one.estimator: one for one in evidence.flatness}
    calibrated = {one.estimator: one for one in evidence.calibrations}
    rows: list[Sequence[Cell | str]] = []
    for name in evidence.estimators:
        power, answered = evidence.power(name), evidence.count(name).efficiency
        cells: list[Cell | str] = [
            name,
            measured(power.auc, power.auc_err),
            measured(power.ams, power.ams_err),
        ]
        cells += [measured(*both) for both in zip(power.rejection, power.rejection_err, strict=True)]
        one = calibrated.get(name)
        cells += (
            [measured(one.ece, one.ece_err), measured(one.brier, one.brier_err)] if one else [MISSING] * 2
        )
        if evidence.flatness:
            cells.append(between(flat[name].ratio, flat[name].ratio_low, flat[name].ratio_high))
        time = evidence.ns_per_event.get(name, math.nan) / 1000
        cells += [
            share(answered.value, answered.low, answered.high),
            Cell(f"{plain(time, 3)} µs" if time == time else MISSING, (1000 * time,)),
        ]
        rows.append(cells)
    head = ["estimator", "AUC", "AMS"]
    head += [f"rejection at {100 * at:g} %" for at in evidence.criteria.efficiencies]
    head += [
        "ECE",
        "Brier",
        *(["background max/min"] if evidence.flatness else []),
        "efficiency",
        "time per event",
    ]
    return table("Averages", head, rows)


def _rows(evidence: Classification) -> list[tuple[str, str]]:
    """Hypotheses and how tables call them; one that was held out is marked."""
    return [(one.name, f"{one.name} (held out)" if one.held_out else one.name) for one in evidence.hypotheses]


def _areas(evidence: Classification) -> Table:
    published = evidence.criteria.published
    rows: list[Sequence[Cell | str]] = []
    for name, shown in [*_rows(evidence), (MEAN, MEAN)]:
        powers = [evidence.power(estimator, name) for estimator in evidence.estimators]
        known = [one.auc.get(name, math.nan) for one in published]
        rows.append((shown, *(measured(p.auc, p.auc_err) for p in powers), *(number(v, 4) for v in known)))
    head = ("hypothesis", *evidence.estimators, *(one.label for one in published))
    return table("Area under the curve", head, rows)


def _significances(evidence: Classification) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name, shown in [*_rows(evidence), (MEAN, MEAN)]:
        powers = [evidence.power(estimator, name) for estimator in evidence.estimators]
        rows.append((shown, *(measured(p.ams, p.ams_err) for p in powers)))
    return table("Significance (AMS)", ("hypothesis", *evidence.estimators), rows)


def _rejections(evidence: Classification) -> list[Table]:
    found: list[Table] = []
    for place, at in enumerate(evidence.criteria.efficiencies):
        rows: list[Sequence[Cell | str]] = []
        for name, shown in [*_rows(evidence), *([(MEAN, MEAN)] if len(evidence.hypotheses) > 1 else [])]:
            powers = [evidence.power(estimator, name) for estimator in evidence.estimators]
            rows.append((shown, *(measured(p.rejection[place], p.rejection_err[place]) for p in powers)))
        head = (f"at {100 * at:g} % signal", *evidence.estimators)
        found.append(table(f"Background rejection at {100 * at:g} % signal", head, rows))
    return found


def _averages(evidence: Classification) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name in evidence.estimators:
        if name != evidence.subject:
            found = [evidence.contrast(name, statistic) for statistic in ("auc", "loss", "ams")]
            rows.append((f"{evidence.subject}, {name}", *(between(c.value, c.low, c.high) for c in found)))
    head = ("compared", "difference of AUC", "ratio of 1 − AUC", "ratio of AMS")
    return table(f"{evidence.subject} relative to the others", head, rows)


def _contrasts(evidence: Classification, reference: str) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name, shown in _rows(evidence):
        found = [evidence.contrast(reference, statistic, name) for statistic in ("auc", "loss", "ams")]
        rows.append((shown, *(between(c.value, c.low, c.high) for c in found)))
    head = (f"against {reference}", "difference of AUC", "ratio of 1 − AUC", "ratio of AMS")
    return table(f"{evidence.subject} against {reference}", head, rows)


def _responses(evidence: Classification) -> Table:
    rows: list[Sequence[Cell | str]] = []
    found = [evidence.response(name, "background") for name in evidence.estimators]
    for place, (_, shown) in enumerate(_rows(evidence)):
        rows.append((shown, *(measured(r.mean[place], r.error[place]) for r in found if r)))
    head = ("hypothesis", *evidence.estimators)
    return table("Background response against the hypothesis asked", head, rows)


def _peaks(evidence: Classification) -> Table:
    names = [one.name for one in evidence.hypotheses]
    rows: list[Sequence[Cell | str]] = []
    for place, (name, shown) in enumerate(_rows(evidence)):
        found = [evidence.response(estimator, name) for estimator in evidence.estimators]
        cells = [names[place + int(r.peak)] if r and r.peak == r.peak else MISSING for r in found]
        rows.append((shown, *cells))
    return table("Where the response to a signal is largest", ("signal of", *evidence.estimators), rows)


def _sculpted(evidence: Classification, variable: str) -> Table:
    known = {(s.estimator, s.hypothesis): s for s in evidence.sculpted if s.variable == variable}
    rows: list[Sequence[Cell | str]] = []
    for name, shown in _rows(evidence):
        cells = []
        for estimator in evidence.estimators:
            one = known[estimator, name]
            cells.append(f"{plain(one.js, 3)} ({plain(one.js_floor, 2)}), KS {plain(one.ks, 3)}")
        rows.append((shown, *cells))
    return table(
        f"Background in {variable} after a cut", ("JS in bits (by chance)", *evidence.estimators), rows
    )


def _own(evidence: Classification) -> dict[str, list[str]]:
    """Names of the task's own numbers of one hypothesis, ``<estimator>/<what>/m260``, by what they say."""
    known = {one.name for one in evidence.hypotheses}
    found: dict[str, list[str]] = {}
    for name in evidence.extra:
        parts = name.split("/")
        if len(parts) == 3 and parts[2].removesuffix("_err") in known:
            found.setdefault(parts[1], []).append(name)
    return found


def _of_own(evidence: Classification, what: str) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name, shown in _rows(evidence):
        keys = [f"{estimator}/{what}/{name}" for estimator in evidence.estimators]
        both = [
            (evidence.extra.get(key, math.nan), evidence.extra.get(f"{key}_err", math.nan)) for key in keys
        ]
        rows.append((shown, *(measured(*one) if one[1] == one[1] else number(one[0], 5) for one in both)))
    return table(what, (what, *evidence.estimators), rows)
