"""From a sample to what networks learn from: preselection, two halves, masses for the background, weights.

As in the original study: events with even and odd numbers are two samples of their own, each with its own
scales and its own draw of masses; what is learned from one is asked about the other.
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

#: Fewer events of a class than this in a half are no training.
FEWEST = 20


@dataclass(frozen=True)
class Half:
    """Preselected events with even or with odd numbers.

    Parameters
    ----------
    features : ndarray, shape (events, features)
        As they are in the file, single precision.
    signal : ndarray of bool, shape (events,)
    masses : ndarray, shape (events,)
        Of X in GeV; drawn from those of the signal for background.
    weights : ndarray, shape (events,)
        Sum to 1 in each class and mass.
    original : ndarray, shape (events,)
        What the file says: events expected in the data for each.
    hh_mass : ndarray, shape (events,)
        Mass of all candidates, GeV; NaN where the file does not have it.
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
    """Which events of a sample pass the preselection."""
    return preselected(sample.columns)


def features(sample: Sample) -> NDArray[np.float32]:
    """The networks' columns, shape (events, features)."""
    return np.stack([np.asarray(sample[name], dtype=np.float32) for name in FEATURES], axis=1)


def balanced(signal: NDArray[np.bool_], masses: NDArray[np.floating]) -> NDArray[np.float64]:
    """Weights that sum to 1 in each class and mass."""
    _, group = np.unique(np.stack([signal, masses], axis=1), axis=0, return_inverse=True)
    group = group.reshape(-1)
    return 1.0 / np.bincount(group)[group]


def halves(sample: Sample, held_out: Sequence[int], seed: int) -> tuple[Half, Half]:
    """Preselected events with even, and with odd, numbers; none of the signal with a held-out mass.

    Parameters
    ----------
    sample : Sample
        With the columns of the truth.
    held_out : sequence of int
        Masses that are not learned.
    seed : int
        Of the masses drawn for the background.

    Raises
    ------
    BadInput
        When a half has too few events of signal or background.
    """
    signal = is_signal(sample)
    true = np.asarray(sample["res_mass"])
    rows = selected(sample) & ~(signal & np.isin(true, list(held_out)))
    matrix, original = features(sample), np.asarray(sample["weight_central"], dtype=float)
    hh_mass = sample["HH_cand_mass"] if "HH_cand_mass" in sample else np.full(len(sample), np.nan)
    found = []
    for parity, name in enumerate(("even", "odd")):
        chosen = np.flatnonzero(rows & (np.asarray(sample["event"]) % 2 == parity))
        ours = signal[chosen]
        few = min(ours.sum(), (~ours).sum())
        if few < FEWEST:
            raise BadInput(
                f"{sample.source}: {ours.sum()} signal and {(~ours).sum()} background events with {name} "
                f"numbers pass the preselection; {FEWEST} of each are needed: give more files or train_events"
            )
        masses = true[chosen].astype(np.float32)
        rng = np.random.default_rng((seed, parity))
        masses[~ours] = rng.choice(np.unique(masses[ours]), (~ours).sum())
        weights = balanced(ours, masses)
        found.append(Half(matrix[chosen], ours, masses, weights, original[chosen], hh_mass[chosen]))
    return found[0], found[1]


def folds(half: Half, number: int, rng: np.random.Generator) -> NDArray[np.integer]:
    """The fold of every event; each class and mass is spread evenly over all of them."""
    shuffled = rng.permutation(len(half))
    order = shuffled[np.lexsort((half.masses[shuffled], half.signal[shuffled]))]
    found = np.empty(len(half), dtype=int)
    found[order] = np.arange(len(half)) % number
    return found


def scales(inputs: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The input pipeline: means and standard deviations, those of one half alone."""
    deviation = inputs.std(axis=0, dtype=np.float64)
    return inputs.mean(axis=0, dtype=np.float64), np.where(deviation > 0, deviation, 1.0)
