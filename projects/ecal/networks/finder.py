"""Network that finds photons anywhere in an image of cells: outputs per cell, and their peaks.

The network is fully convolutional, so that it is trained on small images and applied to large ones. The
output of a cell is whether it claims a photon (a logit), the photon's position (cm from the cell's centre)
and its energy. A photon near a cell's border is also claimed by the neighbouring cell, so that its side need
not be known; of cells that place a photon at about the same position, the one with the largest logit is
selected (non-maximum suppression). A cell between two photons claims neither. Before training, the network
equals the usual cluster finder: local maxima, centre of gravity and energy of 3 x 3 cells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from projects.ecal.networks.pair_networks import mirrored

__all__ = ["finder_loss", "finder_network", "lesson", "peaks", "turned"]

#: A cell claims the nearest photon up to this distance (cells) from its centre, along rows and columns; a
#: photon outside the cell only if every other photon is farther than the second number.
_CLAIM, _CLEAR = 0.75, 1.0
#: Claims closer to each other than this (cm) are the same photon.
_SAME = 3.0
#: Errors of position (cm) and ln E below which the loss is quadratic and beyond which it is linear.
_POSITION, _ENERGY = 0.3, 0.15
#: Side of the first layer's filters; those of the other layers have three cells.
_FIRST = 5
#: A position far from all photons, cm.
_AWAY = 1e4

Tensor = Any


def finder_network(pitch: float, width: int = 32, depth: int = 3) -> keras.Model:
    """Build the finder, which maps cells (n, rows, columns) in GeV, any number, to (n, rows, columns, 4).

    Outputs per cell are the logit of a claim, the photon's x and y in cm from the cell's centre, and
    ln(E/GeV).

    Parameters
    ----------
    pitch : float
        Side of a cell in cm.
    width, depth : int
        Filters per layer, and number of layers that see neighbours: `depth` = 3 covers 9 x 9 cells.
    """
    cells = keras.Input((None, None), name="cells")
    image = cells[..., None]
    hidden = ops.concatenate([ops.sqrt(image) * 0.3, ops.log1p(image * 10.0) * 0.3], axis=-1)
    # All cells beyond the border are empty; padding the output of each layer would not be equivalent.
    hidden = layers.ZeroPadding2D(_FIRST // 2 + depth - 1)(hidden)
    hidden = layers.Conv2D(width, _FIRST, activation="relu")(hidden)
    for _ in range(depth - 1):
        hidden = layers.Conv2D(width, 3, activation="relu")(hidden)
    hidden = layers.Conv2D(2 * width, 1, activation="relu")(hidden)
    small = keras.initializers.RandomNormal(stddev=0.01)
    output = layers.Conv2D(4, 1, kernel_initializer=small)(hidden) + _gravity(image)
    return keras.Model(cells, output * np.array([1.0, pitch, pitch, 1.0], dtype="float32"), name="finder")


def _gravity(image: Tensor) -> Tensor:
    """Compute the same four outputs, positions in cells, from 3 x 3 cells: image (n, rows, columns, 1)."""
    highest = layers.MaxPooling2D(3, strides=1, padding="same")(image)
    prominent = 8.0 * (image / (highest + 0.1) - 0.75) + 2.0 * ops.minimum(ops.log(image + 0.01), 0.0)
    wide = layers.ZeroPadding2D(1)(image)
    across = wide[:, :-2] + wide[:, 1:-1] + wide[:, 2:]
    along = wide[:, :, :-2] + wide[:, :, 1:-1] + wide[:, :, 2:]
    total = across[:, :, :-2] + across[:, :, 1:-1] + across[:, :, 2:] + 0.1
    x = (across[:, :, 2:] - across[:, :, :-2]) / total
    y = (along[:, 2:] - along[:, :-2]) / total
    return ops.concatenate([prominent, x, y, ops.log(total)], axis=-1)


def finder_loss(pitch: float) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of the outputs of lit cells; cells without energy do not contribute.

    Cross entropy of the claims, and robust errors of the photon's position and energy for cells with a claim.

    The truth is (n, rows, columns, 1 + 3 photons): the cells, then the photons of the event, the same for all
    cells: x and y (cm from the lower-left cell's centre) and ln E; NaN for absent photons.
    """

    def loss(truth: Tensor, prediction: Tensor) -> Tensor:
        lit = ops.cast(truth[..., 0] > 0, "float32")
        photons = (truth.shape[-1] - 1) // 3
        rows, columns = ops.shape(truth)[1], ops.shape(truth)[2]
        x = truth[..., 1::3] - (pitch * ops.cast(ops.arange(columns), "float32"))[:, None]
        y = truth[..., 2::3] - (pitch * ops.cast(ops.arange(rows), "float32"))[:, None, None]
        present = ops.logical_not(ops.isnan(truth[..., 1::3]))
        x, y, energy = (ops.where(present, value, _AWAY) for value in (x, y, truth[..., 3::3]))
        far = ops.maximum(ops.absolute(x), ops.absolute(y)) / pitch
        nearest = ops.one_hot(ops.argmin(far, axis=-1), photons)
        x, y, energy = (ops.sum(nearest * value, axis=-1) for value in (x, y, energy))
        first, second = ops.min(far, axis=-1), ops.min(far + _AWAY * nearest, axis=-1)
        beside = ops.logical_and(first < _CLAIM, second > _CLEAR)
        claim = ops.cast(ops.logical_or(first < 0.5, beside), "float32")
        logit = prediction[..., 0]
        entropy = ops.relu(logit) - logit * claim + ops.log1p(ops.exp(-ops.absolute(logit)))
        off = [
            ops.square((prediction[..., 1] - x) / _POSITION),
            ops.square((prediction[..., 2] - y) / _POSITION),
            ops.square((prediction[..., 3] - energy) / _ENERGY),
        ]
        miss = ops.sqrt(1.0 + sum(off)) - 1.0
        return ops.sum(lit * (entropy + 0.2 * claim * ops.where(claim > 0, miss, 0.0)), axis=(1, 2))

    return loss


