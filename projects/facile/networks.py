"""Networks from the slices of a hit to its energy, all scalings inside, of built-in layers and ``keras.ops``.

The original study's network must learn that energy is gain times charge. Ours starts from that product,
Method 0, and learns the logarithm of a correction factor.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from projects.facile.hits import positive
from projects.facile.mahi import CONTAINED, WINDOW
from projects.facile.noise import PER_ELECTRON
from projects.facile.pulse import SLICES
from projects.facile.simulation.readout import SAMPLING
from shashlik.estimators.regression import columns
from shashlik.estimators.training import Plan, predict, train
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample

__all__ = ["COLUMNS", "Architecture", "build", "examples", "train_network"]

#: Inputs of the original study's network, in its order: four numbers, then four times eight slices.
COLUMNS = ("ieta", "iphi", "depth", "gain", "raw", "ped", "inNoiseADC", "inNoisePhoto")
#: Number of values in these columns.
_INPUTS = 4 + 4 * SLICES
#: Layers of the original study's network between input and output, and the momentum of its normalisations.
_SEED_WIDTHS, _MOMENTUM = (36, 11, 3), 0.6
#: Smallest charge that counts as a hit, and the scale below which charges enter linearly, fC.
_LEAST, _LINEAR = 100.0, 50.0
#: Errors beyond this many of the hit's floors count linearly in the loss.
_HUBER = 1.5


@dataclass(frozen=True)
class Architecture:
    """A network and its training.

    Parameters
    ----------
    kind : {"default", "seed"}
    width, depth : int
        Width and number of the hidden layers; the original study's network has its own.
    activation : str
        Activation of the hidden layers.
    epochs, batch, patience : int
        As in `shashlik.estimators.training.Plan`; patience 0 is none.
    rate : float
        Peak learning rate; the original study's network is trained at a constant one.
    """

    kind: str
    width: int
    depth: int
    activation: str
    epochs: int
    batch: int
    rate: float
    patience: int


def _seed(vector: keras.KerasTensor) -> keras.KerasTensor:
    """Compute the energy in GeV by the original study's network, shape (n, 1)."""
    hidden = layers.BatchNormalization(momentum=_MOMENTUM)(vector)
    for index, width in enumerate(_SEED_WIDTHS):
        hidden = layers.Dense(width, activation="relu")(hidden)
        if index < len(_SEED_WIDTHS) - 1:
            hidden = layers.BatchNormalization(momentum=_MOMENTUM)(hidden)
    return layers.Dense(1)(hidden)


def _features(vector: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """Compute our network's features, shape (n, 20), and Method 0's energy in GeV, at least of `_LEAST`.

    Charges of all slices, which range from noise to four decades above it; their shares of the sum; the sum;
    the gain; and the position of the hit. All azimuths are equivalent.
    """
    gain, charge = vector[:, 3:4], vector[:, 4 : 4 + SLICES] - vector[:, 4 + SLICES : 4 + 2 * SLICES]
    total = ops.sum(charge[:, WINDOW], axis=1, keepdims=True) / CONTAINED
    total = ops.maximum(total, _LEAST)
    features = [
        ops.arcsinh(charge / _LINEAR),
        charge / total,
        ops.log(total),
        ops.log(gain),
        ops.abs(vector[:, :1]),
        vector[:, 2:3],
    ]
    return ops.concatenate(features, axis=1), gain * total


def build(architecture: Architecture, inputs: NDArray[np.floating]) -> keras.Model:
    """Build a network from `COLUMNS`, shape (n, 36), to energies in GeV, standardised by training hits."""
    vector = keras.Input((_INPUTS,), name="columns")
    if architecture.kind == "seed":
        return keras.Model(vector, _seed(vector))
    features, start = _features(vector)
    values = predict(keras.Model(vector, features), inputs)
    scale = 1.0 / np.maximum(values.std(axis=0, dtype=np.float64), 1e-3)
    offset = -scale * values.mean(axis=0, dtype=np.float64)
    hidden = layers.Rescaling(scale.tolist(), offset.tolist())(features)
    for _ in range(architecture.depth):
        hidden = layers.Dense(architecture.width, activation=architecture.activation)(hidden)
    factor = layers.Dense(1, kernel_initializer="zeros")(hidden)
    return keras.Model(vector, start * ops.exp(factor))


def examples(sample: Sample) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the training data: `COLUMNS`, shape (n, 36), and true energies, shape (n, 1).

    Raises
    ------
    BadInput
        For a true energy or a gain that is not positive.
    """
    positive(sample, "gain")
    return columns(sample, COLUMNS), positive(sample, "genE")[:, None]


def train_network(
    architecture: Architecture, inputs: NDArray[np.floating], truth: NDArray[np.floating], bench: Bench
) -> keras.Model:
    """Train a network on nine tenths of the hits and validate it on the last tenth.

    The original study's network minimises the squared error in GeV. Ours minimises the error of the logarithm
    in units of the hit's floor (see `projects.facile.simulation.readout.floor`), so that hits of all energies
    matter, with Huber's function, so that hits under pile-up do not dominate.
    """
    x, y = inputs.astype(np.float32), truth.astype(np.float32)
    training_size = 9 * len(x) // 10
    model = build(architecture, x[:training_size])
    seed = architecture.kind == "seed"
    if not seed:  # with the gain, from which the loss computes the floor
        y = np.concatenate([y, x[:, 3:4]], axis=1)
    plan = Plan(
        epochs=architecture.epochs,
        batch=architecture.batch,
        rate=architecture.rate,
        constant=seed,
        patience=architecture.patience or None,
    )
    data, validation = (x[:training_size], y[:training_size]), (x[training_size:], y[training_size:])
    train(architecture.kind, model, _squared if seed else _in_floors, data, validation, plan, bench)
    return model


def _squared(truth: keras.KerasTensor, prediction: keras.KerasTensor) -> keras.KerasTensor:
    return ops.mean(ops.square(truth - prediction))


def _in_floors(truth: keras.KerasTensor, prediction: keras.KerasTensor) -> keras.KerasTensor:
    energy, gain = truth[:, :1], truth[:, 1:]
    floor = ops.sqrt((SAMPLING**2 + PER_ELECTRON * gain) / energy)
    missed = ops.abs(ops.log(prediction / energy)) / floor
    return ops.mean(ops.where(missed < _HUBER, 0.5 * ops.square(missed), _HUBER * (missed - 0.5 * _HUBER)))
