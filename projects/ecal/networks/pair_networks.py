"""Networks and losses of the two-photon task: start of the pair, and correction of its fit.

Pairs have no order, so every loss on pairs takes the better of both assignments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

__all__ = [
    "correction_loss",
    "correction_network",
    "mirrored",
    "start_loss",
    "start_network",
]

#: Degrees of freedom of Student's t in the correction's loss: close to a Gaussian, but robust against events
#: in which the fit confuses photons.
FREEDOM = 4.0

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def start_network(size: int, pitch: float, hypotheses: int, width: int = 384, depth: int = 2) -> keras.Model:
    """Map cells (n, size, size) in GeV to hypotheses (n, hypotheses, 6) of the pair, in the form of the fit.

    Cells enter as square root and logarithm, so that a photon of 2 GeV beside one of 200 GeV still counts.
    """
    cells = keras.Input((size, size), name="cells")
    flat = layers.Reshape((size * size,))(cells)
    total = ops.log(ops.sum(flat, axis=-1) + 0.1)[:, None, None, None]
    hidden = layers.Concatenate()([ops.sqrt(flat) * 0.3, ops.log1p(flat * 10.0) * 0.3])
    for _ in range(depth):
        hidden = layers.Dense(width, activation="relu")(hidden)
    pair = layers.Reshape((hypotheses, 2, 3))(layers.Dense(hypotheses * 6)(hidden))
    position = (size - 1) / 2 * pitch + pair[..., :2] * 5.0
    # Initially half of the visible energy each.
    energy = total - math.log(2.0) + pair[..., 2:]
    points = layers.Reshape((hypotheses, 6))(ops.concatenate([position, energy], axis=-1))
    return keras.Model(cells, points, name="start")


def start_loss(position: float = 0.3, energy: float = 0.15, others: float = 0.05) -> Loss:
    """Return the loss of the best hypothesis (multiple-choice learning), with a small weight on all of them.

    Hypotheses need not agree: they cover the local minima of the fit's chi2, of which the best is selected
    later. The weight on all hypotheses keeps those that are never best in training.

    Parameters
    ----------
    position, energy : float
        Errors (cm and in ln E) below which the loss is quadratic and beyond which it is linear.
    others : float
        Weight of the mean over the hypotheses.
    """
    scale = np.tile(np.array([1 / position, 1 / position, 1 / energy], dtype=np.float32), 2)

    def loss(truth: Tensor, points: Tensor) -> Tensor:
        straight = ops.sum(ops.square((points - truth[:, None]) * scale), axis=-1)
        flipped = ops.sum(ops.square((points - ops.roll(truth, 3, axis=-1)[:, None]) * scale), axis=-1)
        miss = ops.sqrt(1.0 + ops.minimum(straight, flipped)) - 1.0
        return (1.0 - others) * ops.min(miss, axis=-1) + others * ops.mean(miss, axis=-1)

    return loss


def correction_network(
    features: int, width: int = 128, depth: int = 3, activation: str = "relu", dropout: float = 0.0
) -> keras.Model:
    """Map views of photons (n, features) to shifts and log errors (n, 6) of x, y, ln E in typical errors."""
    view = hidden = keras.Input((features,), name="view")
    for _ in range(depth):
        hidden = layers.Dense(width, activation=activation)(hidden)
        if dropout:
            hidden = layers.Dropout(dropout)(hidden)
    # Small initial shifts: the network starts from the fit.
    small = keras.initializers.RandomNormal(stddev=0.01)
    return keras.Model(view, layers.Dense(6, kernel_initializer=small)(hidden), name="correction")


def correction_loss(truth: Tensor, answer: Tensor) -> Tensor:
    """Compute the negative log likelihood of Student's t with the network's own location and scale."""
    pull2 = ops.square((truth - answer[:, :3]) * ops.exp(-answer[:, 3:]))
    return ops.sum(answer[:, 3:] + (FREEDOM + 1) / 2 * ops.log1p(pull2 / FREEDOM), axis=-1)


def mirrored(size: int, pitch: float) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return an augmentation by the eight symmetries of the window, a random one per event.

    The result takes cells (n, size, size), photons (n, 3 photons) and a stateless seed.
    """
    far = (size - 1) * pitch

    def augment(cells: Tensor, pairs: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        flags = tf.random.stateless_uniform((3, tf.shape(cells)[0]), seed) < 0.5
        mirror_x, mirror_y, exchange = (flag[:, None] for flag in tf.unstack(flags))
        cells = tf.where(mirror_x[..., None], cells[:, :, ::-1], cells)
        cells = tf.where(mirror_y[..., None], cells[:, ::-1, :], cells)
        cells = tf.where(exchange[..., None], tf.transpose(cells, (0, 2, 1)), cells)
        x, y, energy = pairs[:, 0::3], pairs[:, 1::3], pairs[:, 2::3]
        x = tf.where(mirror_x, far - x, x)
        y = tf.where(mirror_y, far - y, y)
        x, y = tf.where(exchange, y, x), tf.where(exchange, x, y)
        return cells, tf.reshape(tf.stack([x, y, energy], axis=-1), tf.shape(pairs))

    return augment
