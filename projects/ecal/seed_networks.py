"""The networks of single photons of the original study, and their loss.

Stages 1 to 3 share the hidden layers and the output, x and y in cm from the corner of the grid and E in GeV;
they differ in how the 25 cells are scaled. (That of stage 4 is in `projects.ecal.networks`.)
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

__all__ = ["mean_squares", "single"]

#: Units of the hidden layers.
_WIDTHS = (64, 128, 256, 128, 64, 32)


def single(scaling: str, size: int, cells: NDArray[np.float32], position: bool) -> keras.Model:
    """A network of the study, not yet trained.

    Parameters
    ----------
    scaling : {"event", "sample", "fixed"}
        Stage 1: the cells of every event to mean 0 and variance 1, which loses the energy; stage 2: by mean
        and variance over the training events; stage 3: by the fixed mean 3.9 and variance 16.2.
    size : int
        Cells on a side of the grid.
    cells : ndarray, shape (n, size, size)
        The training events, GeV.
    position : bool
        Whether x and y of the grid's corner are two more inputs; stage 3 only.
    """
    grid = keras.Input((size, size), name="cells")
    inputs, values = grid, layers.Reshape((size * size,))(grid)
    if position and scaling == "fixed":
        corner = keras.Input((2,), name="corner")
        inputs, values = [grid, corner], layers.Concatenate()([values, corner])
    if scaling == "event":
        values = layers.LayerNormalization(axis=1)(values)
    elif scaling == "sample":
        flat = cells.astype(np.float64)
        values = layers.Normalization(mean=float(flat.mean()), variance=float(flat.var()))(values)
    else:
        values = layers.Normalization(mean=3.9, variance=16.2)(values)
    for width in _WIDTHS:
        values = layers.Dense(width, activation="relu")(values)
    return keras.Model(inputs, layers.Dense(3)(values), name="seed")


def mean_squares(truth: Any, photon: Any) -> Any:
    """Mean of the squared errors of x, y (cm) and E (GeV), all with the same weight, as the study had it."""
    return ops.mean(ops.square(truth - photon), axis=-1)
