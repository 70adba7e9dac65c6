"""Figures of a search: pure functions of its trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from shashlik.search.summary import Trial, coordinates, front
from shashlik.task.search_space import Choice, Space
from tracking.report.numbers import plain

__all__ = ["figures"]


def figures(
    trials: Sequence[Trial], space: Space, weights: Mapping[str, tuple[float, float]], score: float
) -> dict[str, Figure]:
    """Draw value against trial, parallel coordinates, importance and Pareto fronts, by name.

    Parameters
    ----------
    weights, score : mapping and float
        From `shashlik.search.summary.importance`.
    """
    done = sorted((trial for trial in trials if trial.done), key=lambda trial: trial.name)
    if not done:
        return {}
    pictures = {"search_history": _history(done, trials), "search_coordinates": _parallel(done, space)}
    if weights:
        pictures["search_importance"] = _importance(weights, score, len(done))
    return {**pictures, "search_pareto": _pareto(done)}


def _history(done: Sequence[Trial], trials: Sequence[Trial]) -> Figure:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    numbers = [int(trial.name) for trial in done]
    values = [trial.objective for trial in done]
    axes.errorbar(
        numbers, values, [trial.error for trial in done], fmt="o", color="#0072B2", capsize=2, label="trial"
    )
    axes.step(numbers, np.minimum.accumulate(values), where="post", color="#D55E00", label="best so far")
    failed = [int(trial.name) for trial in trials if trial.status == "FAILED"]
    if failed:
        axes.plot(failed, [max(values)] * len(failed), "x", color="0.4", label="failed")
    axes.set(xlabel="trial", ylabel="objective", yscale="log")
    axes.legend(frameon=False)
    axes.grid(True, color="0.9", linewidth=0.6)
    return figure


def _parallel(done: Sequence[Trial], space: Space) -> Figure:
    """Draw one line per trial over one axis per setting, darker for better trials."""
    figure = Figure(figsize=(9.2, 5), layout="constrained")
    axes = figure.add_subplot()
    places = coordinates(done, space)
    logs = np.log([trial.objective for trial in done])
    spread = max(float(np.ptp(logs)), 1e-12)
    ranks = (logs - logs.min()) / spread
    columns = [*places.values(), ranks]
    colours = matplotlib.colormaps["viridis"]
    for row in np.argsort(-ranks):
        axes.plot(
            range(len(columns)),
            [column[row] for column in columns],
            color=colours(ranks[row]),
            alpha=0.9,
            lw=2.2 if ranks[row] == 0 else 1.1,
        )
    labels = [*space.varied, "objective"]
    axes.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
    axes.set_yticks([])
    for place, domain in enumerate(space.varied.values()):
        axes.axvline(place, color="0.7", lw=0.8, zorder=0)
        if isinstance(domain, Choice):
            for index, value in enumerate(domain.values):
                _mark(axes, place, index / max(len(domain.values) - 1, 1), str(value))
        else:
            _mark(axes, place, 0.0, f"{domain.low:g}")
            _mark(axes, place, 1.0, f"{domain.high:g}")
    axes.axvline(len(labels) - 1, color="0.7", lw=0.8, zorder=0)
    _mark(axes, len(labels) - 1, 0.0, plain(float(np.exp(logs.min()))))
    _mark(axes, len(labels) - 1, 1.0, plain(float(np.exp(logs.max()))))
    axes.set_ylim(-0.06, 1.06)
    return figure


def _mark(axes: Any, place: float, height: float, text: str) -> None:
    axes.annotate(
        text,
        (place, height),
        xytext=(4, 0),
        textcoords="offset points",
        fontsize=8,
        va="center",
        bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1},
    )


def _importance(weights: Mapping[str, tuple[float, float]], score: float, trials: int) -> Figure:
    figure = Figure(figsize=(8, 0.9 + 0.45 * max(len(weights), 2)), layout="constrained")
    axes = figure.add_subplot()
    order = sorted(weights, key=lambda name: weights[name][0])
    axes.barh(
        order,
        [weights[name][0] for name in order],
        xerr=[weights[name][1] for name in order],
        color="#0072B2",
        ecolor="0.3",
        capsize=2,
    )
    axes.set_xlabel("loss of R² when shuffled")
    axes.set_title(f"forest on {trials} trials, out-of-bag R² = {score:.2f}", fontsize=10)
    return figure


def _pareto(done: Sequence[Trial]) -> Figure:
    figure = Figure(figsize=(9.2, 4.5), layout="constrained")
    for axes, cost, label in zip(
        figure.subplots(1, 2, sharey=True),
        ("ns_per_event", "parameters"),
        ("ns an event", "weights"),
        strict=True,
    ):
        measured = [trial for trial in done if math.isfinite(getattr(trial, cost))]
        axes.errorbar(
            [getattr(trial, cost) for trial in measured],
            [trial.objective for trial in measured],
            [trial.error for trial in measured],
            fmt="o",
            color="#0072B2",
            capsize=2,
        )
        best = front(done, cost)
        axes.step(
            [getattr(trial, cost) for trial in best],
            [trial.objective for trial in best],
            where="post",
            color="#D55E00",
        )
        for trial in best:
            axes.annotate(
                trial.name,
                (getattr(trial, cost), trial.objective),
                xytext=(3, 3),
                textcoords="offset points",
                fontsize=8,
            )
        axes.set(xlabel=label, xscale="log" if measured else "linear")
        axes.grid(True, color="0.9", linewidth=0.6)
    figure.axes[0].set_ylabel("objective")
    return figure
