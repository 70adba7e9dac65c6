"""The network that finds photons anywhere in an image of cells: what it says of every cell, and its peaks.

It is convolutional throughout, so that it is trained on small images and used on large ones. A cell says
whether it claims a photon (a logit), where (cm from the cell's centre), and with which energy. A photon near
a cell's border is claimed by the neighbour too, so that nobody needs to know on which side it is; of cells
that place a photon at about the same spot the surest one stays (non-maximum suppression). A cell between two
photons claims neither. Before any training it is the usual finder of clusters: highest cells among their
neighbours, centre of gravity and energy of 3 x 3 cells.
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

#: A cell claims the nearest photon up to this far (cells) from its centre, along the rows and the columns;
#: one that is not in it only if every other photon is farther than the second number.
_CLAIM, _CLEAR = 0.75, 1.0
#: Claims closer to each other than this (cm) are one photon's.
_SAME = 3.0
#: Errors of position (cm) and ln E below which the loss is quadratic and beyond which it is linear.
_POSITION, _ENERGY = 0.3, 0.15
#: Side of the first layer's filters; those of the others have three cells.
_FIRST = 5
#: Somewhere that no photon is, cm.
_AWAY = 1e4

Tensor = Any


def finder_network(pitch: float, width: int = 32, depth: int = 3) -> keras.Model:
    """From cells (n, rows, columns) in GeV, of any number, to what every cell says: (n, rows, columns, 4).

    Logit of a claim, the photon's x and y in cm from the cell's centre, and ln(E/GeV).

    Parameters
    ----------
    pitch : float
        Side of a cell in cm.
    width, depth : int
        Filters of a layer, and how many layers look at neighbours: `depth` = 3 sees 9 x 9 cells.
    """
    cells = keras.Input((None, None), name="cells")
    image = cells[..., None]
    hidden = ops.concatenate([ops.sqrt(image) * 0.3, ops.log1p(image * 10.0) * 0.3], axis=-1)
    # All cells beyond the border are empty ones; padding each layer's output would be something else.
    hidden = layers.ZeroPadding2D(_FIRST // 2 + depth - 1)(hidden)
    hidden = layers.Conv2D(width, _FIRST, activation="relu")(hidden)
    for _ in range(depth - 1):
        hidden = layers.Conv2D(width, 3, activation="relu")(hidden)
    hidden = layers.Conv2D(2 * width, 1, activation="relu")(hidden)
    small = keras.initializers.RandomNormal(stddev=0.01)
    said = layers.Conv2D(4, 1, kernel_initializer=small)(hidden) + _gravity(image)
    return keras.Model(cells, said * np.array([1.0, pitch, pitch, 1.0], dtype="float32"), name="finder")


def _gravity(image: Tensor) -> Tensor:
    """The same four numbers, positions in cells, by 3 x 3 cells: image (n, rows, columns, 1)."""
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
    """Loss of what lit cells say; cells without energy have no say.

    Cross entropy of the claims, and for cells with one the robust errors of the photon's place and energy.

    The truth is (n, rows, columns, 1 + 3 photons): the cells, then the photons of the event, the same for all
    cells: x and y (cm from the lower-left cell's centre) and ln E; NaN for photons that are not there.
    """

    def loss(truth: Tensor, said: Tensor) -> Tensor:
        lit = ops.cast(truth[..., 0] > 0, "float32")
        photons = (truth.shape[-1] - 1) // 3
        rows, columns = ops.shape(truth)[1], ops.shape(truth)[2]
        x = truth[..., 1::3] - (pitch * ops.cast(ops.arange(columns), "float32"))[:, None]
        y = truth[..., 2::3] - (pitch * ops.cast(ops.arange(rows), "float32"))[:, None, None]
        there = ops.logical_not(ops.isnan(truth[..., 1::3]))
        x, y, energy = (ops.where(there, value, _AWAY) for value in (x, y, truth[..., 3::3]))
        far = ops.maximum(ops.absolute(x), ops.absolute(y)) / pitch
        nearest = ops.one_hot(ops.argmin(far, axis=-1), photons)
        x, y, energy = (ops.sum(nearest * value, axis=-1) for value in (x, y, energy))
        first, second = ops.min(far, axis=-1), ops.min(far + _AWAY * nearest, axis=-1)
        beside = ops.logical_and(first < _CLAIM, second > _CLEAR)
        claim = ops.cast(ops.logical_or(first < 0.5, beside), "float32")
        logit = said[..., 0]
        entropy = ops.relu(logit) - logit * claim + ops.log1p(ops.exp(-ops.absolute(logit)))
        off = [
            ops.square((said[..., 1] - x) / _POSITION),
            ops.square((said[..., 2] - y) / _POSITION),
            ops.square((said[..., 3] - energy) / _ENERGY),
        ]
        miss = ops.sqrt(1.0 + sum(off)) - 1.0
        return ops.sum(lit * (entropy + 0.2 * claim * ops.where(claim > 0, miss, 0.0)), axis=(1, 2))

    return loss


def peaks(cells: Tensor, said: Tensor, pitch: float, photons: int) -> tuple[Tensor, Tensor]:
    """The photons of an image, those of the surest claims.

    Parameters
    ----------
    cells : tensor, shape (n, rows, columns)
        GeV.
    said : tensor, shape (n, rows, columns, 4)
        By `finder_network`.
    pitch : float
        Side of a cell in cm.
    photons : int
        Photons reported at most.

    Returns
    -------
    points : tensor, shape (n, photons, 3)
        x, y (cm from the centre of the lower-left cell) and ln E, the surest first; where there are fewer
        photons than reported, what was next to be one.
    number : tensor, shape (n,)
        Photons found; one more than reported stands for any number more.
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
    """Augmentation by the eight symmetries of a square image, one drawn for each event, for `finder_loss`.

    Takes cells (n, size, size), photons (n, 3 photons) and a stateless seed; makes of the photons the truth
    of the loss.
    """

    def augment(cells: Tensor, photons: Tensor, seed: Tensor) -> tuple[Tensor, Tensor]:
        cells, photons = mirrored(cells.shape[1], pitch)(cells, photons, seed)
        return cells, lesson(cells, photons)

    return augment


def lesson(cells: Tensor, photons: Tensor) -> Tensor:
    """Truth as `finder_loss` takes it, of cells (n, rows, columns) and photons (n, 3 photons)."""
    shape = tf.concat([tf.shape(cells), [photons.shape[-1]]], axis=0)
    return tf.concat([cells[..., None], tf.broadcast_to(photons[:, None, None], shape)], axis=-1)