def peaks(cells: Tensor, said: Tensor, pitch: float, photons: int) -> tuple[Tensor, Tensor]:
    """Select the photons of an image, those of the claims with the largest logits.

    Parameters
    ----------
    cells : tensor, shape (n, rows, columns)
        GeV.
    said : tensor, shape (n, rows, columns, 4)
        Output of `finder_network`.
    pitch : float
        Side of a cell in cm.
    photons : int
        Largest number of photons reported.

    Returns
    -------
    points : tensor, shape (n, photons, 3)
        x, y (cm from the centre of the lower-left cell) and ln E, the largest logit first; if there are fewer
        photons than reported, the next candidates.
    number : tensor, shape (n,)
        Photons found; one more than reported means any larger number.
    """
    rows, columns = cells.shape[1:]
    row, column = np.mgrid[:rows, :columns].reshape(2, -1).astype("float32") * pitch
    flat = ops.reshape(said, (-1, rows * columns, 4))
    claim = ops.where(ops.reshape(cells, (-1, rows * columns)) > 0, flat[..., 0], -_AWAY)
    x, y, energy = ops.add(flat[..., 1], column), ops.add(flat[..., 2], row), flat[..., 3]
    points, sure = [], []
    for _ in range(photons + 1):
        best = ops.argmax(claim, axis=-1)[:, None]
        at_x, at_y, at_energy, logit = (
            ops.take_along_axis(value, best, axis=1) for value in (x, y, energy, claim)
        )
        points.append(ops.concatenate([at_x, at_y, at_energy], axis=-1))
        sure.append(logit[:, 0])
        same = ops.square(x - at_x) + ops.square(y - at_y) < _SAME**2
        claim = ops.where(same, -_AWAY, claim)
    number = ops.sum(ops.cast(ops.stack(sure, axis=-1) > 0, "float32"), axis=-1)
    return ops.stack(points[:photons], axis=1), number


def turned(pitch: float) -> Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Return an augmentation for `finder_loss`: a random symmetry of a square image for each event.

    It takes cells (n, size, size), photons (n, 3 photons) and a stateless seed, and converts the photons to
    the truth of the loss.
    """

    def augment(cells: Tensor, photons: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        cells, photons = mirrored(cells.shape[1], pitch)(cells, photons, seed)
        return cells, lesson(cells, photons)

    return augment


def lesson(cells: Tensor, photons: Tensor) -> Tensor:
    """Return the truth of `finder_loss` for cells (n, rows, columns) and photons (n, 3 photons)."""
    shape = tf.concat([tf.shape(cells), [photons.shape[-1]]], axis=0)
    return tf.concat([cells[..., None], tf.broadcast_to(photons[:, None, None], shape)], axis=-1)
