"""Networks from the slices of a hit to its energy, all scalings inside, of built-in layers and ``keras.ops``.

The original study's network must learn that energy is gain times charge. Ours starts from that product,
Method 0, and learns the logarithm of a factor on it.
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

#: What the original study gave its network, in its order: four numbers, then four times eight slices.
COLUMNS = ("ieta", "iphi", "depth", "gain", "raw", "ped", "inNoiseADC", "inNoisePhoto")
#: Numbers that they hold.
_INPUTS = 4 + 4 * SLICES
#: Layers of the original study's network between input and output, and the momentum of its normalisations.
_SEED_WIDTHS, _MOMENTUM = (36, 11, 3), 0.6
#: Smallest charge that counts as a hit, and the scale below which charges are seen linearly, fC.
_LEAST, _LINEAR = 100.0, 50.0
#: Answers further than this many of its floors from the truth count linearly in the loss.
_HUBER = 1.5


@dataclass(frozen=True)
class Architecture:
    """A network and its training.

    Parameters
    ----------
    kind : {"default", "seed"}
    width, depth : int
        Units of a hidden layer, and how many of them; the original study's network has its own.
    activation : str
        Of the hidden layers.
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
    """Energy in GeV by the original study's network, shape (n, 1)."""
    hidden = layers.BatchNormalization(momentum=_MOMENTUM)(vector)
    for place, width in enumerate(_SEED_WIDTHS):
        hidden = layers.Dense(width, activation="relu")(hidden)
        if place < len(_SEED_WIDTHS) - 1:
            hidden = layers.BatchNormalization(momentum=_MOMENTUM)(hidden)
    return layers.Dense(1)(hidden)


def _features(vector: keras.KerasTensor) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """What our network sees, shape (n, 20), and the energy by Method 0 in GeV, at least that of `_LEAST`.

    Charges of all slices, which go from noise to four decades above it; their shares of the sum; the sum; the
    gain; and where the hit is. Azimuths are alike.
    """
    gain, charge = vector[:, 3:4], vector[:, 4 : 4 + SLICES] - vector[:, 4 + SLICES : 4 + 2 * SLICES]
    total = ops.sum(charge[:, WINDOW], axis=1, keepdims=True) / CONTAINED
    total = ops.maximum(total, _LEAST)
    seen = [
        ops.arcsinh(charge / _LINEAR),
        charge / total,
        ops.log(total),
        ops.log(gain),
        ops.abs(vector[:, :1]),
        vector[:, 2:3],
    ]
    return ops.concatenate(seen, axis=1), gain * total


def build(architecture: Architecture, inputs: NDArray[np.floating]) -> keras.Model:
    """A fresh network from `COLUMNS`, shape (n, 36), to energies in GeV, standardised by training hits."""
    vector = keras.Input((_INPUTS,), name="columns")
    if architecture.kind == "seed":
        return keras.Model(vector, _seed(vector))
    seen, start = _features(vector)
    values = predict(keras.Model(vector, seen), inputs)
    scale = 1.0 / np.maximum(values.std(axis=0, dtype=np.float64), 1e-3)
    offset = -scale * values.mean(axis=0, dtype=np.float64)
    hidden = layers.Rescaling(scale.tolist(), offset.tolist())(seen)
    for _ in range(architecture.depth):
        hidden = layers.Dense(architecture.width, activation=architecture.activation)(hidden)
    factor = layers.Dense(1, kernel_initializer="zeros")(hidden)
    return keras.Model(vector, start * ops.exp(factor))


def examples(sample: Sample) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """What a network learns from: `COLUMNS`, shape (n, 36), and true energies, shape (n, 1).

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
    """A network trained on nine tenths of the hits and validated on the last one.

    The original study's learns by the squared error in GeV. Ours by the error of the logarithm in units of
    the hit's floor (see `projects.facile.simulation.readout.floor`), so that a hit of any energy counts, and
    by Huber's function, so that those under pile-up do not count for more.
    """
    x, y = inputs.astype(np.float32), truth.astype(np.float32)
    kept = 9 * len(x) // 10
    model = build(architecture, x[:kept])
    seed = architecture.kind == "seed"
    if not seed:  # with the gain, of which the loss makes the floor
        y = np.concatenate([y, x[:, 3:4]], axis=1)
    plan = Plan(
        epochs=architecture.epochs,
        batch=architecture.batch,
        rate=architecture.rate,
        constant=seed,
        patience=architecture.patience or None,
    )
    data, validation = (x[:kept], y[:kept]), (x[kept:], y[kept:])
    train(architecture.kind, model, _squared if seed else _in_floors, data, validation, plan, bench)
    return model


def _squared(wanted: keras.KerasTensor, found: keras.KerasTensor) -> keras.KerasTensor:
    return ops.mean(ops.square(wanted - found))


def _in_floors(wanted: keras.KerasTensor, found: keras.KerasTensor) -> keras.KerasTensor:
    energy, gain = wanted[:, :1], wanted[:, 1:]
    floor = ops.sqrt((SAMPLING**2 + PER_ELECTRON * gain) / energy)
    missed = ops.abs(ops.log(found / energy)) / floor
    return ops.mean(ops.where(missed < _HUBER, 0.5 * ops.square(missed), _HUBER * (missed - 0.5 * _HUBER)))
