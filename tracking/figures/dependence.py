"""Figures of the dependence of a response on the evaluated hypothesis and on its inputs."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from tracking.evidence.classification import Classification
from tracking.figures.drawing import legend, logarithmic, tidy, with_unit
from tracking.figures.styles import literal
from tracking.statistics.dependence import Clusters, clusters
from tracking.statistics.scores import Scores

__all__ = ["ice", "importance", "response_against"]

#: Largest number of events whose curves are clustered.
MOST_CURVES = 3000
CLUSTERS = 6


def _axis(axes: Axes, evidence: Classification) -> None:
    if evidence.criteria.log:
        logarithmic(axes)
    axes.set_xlabel(f"{with_unit(evidence.criteria.label, evidence.criteria.unit)} asked")
    tidy(axes)


def response_against(evidence: Classification) -> Figure:
    """Draw the mean response of the subject to background and signals against the evaluated hypothesis.

    The response of a signal under its true hypothesis is marked; it should be the largest.
    """
    figure = Figure(figsize=(8.5, 4.8), layout="constrained")
    axes = figure.subplots()
    at = np.array([hypothesis.value for hypothesis in evidence.hypotheses])
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(at)))
    for place, (hypothesis, colour) in enumerate(zip(evidence.hypotheses, colours, strict=True)):
        response = evidence.response(evidence.subject, hypothesis.name)
        if response is None:
            continue
        mean, error = np.array(response.mean), np.nan_to_num(response.error)
        labelled = len(at) <= 8 or place in np.linspace(0, len(at) - 1, 8).round()
        label = literal(hypothesis.name) if labelled else None
        axes.plot(
            at, mean, color=colour, linewidth=1.2, linestyle="--" if hypothesis.held_out else "-", label=label
        )
        axes.errorbar(at[place], mean[place], error[place], color=colour, marker="o", markersize=5, capsize=2)
    background = evidence.response(evidence.subject, "background")
    assert background is not None
    axes.errorbar(
        at,
        background.mean,
        np.nan_to_num(background.error),
        color="black",
        marker="s",
        markersize=3,
        linewidth=1.6,
        capsize=2,
        label="background",
    )
    axes.set_ylabel(f"mean response of {literal(evidence.subject)}")
    _axis(axes, evidence)
    legend(figure, axes)
    return figure


def ice(evidence: Classification, scores: Scores, seed: int = 0) -> Figure | None:
    """Draw typical curves of single events: background, and the signal in the middle of the axis.

    Return None with too few complete curves.
    """
    middle = len(evidence.hypotheses) // 2
    groups = (("background", -1), (evidence.hypotheses[middle].name, middle))
    rng = np.random.default_rng(seed)
    clustered: list[tuple[str, int, Clusters]] = []
    for name, place in groups:
        rows = np.flatnonzero(scores.own == place)
        rows = rng.permutation(rows)[:MOST_CURVES]
        typical = clusters(scores.response[rows], CLUSTERS, seed)
        if typical is not None:
            clustered.append((name, place, typical))
    if not clustered:
        return None
    figure = Figure(figsize=(5.2 * len(clustered), 4.2), layout="constrained")
    panels = figure.subplots(1, len(clustered), squeeze=False, sharey=True)[0]
    at = np.array([hypothesis.value for hypothesis in evidence.hypotheses])
    for (name, place, curves), axes in zip(clustered, panels, strict=True):
        colours = matplotlib.colormaps["tab10"](np.arange(len(curves.share)))
        for curve, share, low, high, colour in zip(
            curves.curves, curves.share, curves.low, curves.high, colours, strict=True
        ):
            axes.plot(at, curve, color=colour, linewidth=1 + 3 * share, label=f"{100 * share:.0f} %")
            axes.fill_between(at, low, high, color=colour, alpha=0.15, linewidth=0)
        if place >= 0:
            axes.axvline(at[place], color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"single events of {literal(name)}", fontsize=10)
        axes.legend(fontsize=8, frameon=False)
        _axis(axes, evidence)
    panels[0].set_ylabel(f"response of {literal(evidence.subject)}")
    return figure


def importance(
    names: Sequence[str], values: NDArray[np.floating], errors: NDArray[np.floating], label: str
) -> Figure:
    """Draw the loss without each input, the most important first.

    Parameters
    ----------
    names : sequence of str
        Names of the inputs.
    values, errors : ndarray, shape (inputs,)
        Losses, for example of area after permuting the values of an input between events.
    label : str
        Matplotlib text of the values.
    """
    order = np.argsort(values)
    figure = Figure(figsize=(7.0, 1.2 + 0.26 * len(names)), layout="constrained")
    axes = figure.subplots()
    axes.barh(
        np.arange(len(order)),
        np.asarray(values)[order],
        xerr=np.asarray(errors)[order],
        color="#0072B2",
        error_kw={"capsize": 2, "elinewidth": 1},
    )
    axes.set_yticks(np.arange(len(order)), [literal(names[i]) for i in order], fontsize=8)
    if np.min(values) > 0 and np.max(values) > 100 * np.min(values):
        axes.set_xscale("log")
    else:
        axes.axvline(0.0, color="black", linewidth=0.8)
    axes.set_xlabel(label)
    tidy(axes)
    return figure
