"""The networks of the original study and their losses, with all variants that the study tried.

Stages 1 to 3 share the hidden layers and the output, x and y in cm from the corner of the grid and E in GeV;
they differ in the scaling of the cells. Stage 4 has wider layers and two photons.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from projects.ecal.stages.switches import Switches

__all__ = ["loss", "network", "ordered", "remembering"]

#: Units of the hidden layers, by the number of photons.
_WIDTHS = {1: (64, 128, 256, 128, 64, 32), 2: (128, 256, 512, 256, 128, 64)}
#: Mean and variance of fixed scaling, by the number of photons.
_FIXED = {1: {"mean": 3.9, "variance": 16.2}, 2: {"mean": 2.5, "variance": 13.4}}
#: Target resolution of the study: x and y in cm, E in GeV.
_RESOLUTION = (0.5, 0.5, 2.5)
#: Index of the quantity (x, y, E) that defines an order.
_BY = {"x": 0, "y": 1, "energy": 2}
_DEFAULT = Switches()

Tensor = Any
Loss = Callable[[Tensor, Tensor], Tensor]


def network(
    photons: int,
    size: int,
    scaling: str = "fixed",
    cells: NDArray[np.float32] | None = None,
    position: bool = False,
    switches: Switches = _DEFAULT,
) -> keras.Model:
    """Build a network of the study, not yet trained.

    Parameters
    ----------
    photons : {1, 2}
    size : int
        Cells on a side of the grid.
    scaling : {"none", "event", "sample", "fixed"}
        Stage 1: the cells of every event to mean 0 and variance 1, which discards the energy; stage 2: by
        mean and variance over the training events; stages 3 and 4: by a fixed mean and variance.
    cells : ndarray, shape (n, size, size)
        The training events, GeV; only for ``sample``.
    position : bool
        Whether x and y of the grid's corner are two more inputs.
    switches : Switches
        Uses ``dropout``, ``total`` and ``convolution``.
    """
    grid = keras.Input((size, size), name="cells")
    flat = layers.Reshape((size * size,))(grid)
    values = _scaled(flat, scaling, cells, photons)
    if switches.convolution:
        image = layers.Reshape((size, size, 1))(values)
        image = layers.Conv2D(switches.convolution, 3, padding="same", activation="relu")(image)
        values = layers.Flatten()(image)
    inputs, more = [grid], []
    if switches.total:
        more.append(ops.sum(flat, axis=-1, keepdims=True))
    if position:
        inputs.append(keras.Input((2,), name="corner"))
        more.append(inputs[-1])
    if more:
        # Quantities of the whole event have a fixed scale, the same for all events.
        further = more[0] if len(more) == 1 else layers.Concatenate()(more)
        values = layers.Concatenate()([values, layers.Normalization(**_FIXED[photons])(further)])
    for width in _WIDTHS[photons]:
        values = layers.Dense(width, activation="relu")(values)
        if switches.dropout:
            values = layers.Dropout(switches.dropout)(values)
    graph_inputs = inputs if len(inputs) > 1 else grid
    return keras.Model(graph_inputs, layers.Dense(3 * photons)(values), name="seed")


def _scaled(flat: Tensor, scaling: str, cells: NDArray[np.float32] | None, photons: int) -> Tensor:
    if scaling == "event":
        return layers.LayerNormalization(axis=1)(flat)
    if scaling == "sample":
        if cells is None:
            raise ValueError("scaling by the training sample needs its cells")
        values = cells.astype(np.float64)
        return layers.Normalization(mean=float(values.mean()), variance=float(values.var()))(flat)
    return flat if scaling == "none" else layers.Normalization(**_FIXED[photons])(flat)


def loss(photons: int, switches: Switches = _DEFAULT) -> Loss:
    """Return the loss of the study in x, y (cm) and E (GeV) of each photon.

    One photon: the mean of the squared errors, all with equal weight. Two: the sum of squared errors in units
    of the target resolution, by default for the better of both orders.
    """
    units = switches.units if switches.units != "stage" else ("resolution" if photons == 2 else "none")
    scale = np.tile(1 / np.array(_RESOLUTION if units == "resolution" else (1, 1, 1), np.float32), photons)

    def error(truth: Tensor, prediction: Tensor) -> Tensor:
        if switches.loss == "percentage":
            errors = 100.0 * ops.absolute(truth - prediction) / ops.maximum(ops.absolute(truth), 1e-7)
        else:
            errors = ops.square((truth - prediction) * scale)
        return ops.mean(errors, axis=-1) if photons == 1 else ops.sum(errors, axis=-1)

    def better(truth: Tensor, pair: Tensor) -> Tensor:
        return ops.minimum(error(truth, pair), error(truth, ops.roll(pair, 3, axis=-1)))

    def remembered(truth: Tensor, pairs: Tensor) -> Tensor:
        pair, before = pairs[:, :6], pairs[:, 6:]
        exchanged = ops.roll(truth, 3, axis=-1)
        same_order = error(truth, before) <= error(exchanged, before)
        return ops.where(same_order, error(truth, pair), error(exchanged, pair))

    if photons == 1:
        return error
    return {"better": better, "epoch": remembered}.get(switches.order, error)


def ordered(truth: NDArray[np.float32], order: str) -> NDArray[np.float32]:
    """Order true pairs (n, 6) with the photon of larger energy, x or y first.

    With the orders ``better`` and ``epoch`` they are unchanged: the loss orders them.
    """
    if order not in _BY:
        return truth
    value = truth.reshape(-1, 2, 3)[:, :, _BY[order]]
    return np.where((value[:, 1] > value[:, 0])[:, None], np.roll(truth, 3, axis=1), truth)


def remembering(model: keras.Model) -> tuple[keras.Model, Callable[[], None]]:
    """Combine a network with its state at the end of the previous epoch, for the order ``epoch``.

    After each epoch, the study exchanged the labels of the pairs that the network predicted in the other
    order.

    Returns
    -------
    keras.Model
        Maps the same inputs to the current and the previous pair, shape (n, 12).
    callable
        Copies the current weights to the previous state; call it after each epoch.
    """
    copy = keras.models.clone_model(model)
    before = keras.Model(copy.input, copy.output, name="before")
    before.trainable = False

    def remember() -> None:
        before.set_weights(model.get_weights())

    remember()
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    outputs = layers.Concatenate()([model(inputs), before(inputs, training=False)])
    return keras.Model(inputs, outputs, name="remembering"), remember
