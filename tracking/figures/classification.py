"""Classifications as figures. Every function returns a new Figure; pyplot is not touched."""

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

#: Hypotheses that get a panel of their own, at most.
PANELS = 4


def figures(evidence: Classification, scores: Mapping[str, Scores]) -> dict[str, Figure]:
    """All figures of an evidence, under the names of their files without ending.

    Parameters
    ----------
    evidence : Classification
        What was found.
    scores : mapping of str to Scores
        The scores it was found from, by estimator.
    """
    several = len(evidence.hypotheses) > 1
    found = {"auc_against_hypothesis": auc_against(evidence)} if several else {}
    found["roc"] = roc_curves(evidence, scores)
    subject = scores[evidence.subject]
    if several:
        found["response_against_hypothesis"] = response_against(evidence)
        if subject.asked_everywhere and (picture := ice(evidence, subject)) is not None:
            found["response_of_single_events"] = picture
    found["ams_scan"] = ams_scan(evidence, scores)
    if evidence.calibrations:
        found["calibration"] = calibration(evidence)
    for binning in evidence.criteria.sculpted:
        found[f"background_in_{binning.name}"] = sculpted(evidence, subject, binning)
    return found


def _chosen(evidence: Classification) -> list[int]:
    """Hypotheses to draw: all that were held out, and others evenly along the axis."""
    held = [place for place, one in enumerate(evidence.hypotheses) if one.held_out][:PANELS]
    rest = [place for place in range(len(evidence.hypotheses)) if place not in held]
    number = min(PANELS - len(held), len(rest))
    some = [rest[int(i)] for i in np.linspace(0, len(rest) - 1, number).round()] if number > 0 else []
    return sorted({*held, *some})


def _panels(evidence: Classification, height: float) -> tuple[Figure, list[tuple[int, Axes]]]:
    """A figure with one panel for each of the hypotheses to draw."""
    places = _chosen(evidence)
    figure = Figure(figsize=(max(3.4 * len(places), 5.0), height), layout="constrained")
    axes = figure.subplots(1, len(places), squeeze=False)[0]
    for place, one in zip(places, axes, strict=True):
        hypothesis = evidence.hypotheses[place]
        name = f"{hypothesis.name} (held out)" if hypothesis.held_out else hypothesis.name
        one.set_title(literal(name), fontsize=10)
        tidy(one)
    return figure, list(zip(places, axes, strict=True))


def _note(axes: Axes, text: str, height: float = 0.95) -> None:
    axes.text(0.97, height, text, transform=axes.transAxes, ha="right", va="top", fontsize=8)


def roc_curves(evidence: Classification, scores: Mapping[str, Scores]) -> Figure:
    """Background efficiency against signal efficiency of all estimators, for some hypotheses."""
    look = styles(evidence.estimators, evidence.subject)
    figure, panels = _panels(evidence, 4.2)
    for place, axes in panels:
        lowest = 1.0
        for name in evidence.estimators:
            one, style = scores[name], look[name]
            rows = one.asked[:, place]
            curve = roc(one.ranked[rows, place], one.signal[rows], one.weights[rows])
            there = curve.background > 0
            axes.plot(
                curve.signal[there],
                curve.background[there],
                color=style.colour,
                linestyle=style.line,
                linewidth=0.8 * style.width,
                label=literal(name),
            )
            lowest = min(lowest, float(np.interp(0.1, curve.signal, curve.background)))
        if lowest == 0:
            _note(axes, "nothing passes at 10 % signal", 0.09)
            lowest = 0.3 / (~one.signal).sum()
        axes.set_yscale("log")
        axes.set_xlim(0, 1)
        axes.set_ylim(max(lowest / 3, 1e-6), 1.5)
        axes.set_xlabel("signal efficiency")
    panels[0][1].set_ylabel("background efficiency")
    legend(figure, panels[0][1])
    return figure


