"""Architectures that compete for the smallest network that computes a particle's mass.

All take the four columns of a basis and return the mass in GeV; scales are constants inside them. They
consist of built-in layers and ``keras.ops``, so that their files load anywhere. Double precision, because m^2
is a small difference of large squares: in single precision a muon of 100 GeV has no mass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from shashlik.estimators.levenberg_marquardt import train_tiny
from shashlik.estimators.training import Plan, train
from shashlik.task.estimator import Bench

__all__ = ["Architecture", "family", "train_seed"]

#: Momentum in GeV that the networks scale to one.
SCALE = 100.0

#: Mean and standard deviation in GeV of masses 0.1 to 100, the notebook's scaling of its target.
_MIDDLE, _WIDTH = 50.05, 99.9 / 12.0**0.5


def _dense(units: int, activation: str | None = None, bias: bool = True) -> layers.Dense:
    return layers.Dense(units, activation=activation, use_bias=bias, dtype="float64")


def _momenta(vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """Return four quantities of the order of a momentum, in units of `SCALE`.

    In the polar basis eta acts like a boost: it multiplies pt by exp(eta) and exp(-eta). Their sum is twice
    the momentum, which the network must learn; phi is ignored.
    """
    if basis == "cartesian":
        return vector / SCALE
    e, pt, eta = (vector[:, index : index + 1] for index in range(3))
    return ops.concatenate([e, pt, pt * ops.exp(eta), pt * ops.exp(-eta)], axis=1) / SCALE


def _plain(vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """Return the columns unchanged, except for a scale of order one."""
    return vector / np.array([SCALE] * 4 if basis == "cartesian" else [SCALE, SCALE, 1.0, 1.0])


def _squares(basis: str) -> keras.Model:
    """Build m^2 as a weighted sum of squares: the network learns a metric tensor."""
    vector = keras.Input((4,), dtype="float64")
    squared = _dense(1, bias=False)(ops.square(_momenta(vector, basis)))
    return keras.Model(vector, SCALE * ops.sign(squared) * ops.sqrt(ops.abs(squared)))


def _hidden(units: tuple[int, ...], activation: str, squared: bool, basis: str) -> keras.Model:
    """Build ordinary dense layers on squares or on the unchanged columns."""
    vector = keras.Input((4,), dtype="float64")
    values = ops.square(_momenta(vector, basis)) if squared else _plain(vector, basis)
    for number in units:
        values = _dense(number, activation)(values)
    return keras.Model(vector, SCALE * _dense(1)(values))


def _notebook(basis: str) -> keras.Model:
    vector = keras.Input((4,))
    hidden = layers.Dense(8)(layers.Dense(8)(vector))
    scaled = layers.Dense(1, kernel_initializer="glorot_normal")(hidden)
    return keras.Model(vector, scaled * _WIDTH + _MIDDLE)


#: The notebook's training: (optimizer steps, rate) of each call of its loop, and its batch.
_SCHEDULE, _BATCH = ((300, 0.03), (300, 0.003), (2000, 0.001)), 64


def train_seed(
    build: Callable[[], keras.Model],
    inputs: NDArray[np.floating],
    truth: NDArray[np.floating],
    bench: Bench,
) -> keras.Model:
    """Train as in the notebook: Adam on the squared error, three rates; parameters as in `train_tiny`."""
    model = build()
    x, y = inputs.astype(np.float32), truth.astype(np.float32)
    training_size = min(len(x), _SCHEDULE[0][0] * _BATCH)
    for steps, rate in _SCHEDULE:
        plan = Plan(epochs=max(steps * _BATCH // training_size, 1), batch=_BATCH, rate=rate, constant=True)
        loss = keras.losses.MeanSquaredError()
        train(
            f"seed-{rate:g}",
            model,
            loss,
            (x[:training_size], y[:training_size]),
            (x[:2000], y[:2000]),
            plan,
            bench,
        )
    return model


@dataclass(frozen=True)
class Architecture:
    """One competitor.

    Parameters
    ----------
    name : str
        Name in tables and in the setting ``network``.
    meaning : str
        Its layers, in words.
    build : callable
        ``build(basis)`` builds an untrained network with random weights.
    trainer : callable
        `train_tiny` or `train_seed`.
    """

    name: str
    meaning: str
    build: Callable[[str], keras.Model]
    trainer: Callable[..., keras.Model] = train_tiny

    def train(
        self, basis: str, inputs: NDArray[np.floating], truth: NDArray[np.floating], bench: Bench
    ) -> keras.Model:
        """Train a network."""
        return self.trainer(partial(self.build, basis), inputs, truth, bench)


def family(products: Callable[[str, int], keras.Model]) -> Mapping[str, Architecture]:
    """Return all competitors by name.

    Parameters
    ----------
    products : callable
        ``products(basis, count)``: the task's own network, with any number of products.
    """

    def product(count: int) -> Architecture:
        def build(basis: str) -> keras.Model:
            return products(basis, count)

        return Architecture(f"products-{count}", f"logarithms, {count} products of powers, sum, root", build)

    def hidden(units: tuple[int, ...], activation: str, squared: bool) -> Architecture:
        inner = f"{', '.join(map(str, units))} {activation}, 1"
        name = "-".join([*(["squares"] if squared else []), activation, *map(str, units)])
        meaning = f"squares, {inner}" if squared else f"columns as they are, {inner}"
        return Architecture(name, meaning, partial(_hidden, units, activation, squared))

    members = (
        Architecture("seed", "dense 8, 8, 1, all linear, by Adam: the notebook's", _notebook, train_seed),
        Architecture("squares", "squares, sum, root", _squares),
        hidden((1,), "softplus", True),
        hidden((2,), "softplus", True),
        hidden((3,), "softplus", True),
        hidden((3,), "gelu", True),
        product(3),
        product(4),
        hidden((8, 2), "gelu", False),
        hidden((16, 4), "gelu", False),
    )
    return {member.name: member for member in members}
