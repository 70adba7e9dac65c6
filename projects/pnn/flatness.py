"""Flatness of the tail probability on background, and the mass at which that of a signal is lowest.

The evaluation uses events whose numbers modulo 4 are 2 or 3. The tables for these come from the other events,
so no event is in a table that is used here. Over all events the means would be 1/2 for any responses, because
the quarters of a half are ranked against each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.pnn.halves import selected
from projects.pnn.predictor import QUARTERS, quarter
from projects.pnn.schema import MASSES, is_signal, label
from shashlik.figures import logarithmic, tidy
from shashlik.statistics import interval, replicate
from shashlik.task.sample import Predictions, Sample

__all__ = ["EFFICIENCIES", "Tails", "draw", "measured", "metrics"]

#: Cuts on the tail probability, named by the share of the background that should pass.
EFFICIENCIES = (0.1, 0.01)
REPLICAS = 200


@dataclass(frozen=True)
class Tails:
    """Tail probabilities of one estimator.

    Parameters
    ----------
    background : ndarray, shape (1 + efficiencies, masses, 1 + replicas)
        Mean, and shares below each of `EFFICIENCIES`, of the background; the sample first, then its replicas.
    signal : mapping of str to ndarray, shape (masses,)
        Means of the signal of a mass, by its name, under every mass.
    """

    background: NDArray[np.floating]
    signal: Mapping[str, NDArray[np.floating]]

    @property
    def errors(self) -> NDArray[np.floating]:
        """Standard errors, (1 + efficiencies, masses), of the evaluated events; the tables add as much."""
        return self.background[..., 1:].std(axis=-1, ddof=1)

    @property
    def lowest(self) -> dict[str, int]:
        """Grid steps from each signal's own mass to the mass where it is least like background."""
        own_index = {label(mass): index for index, mass in enumerate(MASSES)}
        return {name: int(np.argmin(mean)) - own_index[name] for name, mean in self.signal.items()}


class _BackgroundOf:
    """Means and shares of tail probabilities in replicas, shape (1 + efficiencies, masses, replicas)."""

    def __init__(self, tails: NDArray[np.floating]) -> None:
        parts = [tails, *(tails <= share for share in EFFICIENCIES)]
        self._values = np.concatenate(parts, axis=1).astype(np.float32)

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        shares = (counts.astype(np.float32) @ self._values) / counts.sum(axis=1, keepdims=True)
        return shares.T.reshape(1 + len(EFFICIENCIES), len(MASSES), len(counts))


def measured(sample: Sample, predictions: Mapping[str, Predictions], seed: int = 0) -> dict[str, Tails]:
    """Compute the tail probabilities of the estimators that provide them, by name.

    Parameters
    ----------
    sample : Sample
        Sample with the columns of the truth.
    predictions : mapping of str to Predictions
        Predictions for its events, by estimator.
    seed : int
        Random seed of the bootstrap.
    """
    evaluated = selected(sample) & (quarter(sample.columns) >= QUARTERS // 2)
    signal, true = is_signal(sample), np.asarray(sample["res_mass"])
    rows = np.flatnonzero(evaluated & ~signal)
    names = [f"p{mass}" for mass in MASSES]
    tails = {
        name: np.stack([prediction[output] for output in names], axis=1)
        for name, prediction in predictions.items()
        if names[0] in prediction
    }
    if not len(rows) or not tails:
        return {}
    statistics = {name: _BackgroundOf(values[rows]) for name, values in tails.items()}
    replicas = replicate(statistics, len(rows), REPLICAS, np.random.default_rng(seed))
    once = np.ones((1, len(rows)), dtype=np.uint8)
    signal_rows = {label(mass): evaluated & signal & (true == mass) for mass in MASSES}
    return {
        name: Tails(
            np.concatenate([statistics[name](once), replicas[name]], axis=-1),
            {
                mass_name: values[selection].mean(axis=0)
                for mass_name, selection in signal_rows.items()
                if selection.any()
            },
        )
        for name, values in tails.items()
    }


def metrics(found: Mapping[str, Tails]) -> dict[str, float]:
    """Return the numbers of all estimators under their metric names.

    ``tail_mean``, ``tail_10`` and ``tail_1`` of the background, its mean and its shares below 10 and 1 %: the
    average over the masses, each mass, and ``tail_..._flatness``, the largest over the smallest with a 95 %
    interval. ``tail_peak``: see `Tails.lowest`.
    """
    numbers: dict[str, float] = {}
    kinds = ("mean", *(f"{100 * share:g}" for share in EFFICIENCIES))
    for name, tails in found.items():
        for kind, values, errors in zip(kinds, tails.background, tails.errors, strict=True):
            key = f"{name}/tail_{kind}"
            average = values.mean(axis=0)
            numbers |= {key: float(average[0]), f"{key}_err": float(average[1:].std(ddof=1))}
            for mass, value, error in zip(MASSES, values[:, 0], errors, strict=True):
                numbers |= {f"{key}/{label(mass)}": float(value), f"{key}/{label(mass)}_err": float(error)}
            with np.errstate(divide="ignore", invalid="ignore"):
                ratio = values.max(axis=0) / values.min(axis=0)
            ratio_interval = interval(float(ratio[0]), ratio[1:])
            for ending, value in (
                ("", ratio_interval.value),
                ("_low", ratio_interval.low),
                ("_high", ratio_interval.high),
            ):
                numbers[f"{key}_flatness{ending}"] = value
        numbers |= {
            f"{name}/tail_peak/{mass_name}": float(steps) for mass_name, steps in tails.lowest.items()
        }
    return numbers


def draw(tails: Tails) -> Figure:
    """Draw the background efficiency of cuts relative to its target, and the signals' tail probabilities."""
    figure = Figure(figsize=(11.5, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    at = np.array(MASSES, dtype=float)
    targets = (0.5, *EFFICIENCIES)
    labels = ("mean", *(f"share of $p \\leq$ {100 * share:g} %" for share in EFFICIENCIES))
    for index, (value, text, colour) in enumerate(
        zip(targets, labels, ("black", "#0072B2", "#D55E00"), strict=True)
    ):
        left.errorbar(
            at * 1.012 ** (index - 1),
            tails.background[index, :, 0] / value,
            tails.errors[index] / value,
            color=colour,
            marker="os^"[index],
            markersize=4,
            linewidth=0.8,
            elinewidth=1.1,
            capsize=2,
            label=text,
        )
    left.axhline(1.0, color="0.5", linewidth=0.8, linestyle=":")
    left.set_ylabel("background, relative to what is meant")
    left.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3)
    colours = colormaps["viridis"](np.linspace(0, 0.92, len(at)))
    for index, (mass, colour) in enumerate(zip(MASSES, colours, strict=True)):
        mean = tails.signal.get(label(mass))
        if mean is None:
            continue
        labelled = index in np.linspace(0, len(at) - 1, 8).round()
        right.plot(at, mean, color=colour, linewidth=1.2, label=label(mass) if labelled else None)
        right.plot(at[index], mean[index], color=colour, marker="o", markersize=5)
    right.plot(at, tails.background[0, :, 0], color="black", marker="s", markersize=3, label="background")
    right.set_yscale("log")
    right.set_ylabel("mean tail probability")
    right.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    for axes in (left, right):
        logarithmic(axes)
        axes.set_xlabel("$m_X$ (GeV) asked")
        tidy(axes)
    return figure
