"""Report content of a classification: averages, areas, comparisons, dependence and sculpting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tracking.evidence.classification import MEAN, Classification
from tracking.report.document import Block, Content
from tracking.report.numbers import MISSING, interval, percent, plain, with_error
from tracking.report.table import Cell, Table, between, measured, number, share, table

__all__ = ["content"]


def content(evidence: Classification) -> Content:
    """Build the complete report content."""
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
    extras = _own(evidence)
    if extras:
        tables = tuple(_of_own(evidence, quantity) for quantity in extras)
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
        frozenset(name for names in extras.values() for name in names),
    )


def _sentence(evidence: Classification) -> str:
    """Summarise area, significance and efficiency of the subject, compared with the best other estimator."""
    power = evidence.power(evidence.subject)
    text = f"AUC = {with_error(power.auc, power.auc_err)}"
    if rival := evidence.best_other():
        contrast = evidence.contrast(rival, "auc")
        text += f", {interval(contrast.value, contrast.low, contrast.high)} above {rival}"
    share = evidence.count(evidence.subject).efficiency
    return (
        f"{evidence.subject}: {text}; AMS = {with_error(power.ams, power.ams_err)}; "
        f"efficiency {percent(share.value, share.low, share.high)}"
    )


def _overall(evidence: Classification) -> Table:
    """Tabulate the numbers that each estimator has once."""
    flat = {row.estimator: row for row in evidence.flatness}
    calibrated = {row.estimator: row for row in evidence.calibrations}
    rows: list[Sequence[Cell | str]] = []
    for name in evidence.estimators:
        power, answered = evidence.power(name), evidence.count(name).efficiency
        cells: list[Cell | str] = [
            name,
            measured(power.auc, power.auc_err),
            measured(power.ams, power.ams_err),
        ]
        cells += [measured(*both) for both in zip(power.rejection, power.rejection_err, strict=True)]
        row = calibrated.get(name)
        cells += (
            [measured(row.ece, row.ece_err), measured(row.brier, row.brier_err)] if row else [MISSING] * 2
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
    """Pair each hypothesis with its label in tables; held-out ones are marked."""
    return [(h.name, f"{h.name} (held out)" if h.held_out else h.name) for h in evidence.hypotheses]


def _areas(evidence: Classification) -> Table:
    published = evidence.criteria.published
    rows: list[Sequence[Cell | str]] = []
    for name, label in [*_rows(evidence), (MEAN, MEAN)]:
        powers = [evidence.power(estimator, name) for estimator in evidence.estimators]
        areas = [reference.auc.get(name, math.nan) for reference in published]
        rows.append((label, *(measured(p.auc, p.auc_err) for p in powers), *(number(v, 4) for v in areas)))
    head = ("hypothesis", *evidence.estimators, *(reference.label for reference in published))
    return table("Area under the curve", head, rows)


def _significances(evidence: Classification) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name, label in [*_rows(evidence), (MEAN, MEAN)]:
        powers = [evidence.power(estimator, name) for estimator in evidence.estimators]
        rows.append((label, *(measured(p.ams, p.ams_err) for p in powers)))
    return table("Significance (AMS)", ("hypothesis", *evidence.estimators), rows)


def _rejections(evidence: Classification) -> list[Table]:
    tables: list[Table] = []
    for place, at in enumerate(evidence.criteria.efficiencies):
        rows: list[Sequence[Cell | str]] = []
        for name, label in [*_rows(evidence), *([(MEAN, MEAN)] if len(evidence.hypotheses) > 1 else [])]:
            powers = [evidence.power(estimator, name) for estimator in evidence.estimators]
            rows.append((label, *(measured(p.rejection[place], p.rejection_err[place]) for p in powers)))
        head = (f"at {100 * at:g} % signal", *evidence.estimators)
        tables.append(table(f"Background rejection at {100 * at:g} % signal", head, rows))
    return tables


def _averages(evidence: Classification) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name in evidence.estimators:
        if name != evidence.subject:
            contrasts = [evidence.contrast(name, statistic) for statistic in ("auc", "loss", "ams")]
            rows.append(
                (f"{evidence.subject}, {name}", *(between(c.value, c.low, c.high) for c in contrasts))
            )
    head = ("compared", "difference of AUC", "ratio of 1 − AUC", "ratio of AMS")
    return table(f"{evidence.subject} relative to the others", head, rows)


def _contrasts(evidence: Classification, reference: str) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name, label in _rows(evidence):
        contrasts = [evidence.contrast(reference, statistic, name) for statistic in ("auc", "loss", "ams")]
        rows.append((label, *(between(c.value, c.low, c.high) for c in contrasts)))
    head = (f"against {reference}", "difference of AUC", "ratio of 1 − AUC", "ratio of AMS")
    return table(f"{evidence.subject} against {reference}", head, rows)


def _responses(evidence: Classification) -> Table:
    rows: list[Sequence[Cell | str]] = []
    responses = [evidence.response(name, "background") for name in evidence.estimators]
    for place, (_, label) in enumerate(_rows(evidence)):
        rows.append((label, *(measured(r.mean[place], r.error[place]) for r in responses if r)))
    head = ("hypothesis", *evidence.estimators)
    return table("Background response against the hypothesis asked", head, rows)


def _peaks(evidence: Classification) -> Table:
    names = [hypothesis.name for hypothesis in evidence.hypotheses]
    rows: list[Sequence[Cell | str]] = []
    for place, (name, label) in enumerate(_rows(evidence)):
        responses = [evidence.response(estimator, name) for estimator in evidence.estimators]
        cells = [names[place + int(r.peak)] if r and r.peak == r.peak else MISSING for r in responses]
        rows.append((label, *cells))
    return table("Where the response to a signal is largest", ("signal of", *evidence.estimators), rows)


def _sculpted(evidence: Classification, variable: str) -> Table:
    results = {(s.estimator, s.hypothesis): s for s in evidence.sculpted if s.variable == variable}
    rows: list[Sequence[Cell | str]] = []
    for name, label in _rows(evidence):
        cells = []
        for estimator in evidence.estimators:
            result = results[estimator, name]
            cells.append(f"{plain(result.js, 3)} ({plain(result.js_floor, 2)}), KS {plain(result.ks, 3)}")
        rows.append((label, *cells))
    return table(
        f"Background in {variable} after a cut", ("JS in bits (by chance)", *evidence.estimators), rows
    )


def _own(evidence: Classification) -> dict[str, list[str]]:
    """Group names of the task's own numbers by hypothesis, ``<estimator>/<what>/m260``, by ``<what>``."""
    hypotheses = {hypothesis.name for hypothesis in evidence.hypotheses}
    groups: dict[str, list[str]] = {}
    for name in evidence.extra:
        parts = name.split("/")
        if len(parts) == 3 and parts[2].removesuffix("_err") in hypotheses:
            groups.setdefault(parts[1], []).append(name)
    return groups


def _of_own(evidence: Classification, quantity: str) -> Table:
    rows: list[Sequence[Cell | str]] = []
    for name, label in _rows(evidence):
        keys = [f"{estimator}/{quantity}/{name}" for estimator in evidence.estimators]
        pairs = [
            (evidence.extra.get(key, math.nan), evidence.extra.get(f"{key}_err", math.nan)) for key in keys
        ]
        rows.append((label, *(measured(*p) if p[1] == p[1] else number(p[0], 5) for p in pairs)))
    return table(quantity, (quantity, *evidence.estimators), rows)
