"""Permutation importance of each input of trained members: their loss with its values permuted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from projects.pnn.ensemble.stacked_networks import Stack, forward
from projects.pnn.ensemble.stacked_step import Events, Member

__all__ = ["importance"]

#: Largest number of events per member.
_MOST = 4000


def importance(
    stack: Stack, events: Events, members: Sequence[Member], rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute the relative growth of the loss for each input, and its error from the scatter of the members.

    Every member is evaluated on its validation events (L. Breiman, Mach. Learn. 45 (2001) 5).

    Returns
    -------
    values, errors : ndarray, shape (inputs,)
    """
    fewest = min([_MOST, *(len(member.watch) for member in members)])
    rows = np.stack([rng.permutation(member.watch)[:fewest] for member in members])
    inputs, truth, weights = events.inputs[rows], events.truth[rows], events.weights[rows]

    def losses(values: NDArray[np.float32]) -> NDArray[np.float64]:
        logits = np.asarray(forward(stack, tf.constant(values)), dtype=np.float64)
        cross_entropy = np.logaddexp(0.0, np.where(truth, -logits, logits))
        return np.average(cross_entropy, axis=1, weights=weights)

    base = losses(inputs)
    relative = []
    for column in range(inputs.shape[2]):
        exchanged = inputs.copy()
        exchanged[:, :, column] = rng.permuted(inputs[:, :, column], axis=1)
        relative.append(losses(exchanged) / base - 1.0)
    growth = np.array(relative)
    errors = growth.std(axis=1, ddof=1) / np.sqrt(len(members)) if len(members) > 1 else np.zeros(len(growth))
    return growth.mean(axis=1), errors