def auc_against(evidence: Classification) -> Figure:
    """Area of all estimators against the hypothesis, with what others published; below it what is missing.

    The lower panel shows 1 - AUC relative to the best other estimator's.
    """
    look = styles(evidence.estimators, evidence.subject)
    figure = Figure(figsize=(8.5, 6.2), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    at = np.array([one.value for one in evidence.hypotheses])
    best = evidence.best_other()
    values = {
        name: np.array([[(p := evidence.power(name, h.name)).auc, p.auc_err] for h in evidence.hypotheses]).T
        for name in evidence.estimators
    }
    drawn: list[NDArray[np.floating]] = []
    for name, (area, error) in values.items():
        style = look[name]
        draw = {
            "color": style.colour,
            "marker": style.marker,
            "linestyle": style.line,
            "linewidth": 0.6 * style.width,
            "markersize": 4,
            "capsize": 2,
            "markerfacecolor": "white" if style.hollow else style.colour,
            "zorder": 2 + style.width,
        }
        top.errorbar(at, area, error, label=literal(name), **draw)
        if best is None:
            continue
        # Where the best other one makes no mistake there is nothing to be relative to.
        below = np.where(values[best][0] < 1, 1 - values[best][0], np.nan)
        if name == evidence.subject:
            found = [evidence.contrast(best, "loss", h.name) for h in evidence.hypotheses]
            low, middle, high = np.array([(c.low, c.value, c.high) for c in found]).T
            middle = np.where(np.isfinite(below), middle, np.nan)
            # 95 % intervals drawn as errors of one standard deviation, as all others are.
            spreads = np.maximum(np.nan_to_num([middle - low, high - middle], posinf=0.0), 0.0) / 1.96
            bottom.errorbar(at, middle, spreads, **draw)
            drawn.append(middle)
        elif name != best:
            bottom.errorbar(at, (1 - area) / below, error / below, **draw)
            drawn.append((1 - area) / below)
    for one, marker in zip(evidence.criteria.published, cycle("x+1"), strict=False):
        known = [(h.value, one.auc[h.name]) for h in evidence.hypotheses if h.name in one.auc]
        top.plot(*zip(*known, strict=True), marker, color="black", label=one.label) if known else None
    for held in (one.value for one in evidence.hypotheses if one.held_out):
        for axes in (top, bottom):
            axes.axvline(held, color="0.6", linewidth=0.8, linestyle=":", zorder=1)
    bottom.axhline(1.0, color="black", linewidth=0.8)
    if best:
        # An estimator with few mistakes to count has errors without end: they leave the panel.
        largest = max(np.nanmax(ratio, initial=1.0) for ratio in drawn)
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
    """Significance of all estimators against the signal efficiency of the cut, for some hypotheses."""
    look = styles(evidence.estimators, evidence.subject)
    figure, panels = _panels(evidence, 4.0)
    for name in evidence.estimators:
        scan, style = CutsOf(scores[name]).scan(), look[name]
        for place, axes in panels:
            power = evidence.power(name, evidence.hypotheses[place].name)
            # Of a cut-based selection there are few different cuts: the curve is drawn in steps.
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
    """Share of signal against the response, and how often the response is what it is."""
    look = styles(evidence.estimators, evidence.subject)
    figure = Figure(figsize=(6.4, 6.4), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    top.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    for one in evidence.calibrations:
        style = look[one.estimator]
        there = np.array(one.share) > 0
        top.errorbar(
            np.array(one.predicted)[there],
            np.array(one.observed)[there],
            np.array(one.error)[there],
            color=style.colour,
            marker=style.marker,
            linestyle=style.line,
            linewidth=0.6 * style.width,
            markersize=4,
            capsize=2,
            label=f"{literal(one.estimator)}: ECE = {with_error(one.ece, one.ece_err)}",
        )
        edges = np.linspace(0, 1, len(one.share) + 1)
        bottom.stairs(one.share, edges, color=style.colour, linestyle=style.line, linewidth=0.7 * style.width)
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
    """Background in a variable before and after the subject's cut, for some hypotheses."""
    figure, panels = _panels(evidence, 3.8)
    at = evidence.criteria.efficiencies[0]
    edges, widths = np.array(binning.edges), np.diff(binning.edges)
    for place, axes in panels:
        found = sculpting(scores, place, binning, at)
        axes.stairs(found.before / widths, edges, color="0.4", label="all background", fill=True, alpha=0.3)
        label = f"passing, at {100 * at:g} % signal"
        if np.isfinite(found.after).all():
            axes.stairs(found.after / widths, edges, color="#D55E00", label=label)
        if len(evidence.hypotheses) > 1 and binning.unit == evidence.criteria.unit:
            axes.axvline(evidence.hypotheses[place].value, color="black", linewidth=0.8, linestyle=":")
        text = f"JS = {found.js:.3f} bit\nby chance {found.js_floor:.3f}\nKS = {found.ks:.3f}"
        _note(axes, text if found.passing > 0 else "nothing passes")
        if binning.log:
            logarithmic(axes)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_xlabel(with_unit(binning.label, binning.unit))
    panels[0][1].set_ylabel("density")
    legend(figure, panels[0][1])
    return figure
