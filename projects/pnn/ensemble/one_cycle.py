"""One-cycle schedule of learning rate and momentum, and the learning-rate finder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from shashlik.figures import tidy

__all__ = ["Cycle", "Suggestion", "cycle_figure", "finder_figure", "one_cycle", "suggested", "sweep"]


@dataclass(frozen=True)
class Cycle:
    """One cycle: the rate rises and falls along a cosine while the momentum falls and rises.

    L. N. Smith, arXiv:1803.09820, with the lengths 45 and 90 sub-epochs of the original study.

    Parameters
    ----------
    epochs, batch : int
        Epochs, and batch size.
    low, high : float
        The rate starts at the first and rises to the second, then falls to 0.
    momentum : tuple of float
        Smallest and largest; the first moment's decay in Adam.
    rise : float
        Share of the training in which the rate rises.
    patience : int
        Epochs without a better validation loss of any member after which the training ends.
    parts : int
        Sub-epochs per epoch; after each the members are validated.
    """

    epochs: int = 15
    batch: int = 256
    low: float = 1e-3
    high: float = 1e-2
    momentum: tuple[float, float] = (0.85, 0.95)
    rise: float = 1.0 / 3.0
    patience: int = 5
    parts: int = 3


def one_cycle(cycle: Cycle, steps: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return rate and momentum of each of `steps` steps."""
    rise = max(round(cycle.rise * steps), 1)
    up = 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    down = 0.5 + 0.5 * np.cos(np.pi * np.arange(steps - rise) / max(steps - rise, 1))
    height = np.concatenate([up, down])
    least, most = cycle.momentum
    rates = np.concatenate([cycle.low + (cycle.high - cycle.low) * up, cycle.high * down])
    return rates.astype(np.float32), (most - (most - least) * height).astype(np.float32)


def sweep(low: float, high: float, steps: int) -> NDArray[np.float32]:
    """Return the rates of a finder, which rise by the same factor in each step."""
    return np.geomspace(low, high, steps).astype(np.float32)


@dataclass(frozen=True)
class Suggestion:
    """Result of the learning-rate finder.

    Parameters
    ----------
    rates : ndarray, shape (steps,)
    losses : ndarray, shape (steps,)
        Smoothed mean over the members.
    spread : ndarray, shape (steps,)
        Standard deviation over the members.
    low, high : float
        Bounds between which the loss falls.
    """

    rates: NDArray[np.floating]
    losses: NDArray[np.floating]
    spread: NDArray[np.floating]
    low: float
    high: float


def suggested(rates: NDArray[np.floating], losses: NDArray[np.floating]) -> Suggestion:
    """Derive bounds of the rate from the losses of a sweep.

    At the lower bound the loss has fallen a fifth of the way from its first to its smallest value, at the
    upper bound nine tenths: between them the curve falls, beyond them it turns.

    Parameters
    ----------
    rates : ndarray, shape (steps,)
    losses : ndarray, shape (members, steps)
    """
    window = max(len(rates) // 25, 1)
    kernel = np.ones(2 * window + 1) / (2 * window + 1)
    padded = np.pad(np.nan_to_num(losses, nan=1e3, posinf=1e3), ((0, 0), (window, window)), mode="edge")
    smooth = np.stack([np.convolve(member_loss, kernel, mode="valid") for member_loss in padded])
    mean = np.median(smooth, axis=0)
    first, least = mean[: max(window, 1)].mean(), int(np.argmin(mean))
    progress = (first - mean[: least + 1]) / max(first - mean[least], 1e-12)
    high = int(np.argmax(progress >= 0.9))
    # The last rate below the limit, because a fluctuating loss may exceed it earlier by chance.
    below = np.flatnonzero(progress[:high] < 0.2)
    low = min(int(below[-1]) + 1, high) if len(below) else 0
    return Suggestion(rates, mean, smooth.std(axis=0), float(rates[low]), float(rates[high]))


def finder_figure(found: Mapping[str, Suggestion], used: tuple[float, float]) -> Figure:
    """Draw loss against rate for each half, with the suggested bounds and those in use (0: suggested)."""
    figure = Figure(figsize=(5.2 * len(found), 4.2), layout="constrained")
    for ax, (name, suggestion) in zip(
        figure.subplots(1, len(found), squeeze=False)[0], found.items(), strict=True
    ):
        tidy(ax)
        shown = suggestion.losses < 2.0 * suggestion.losses[0]
        ax.plot(suggestion.rates[shown], suggestion.losses[shown], color="C0", label="median of the members")
        low, high = (suggestion.losses + sign * suggestion.spread for sign in (-1, 1))
        ax.fill_between(suggestion.rates[shown], low[shown], high[shown], color="C0", alpha=0.2, lw=0)
        ax.axvspan(suggestion.low, suggestion.high, color="C1", alpha=0.2, lw=0, label="suggested")
        for index, rate in enumerate((used[0] or suggestion.low, used[1] or suggestion.high)):
            ax.axvline(rate, color="C3", ls="--", lw=1, label="in use" if not index else None)
        ax.set(xscale="log", xlabel="learning rate", ylabel="loss", title=f"{name} events")
        ax.set_ylim(0.95 * suggestion.losses.min(), 1.2 * suggestion.losses[0])
        ax.legend()
    return figure


def cycle_figure(
    halves: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating], NDArray[np.integer]]], parts: int
) -> Figure:
    """Draw the validation loss of every member against sub-epochs, and the mean training loss.

    Parameters
    ----------
    halves : mapping of str to (losses, training, best)
        By half: losses of shape (members, sub-epochs), and for each member the sub-epoch of its final
        weights.
    parts : int
        Sub-epochs per epoch.
    """
    figure = Figure(figsize=(5.2 * len(halves), 4.2), layout="constrained")
    for ax, (name, (losses, training, best)) in zip(
        figure.subplots(1, len(halves), squeeze=False)[0], halves.items(), strict=True
    ):
        tidy(ax)
        steps = np.arange(1, losses.shape[1] + 1)
        for index, member_losses in enumerate(losses):
            colour, text = f"C{index % 10}", "validation, each member" if not index else None
            ax.plot(steps, member_losses, lw=0.8, color=colour, label=text)
            ax.plot(best[index] + 1, member_losses[best[index]], "o", ms=4, color=colour)
        ax.plot(steps, training.mean(axis=0), color="black", ls="--", lw=1.2, label="training, mean")
        ax.set(xlabel=f"sub-epoch ({parts} an epoch)", ylabel="loss", title=f"{name} events")
        settled = losses[:, min(2, losses.shape[1] - 1) :]
        ax.set_ylim(0.98 * min(settled.min(), training.mean(axis=0).min()), 1.02 * settled.max())
        ax.legend()
    return figure
