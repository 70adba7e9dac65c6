"""Figures of a classification. Every function returns a new Figure and does not use pyplot."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tracking.evidence.classification import Classification
from tracking.figures.dependence import ice, response_against
from tracking.figures.drawing import legend, logarithmic, tidy, with_unit
from tracking.figures.styles import literal, styles
from tracking.report.numbers import with_error
from tracking.statistics.residuals import Binning
from tracking.statistics.roc import roc
from tracking.statistics.scores import Scores
from tracking.statistics.sculpting import sculpting
from tracking.statistics.significance import CutsOf

__all__ = ["ams_scan", "auc_against", "calibration", "figures", "roc_curves", "sculpted"]

#: Largest number of hypotheses with a separate panel.
PANELS = 4


def figures(evidence: Classification, scores: Mapping[str, Scores]) -> dict[str, Figure]:
    """Draw all figures of an evidence, by file name without extension.

    Parameters
    ----------
    evidence : Classification
        Evidence to draw.
    scores : mapping of str to Scores
        Scores behind the evidence, by estimator.
    """
    several = len(evidence.hypotheses) > 1
    drawings = {"auc_against_hypothesis": auc_against(evidence)} if several else {}
    drawings["roc"] = roc_curves(evidence, scores)
    subject = scores[evidence.subject]
    if several:
        drawings["response_against_hypothesis"] = response_against(evidence)
        if subject.asked_everywhere and (picture := ice(evidence, subject)) is not None:
            drawings["response_of_single_events"] = picture
    drawings["ams_scan"] = ams_scan(evidence, scores)
    if evidence.calibrations:
        drawings["calibration"] = calibration(evidence)
    for binning in evidence.criteria.sculpted:
        drawings[f"background_in_{binning.name}"] = sculpted(evidence, subject, binning)
    return drawings


def _select_hypotheses(evidence: Classification) -> list[int]:
    """Select the hypotheses to draw: the held-out ones first, then others evenly along the axis."""
    held_out = [place for place, hypothesis in enumerate(evidence.hypotheses) if hypothesis.held_out][:PANELS]
    others = [place for place in range(len(evidence.hypotheses)) if place not in held_out]
    number = min(PANELS - len(held_out), len(others))
    spaced = [others[int(i)] for i in np.linspace(0, len(others) - 1, number).round()] if number > 0 else []
    return sorted({*held_out, *spaced})


def _panels(evidence: Classification, height: float) -> tuple[Figure, list[tuple[int, Axes]]]:
    """Create a figure with one panel for each drawn hypothesis."""
    places = _select_hypotheses(evidence)
    figure = Figure(figsize=(max(3.4 * len(places), 5.0), height), layout="constrained")
    panels = figure.subplots(1, len(places), squeeze=False)[0]
    for place, axes in zip(places, panels, strict=True):
        hypothesis = evidence.hypotheses[place]
        name = f"{hypothesis.name} (held out)" if hypothesis.held_out else hypothesis.name
        axes.set_title(literal(name), fontsize=10)
        tidy(axes)
    return figure, list(zip(places, panels, strict=True))


def _note(axes: Axes, text: str, height: float = 0.95) -> None:
    axes.text(0.97, height, text, transform=axes.transAxes, ha="right", va="top", fontsize=8)


def roc_curves(evidence: Classification, scores: Mapping[str, Scores]) -> Figure:
    """Draw background efficiency against signal efficiency of all estimators, for some hypotheses."""
    look = styles(evidence.estimators, evidence.subject)
    figure, panels = _panels(evidence, 4.2)
    for place, axes in panels:
        lowest = 1.0
        for name in evidence.estimators:
            responses, style = scores[name], look[name]
            rows = responses.asked[:, place]
            curve = roc(responses.ranked[rows, place], responses.signal[rows], responses.weights[rows])
            positive = curve.background > 0
            axes.plot(
                curve.signal[positive],
                curve.background[positive],
                color=style.colour,
                linestyle=style.line,
                linewidth=0.8 * style.width,
                label=literal(name),
            )
            lowest = min(lowest, float(np.interp(0.1, curve.signal, curve.background)))
        if lowest == 0:
            _note(axes, "nothing passes at 10 % signal", 0.09)
            lowest = 0.3 / (~responses.signal).sum()
        axes.set_yscale("log")
        axes.set_xlim(0, 1)
        axes.set_ylim(max(lowest / 3, 1e-6), 1.5)
        axes.set_xlabel("signal efficiency")
    panels[0][1].set_ylabel("background efficiency")
    legend(figure, panels[0][1])
    return figure


def auc_against(evidence: Classification) -> Figure:
    """Draw the area of all estimators against the hypothesis, with published values.

    The lower panel shows 1 - AUC relative to the best other estimator's.
    """
    look = styles(evidence.estimators, evidence.subject)
    figure = Figure(figsize=(8.5, 6.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    at = np.array([hypothesis.value for hypothesis in evidence.hypotheses])
    best = evidence.best_other()
    values = {
        name: np.array([[(p := evidence.power(name, h.name)).auc, p.auc_err] for h in evidence.hypotheses]).T
        for name in evidence.estimators
    }
    ratios: list[NDArray[np.floating]] = []
    for name, (area, error) in values.items():
        style = look[name]
        line = {
            "color": style.colour,
            "marker": style.marker,
            "linestyle": style.line,
            "linewidth": 0.6 * style.width,
            "markersize": 4,
            "capsize": 2,
            "markerfacecolor": "white" if style.hollow else style.colour,
            "zorder": 2 + style.width,
        }
        top.errorbar(at, area, error, label=literal(name), **line)
        if best is None:
            continue
        # The ratio is undefined where the best other estimator makes no mistake.
        below = np.where(values[best][0] < 1, 1 - values[best][0], np.nan)
        if name == evidence.subject:
            contrasts = [evidence.contrast(best, "loss", h.name) for h in evidence.hypotheses]
            low, middle, high = np.array([(c.low, c.value, c.high) for c in contrasts]).T
            middle = np.where(np.isfinite(below), middle, np.nan)
            # 95 % intervals, scaled to errors of one standard deviation like all others.
            spreads = np.maximum(np.nan_to_num([middle - low, high - middle], posinf=0.0), 0.0) / 1.96
            bottom.errorbar(at, middle, spreads, **line)
            ratios.append(middle)
        elif name != best:
            bottom.errorbar(at, (1 - area) / below, error / below, **line)
            ratios.append((1 - area) / below)
    for reference, marker in zip(evidence.criteria.published, cycle("x+1"), strict=False):
        areas = [(h.value, reference.auc[h.name]) for h in evidence.hypotheses if h.name in reference.auc]
        top.plot(*zip(*areas, strict=True), marker, color="black", label=reference.label) if areas else None
    for excluded in (hypothesis.value for hypothesis in evidence.hypotheses if hypothesis.held_out):
        for axes in (top, bottom):
            axes.axvline(excluded, color="0.6", linewidth=0.8, linestyle=":", zorder=1)
    bottom.axhline(1.0, color="black", linewidth=0.8)
    if best:
        # An estimator with few mistakes has unbounded errors: they leave the panel.
        largest = max(np.nanmax(ratio, initial=1.0) for ratio in ratios)
        bottom.set_ylim(0, float(np.clip(1.15 * largest, 1.5, 4.0)))
    if evidence.criteria.log:
        logarithmic(bottom)
    top.set_ylabel("area under the ROC curve")
    bottom.set_ylabel(f"1 − AUC rel. to\n{literal(best)}" if best else "")
    bottom.set_xlabel(with_unit(evidence.criteria.label, evidence.criteria.unit))
    for axes in (top, bottom):
        tidy(axes)
    legend(figure, top)
    return figure


def ams_scan(evidence: Classification, scores: Mapping[str, Scores]) -> Figure:
    """Draw the significance of all estimators against the cut's signal efficiency, for some hypotheses."""
    look = styles(evidence.estimators, evidence.subject)
    figure, panels = _panels(evidence, 4.0)
    for name in evidence.estimators:
        scan, style = CutsOf(scores[name]).scan(), look[name]
        for place, axes in panels:
            power = evidence.power(name, evidence.hypotheses[place].name)
            # A cut-based selection has few different cuts: its curve has steps.
            axes.plot(
                scan.signal[place],
                scan.ams[place],
                color=style.colour,
                linestyle=style.line,
                linewidth=0.8 * style.width,
                label=literal(name),
            )
            best = scan.best[place]
            axes.errorbar(
                scan.signal[place, best],
                power.ams,
                power.ams_err if power.ams_err > 0 else None,
                color=style.colour,
                marker=style.marker,
                capsize=2,
                markersize=5,
            )
    for _, axes in panels:
        axes.set_xlim(0, 1.02)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("signal efficiency of the cut")
    panels[0][1].set_ylabel("AMS (points: cut chosen on other events)")
    legend(figure, panels[0][1])
    return figure


