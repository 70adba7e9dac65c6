"""Is the tail probability flat on background, and is that of a signal lowest at its own mass?

Asked are the events whose numbers leave 2 or 3 when divided by 4. The tables for these come from the others:
no event is in a table that is used here. Among all events means would be 1/2 whatever the responses, as the
quarters of a half are ranked among each other.
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

#: Cuts on the tail probability, each meant to keep this share of the background.
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
        """Standard errors, shape (1 + efficiencies, masses), of the events asked; the tables add as much."""
        return self.background[..., 1:].std(axis=-1, ddof=1)

    @property
    def lowest(self) -> dict[str, int]:
        """How many steps of the grid from its own mass each signal is least like background."""
        own = {label(mass): place for place, mass in enumerate(MASSES)}
        return {name: int(np.argmin(mean)) - own[name] for name, mean in self.signal.items()}


class _BackgroundOf:
    """Means and shares of tail probabilities in replicas, shape (1 + efficiencies, masses, replicas)."""

    def __init__(self, tails: NDArray[np.floating]) -> None:
        parts = [tails, *(tails <= share for share in EFFICIENCIES)]
        self._values = np.concatenate(parts, axis=1).astype(np.float32)

    def __call__(self, counts: NDArray[np.integer]) -> NDArray[np.floating]:
        found = (counts.astype(np.float32) @ self._values) / counts.sum(axis=1, keepdims=True)
        return found.T.reshape(1 + len(EFFICIENCIES), len(MASSES), len(counts))


def measured(sample: Sample, predictions: Mapping[str, Predictions], seed: int = 0) -> dict[str, Tails]:
    """Tail probabilities of the estimators that give them, by name.

    Parameters
    ----------
    sample : Sample
        With the columns of the truth.
    predictions : mapping of str to Predictions
        About its events, by estimator.
    seed : int
        Of the bootstrap.
    """
    asked = selected(sample) & (quarter(sample.columns) >= QUARTERS // 2)
    signal, true = is_signal(sample), np.asarray(sample["res_mass"])
    rows = np.flatnonzero(asked & ~signal)
    names = [f"p{mass}" for mass in MASSES]
    tails = {
        name: np.stack([found[output] for output in names], axis=1)
        for name, found in predictions.items()
        if names[0] in found
    }
    if not len(rows) or not tails:
        return {}
    statistics = {name: _BackgroundOf(values[rows]) for name, values in tails.items()}
    drawn = replicate(statistics, len(rows), REPLICAS, np.random.default_rng(seed))
    once = np.ones((1, len(rows)), dtype=np.uint8)
    own = {label(mass): asked & signal & (true == mass) for mass in MASSES}
    return {
        name: Tails(
            np.concatenate([statistics[name](once), drawn[name]], axis=-1),
            {of: values[chosen].mean(axis=0) for of, chosen in own.items() if chosen.any()},
        )
        for name, values in tails.items()
    }


def metrics(found: Mapping[str, Tails]) -> dict[str, float]:
    """Numbers of all estimators under their metric names.

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
            one = interval(float(ratio[0]), ratio[1:])
            for ending, value in (("", one.value), ("_low", one.low), ("_high", one.high)):
                numbers[f"{key}_flatness{ending}"] = value
        numbers |= {f"{name}/tail_peak/{of}": float(steps) for of, steps in tails.lowest.items()}
    return numbers


def draw(tails: Tails) -> Figure:
    """What cuts keep of the background relative to what they should, and the signals' tail probabilities."""
    figure = Figure(figsize=(11.5, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    at = np.array(MASSES, dtype=float)
    meant = (0.5, *EFFICIENCIES)
    labels = ("mean", *(f"share of $p \\leq$ {100 * share:g} %" for share in EFFICIENCIES))
    for place, (value, text, colour) in enumerate(
        zip(meant, labels, ("black", "#0072B2", "#D55E00"), strict=True)
    ):
        left.errorbar(
            at * 1.012 ** (place - 1),
            tails.background[place, :, 0] / value,
            tails.errors[place] / value,
            color=colour,
            marker="os^"[place],
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
    for place, (mass, colour) in enumerate(zip(MASSES, colours, strict=True)):
        mean = tails.signal.get(label(mass))
        if mean is None:
            continue
        few = place in np.linspace(0, len(at) - 1, 8).round()
        right.plot(at, mean, color=colour, linewidth=1.2, label=label(mass) if few else None)
        right.plot(at[place], mean[place], color=colour, marker="o", markersize=5)
    right.plot(at, tails.background[0, :, 0], color="black", marker="s", markersize=3, label="background")
    right.set_yscale("log")
    right.set_ylabel("mean tail probability")
    right.legend(fontsize=8, frameon=False, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=5)
    for axes in (left, right):
        logarithmic(axes)
        axes.set_xlabel("$m_X$ (GeV) asked")
        tidy(axes)
    return figure
