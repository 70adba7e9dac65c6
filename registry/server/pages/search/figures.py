"""Figures of a search, in which every trial links to its run and has a tooltip."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from registry.server.pages.search.trials import TrialRow, front, short, varied
from tracking.figures.drawing import tidy
from tracking.figures.styles import literal
from tracking.report.numbers import with_error

__all__ = ["FIGURES", "described", "figure", "linked"]

FIGURES = {
    "history": "Objective of each trial, and the best so far",
    "coordinates": "Parallel coordinates: a line a trial, the better the darker; a line leads to its run",
    "importance": "What mattered: loss of R² of a random forest when a setting is shuffled",
    "pareto": "Objective against time and size; the line joins trials that no other beats in both",
}
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
BLUE, ORANGE = "#0072B2", "#D55E00"


def figure(
    name: str,
    trials: Sequence[TrialRow],
    importance: Mapping[str, tuple[float, float]],
    link: Callable[[TrialRow], str],
) -> Figure:
    """Draw one of `FIGURES`.

    Parameters
    ----------
    importance : mapping of str to tuple of float
        Importance and its scatter by setting.
    link : callable
        Address of a trial's run.
    """
    done = sorted((trial for trial in trials if trial.done), key=lambda trial: _number(trial.name))
    match name:
        case "history":
            return _history(done, trials, link)
        case "coordinates":
            return _coordinates(done, link)
        case "importance":
            return _importance(importance)
    return _pareto(done, link)


def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"\d{1,9}", text) else 0.0


def _dots(axes: Axes, at: Sequence[float], done: Sequence[TrialRow], link: Callable[[TrialRow], str]) -> None:
    """Draw points with errors, each of them a link."""
    values = [trial.objective for trial in done]
    axes.errorbar(at, values, [trial.error for trial in done], fmt="none", ecolor=BLUE, elinewidth=0.9)
    dots = axes.scatter(at, values, s=26, color=BLUE, zorder=3)
    dots.set_urls([link(trial) for trial in done])


def _history(done: Sequence[TrialRow], trials: Sequence[TrialRow], link: Callable[[TrialRow], str]) -> Figure:
    canvas = Figure(figsize=(9, 4.2), layout="constrained")
    axes = canvas.add_subplot()
    numbers = [_number(trial.name) for trial in done]
    _dots(axes, numbers, done, link)
    best = np.minimum.accumulate([trial.objective for trial in done])
    axes.step(numbers, best, where="post", color=ORANGE, label="best so far")
    failed = [_number(trial.name) for trial in trials if trial.status == "FAILED"]
    if failed and done:
        axes.plot(failed, [max(t.objective for t in done)] * len(failed), "x", color="0.4", label="failed")
    axes.set(xlabel="trial", ylabel="objective", yscale="log")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    tidy(axes)
    return canvas


def _places(done: Sequence[TrialRow], name: str) -> tuple[np.ndarray, list[tuple[float, str]]]:
    """Scale the values of a setting to 0 to 1, and return the labels of the axis."""
    texts = [trial.values.get(name, "") for trial in done]
    try:
        numbers = np.array([float(text) for text in texts])
    except ValueError:
        numbers = np.array([math.nan])
    if np.isfinite(numbers).all() and len(set(texts)) > 3:
        scaled = np.log(numbers) if _scale(numbers.tolist()) == "log" else numbers
        low, high = float(scaled.min()), float(scaled.max())
        span = max(high - low, 1e-300)
        marks = [(0.0, f"{numbers.min():.3g}"), (1.0, f"{numbers.max():.3g}")]
        return (scaled - low) / span, marks
    order = sorted(set(texts), key=lambda text: (_sortable(text), text))
    last = max(len(order) - 1, 1)
    return np.array([order.index(text) / last for text in texts]), [
        (place / last, text or "–") for place, text in enumerate(order[:12])
    ]


def _sortable(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.inf


def _coordinates(done: Sequence[TrialRow], link: Callable[[TrialRow], str]) -> Figure:
    names = varied(done)
    canvas = Figure(figsize=(max(6.0, 1.6 * (len(names) + 1)), 4.8), layout="constrained")
    axes = canvas.add_subplot()
    logs = np.log([trial.objective for trial in done])
    ranks = (logs - logs.min()) / max(float(np.ptp(logs)), 1e-12)
    columns, marks = [], []
    for place, name in enumerate(names):
        heights, ticks = _places(done, name)
        columns.append(heights)
        marks += [(place, height, text) for height, text in ticks]
    columns.append(ranks)
    ends = (float(np.exp(logs.min())), float(np.exp(logs.max())))
    marks += [(len(names), height, f"{value:.3g}") for height, value in zip((0.0, 1.0), ends, strict=True)]
    colours = matplotlib.colormaps["viridis"]
    for row in np.argsort(-ranks):
        (line,) = axes.plot(
            range(len(columns)),
            [column[row] for column in columns],
            color=colours(0.9 * ranks[row]),
            alpha=0.9,
            lw=2.4 if ranks[row] == 0 else 1.2,
        )
        line.set_url(link(done[row]))
    for place in range(len(columns)):
        axes.axvline(place, color="0.7", lw=0.8, zorder=0)
    for place, height, text in marks:
        axes.annotate(
            literal(text),
            (place, height),
            xytext=(4, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
        )
    axes.set_xticks(range(len(columns)), [*map(literal, names), "objective"], rotation=20, ha="right")
    axes.set_yticks([])
    # Leave room for the labels of the last axis.
    axes.set(xlim=(-0.15, len(names) + 0.45), ylim=(-0.06, 1.06))
    return canvas


def _scale(values: Sequence[float]) -> str:
    """Choose the scale of an axis: logarithmic where linear would crowd the small values."""
    low, high = min(values, default=0.0), max(values, default=0.0)
    return "log" if low > 0 and high / low > 20 else "linear"


def _importance(weights: Mapping[str, tuple[float, float]]) -> Figure:
    canvas = Figure(figsize=(8, 0.9 + 0.45 * max(len(weights), 2)), layout="constrained")
    axes = canvas.add_subplot()
    order = sorted(weights, key=lambda name: weights[name][0])
    axes.barh(
        [literal(name) for name in order],
        [weights[name][0] for name in order],
        xerr=[weights[name][1] for name in order],
        color=BLUE,
        ecolor="0.3",
        capsize=2,
    )
    axes.set_xlabel("loss of R² when shuffled")
    return canvas


def _pareto(done: Sequence[TrialRow], link: Callable[[TrialRow], str]) -> Figure:
    canvas = Figure(figsize=(9.2, 4.4), layout="constrained")
    panels = canvas.subplots(1, 2, sharey=True)
    for axes, cost, words in zip(
        panels, ("ns_per_event", "parameters"), ("ns an event", "weights"), strict=True
    ):
        finite = [trial for trial in done if math.isfinite(getattr(trial, cost))]
        _dots(axes, [getattr(trial, cost) for trial in finite], finite, link)
        best = front(done, cost)
        axes.step(
            [getattr(trial, cost) for trial in best],
            [trial.objective for trial in best],
            where="post",
            color=ORANGE,
        )
        for trial in best:
            axes.annotate(
                literal(trial.name),
                (getattr(trial, cost), trial.objective),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize=8,
            )
        axes.set(xlabel=words, xscale=_scale([getattr(trial, cost) for trial in finite]))
        axes.margins(x=0.12)
        tidy(axes)
    panels[0].set(ylabel="objective", yscale=_scale([trial.objective for trial in done]))
    return canvas


def linked(svg: bytes, words: Mapping[str, str]) -> bytes:
    """Make the links of a figure open outside it, with tooltips from `words` by address."""
    for prefix, namespace in (("", _SVG), ("xlink", _XLINK)):
        ElementTree.register_namespace(prefix, namespace)
    root = ElementTree.fromstring(svg)
    for link in root.iter(f"{{{_SVG}}}a"):
        target = link.get(f"{{{_XLINK}}}href", "")
        link.set("target", "_top")
        if target in words:
            title = ElementTree.Element(f"{{{_SVG}}}title")
            title.text = words[target]
            link.insert(0, title)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def described(trial: TrialRow) -> str:
    """Describe a trial in one line."""
    values = ", ".join(f"{name} = {short(value)}" for name, value in trial.values.items())
    return f"trial {trial.name}: {with_error(trial.objective, trial.error)}; {values}"