def calibration(evidence: Classification) -> Figure:
    """Draw the share of signal against the response, and the distribution of the response."""
    look = styles(evidence.estimators, evidence.subject)
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    for entry in evidence.calibrations:
        style = look[entry.estimator]
        filled = np.array(entry.share) > 0
        top.errorbar(
            np.array(entry.predicted)[filled],
            np.array(entry.observed)[filled],
            np.array(entry.error)[filled],
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            linewidth=0.6 * style.width,
            markersize=4,
            capsize=2,
            label=f"{literal(entry.estimator)}: ECE = {with_error(entry.ece, entry.ece_err)}",
        )
        edges = np.linspace(0, 1, len(entry.share) + 1)
        bottom.stairs(
            entry.share, edges, color=style.colour, linestyle=style.line, linewidth=0.7 * style.width
        )
    top.set_ylabel("share of signal")
    top.legend(fontsize=9, frameon=False)
    bottom.set_yscale("log")
    bottom.set_ylabel("share of all")
    bottom.set_xlabel("response")
    bottom.set_xlim(0, 1)
    for axes in (top, bottom):
        tidy(axes)
    return figure


def sculpted(evidence: Classification, scores: Scores, binning: Binning) -> Figure:
    """Draw the background in a variable before and after the cut on the subject, for some hypotheses."""
    figure, panels = _panels(evidence, 3.8)
    at = evidence.criteria.efficiencies[0]
    edges, widths = np.array(binning.edges), np.diff(binning.edges)
    for place, axes in panels:
        result = sculpting(scores, place, binning, at)
        axes.stairs(result.before / widths, edges, color="0.4", label="all background", fill=True, alpha=0.3)
        label = f"passing, at {100 * at:g} % signal"
        if np.isfinite(result.after).all():
            axes.stairs(result.after / widths, edges, color="#D55E00", label=label)
        if len(evidence.hypotheses) > 1 and binning.unit == evidence.criteria.unit:
            axes.axvline(evidence.hypotheses[place].value, color="black", linewidth=0.8, linestyle=":")
        text = f"JS = {result.js:.3f} bit\nby chance {result.js_floor:.3f}\nKS = {result.ks:.3f}"
        _note(axes, text if result.passing > 0 else "nothing passes")
        if binning.log:
            logarithmic(axes)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(with_unit(binning.label, binning.unit))
    panels[0][1].set_ylabel("density")
    legend(figure, panels[0][1])
    return figure
