"""Training halves of a sample: preselection, two halves, masses for the background, weights.

As in the original study, events with even and odd numbers are two independent samples, each with its own
scales and its own random masses; a network trained on one is evaluated on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.pnn.schema import FEATURES, is_signal
from projects.pnn.selection import preselected
from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["Half", "balanced", "features", "folds", "halves", "scales", "selected"]

#: Fewest events of a class in a half for a training.
FEWEST = 20


@dataclass(frozen=True)
class Half:
    """Preselected events with even or with odd numbers.

    Parameters
    ----------
    features : ndarray, shape (events, features)
        Features as in the file, single precision.
    signal : ndarray of bool, shape (events,)
    masses : ndarray, shape (events,)
        Mass of X in GeV; for background a random mass of the signal.
    weights : ndarray, shape (events,)
        Sum to 1 in each class and mass.
    original : ndarray, shape (events,)
        Weight in the file: events expected in the data for each.
    hh_mass : ndarray, shape (events,)
        Mass of all candidates, GeV; NaN if the file does not have it.
    """

    features: NDArray[np.float32]
    signal: NDArray[np.bool_]
    masses: NDArray[np.float32]
    weights: NDArray[np.float64]
    original: NDArray[np.float64]
    hh_mass: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.signal)


def selected(sample: Sample) -> NDArray[np.bool_]:
    """Return which events of a sample pass the preselection."""
    return preselected(sample.columns)


def features(sample: Sample) -> NDArray[np.float32]:
    """Return the networks' columns, shape (events, features)."""
    return np.stack([np.asarray(sample[name], dtype=np.float32) for name in FEATURES], axis=1)


def balanced(signal: NDArray[np.bool_], masses: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return weights that sum to 1 in each class and mass."""
    _, group = np.unique(np.stack([signal, masses], axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    return 1.0 / np.bincount(group)[group]


def halves(sample: Sample, held_out: Sequence[int], seed: int) -> tuple[Half, Half]:
    """Split preselected events into even and odd numbers, without signal of the held-out masses.

    Parameters
    ----------
    sample : Sample
        Sample with the columns of the truth.
    held_out : sequence of int
        Masses excluded from training.
    seed : int
        Random seed of the masses of the background.

    Raises
    ------
    BadInput
        If a half has too few events of signal or background.
    """
    signal = is_signal(sample)
    true = np.asarray(sample["res_mass"])
    rows = selected(sample) & ~(signal & np.isin(true, list(held_out)))
    matrix, original = features(sample), np.asarray(sample["weight_central"], dtype=float)
    hh_mass = sample["HH_cand_mass"] if "HH_cand_mass" in sample else np.full(len(sample), np.nan)
    parts = []
    for parity, name in enumerate(("even", "odd")):
        indices = np.flatnonzero(rows & (np.asarray(sample["event"]) % 2 == parity))
        truth = signal[indices]
        smallest = min(truth.sum(), (~truth).sum())
        if smallest < FEWEST:
            raise BadInput(
                f"{sample.source}: {truth.sum()} signal and {(~truth).sum()} background events with {name} "
                f"numbers pass the preselection; {FEWEST} of each are needed: give more files or train_events"
            )
        masses = true[indices].astype(np.float32)
        rng = np.random.default_rng((seed, parity))
        masses[~truth] = rng.choice(np.unique(masses[truth]), (~truth).sum())
        weights = balanced(truth, masses)
        parts.append(Half(matrix[indices], truth, masses, weights, original[indices], hh_mass[indices]))
    return parts[0], parts[1]


def folds(half: Half, number: int, rng: np.random.Generator) -> NDArray[np.integer]:
    """Assign a fold to every event; each class and mass is distributed evenly over all folds."""
    shuffled = rng.permutation(len(half))
    order = shuffled[np.lexsort((half.masses[shuffled], half.signal[shuffled]))]
    fold = np.empty(len(half), dtype=int)
    fold[order] = np.arange(len(half)) % number
    return fold


def scales(inputs: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the input pipeline: means and standard deviations, those of one half only."""
    deviation = inputs.std(axis=0, dtype=np.float64)
    return inputs.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0)
