"""The architectures that compete for the smallest network which knows a particle's mass, and their training.

All take the four columns of a basis and give the mass in GeV; scales are constants inside of them. They are
made of built-in layers and ``keras.ops``, so that their files load anywhere. Double precision, because m^2 is
a small difference of large squares: in single precision a muon of 100 GeV has no mass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from projects.mass.levenberg_marquardt import LeastSquares
from projects.task import Bench
from projects.training import Plan, train

__all__ = ["DEFAULT", "FAMILY", "Architecture", "train_seed", "train_small"]

#: Momentum in GeV that the networks see as one.
SCALE = 100.0

#: Middle and width in GeV of the masses 0.1 to 100 by which the notebook scaled its target.
_MIDDLE, _WIDTH = 50.05, 99.9 / 12.0**0.5


def _dense(units: int, activation: str | None = None, bias: bool = True, **options: Any) -> layers.Dense:
    return layers.Dense(units, activation=activation, use_bias=bias, dtype="float64", **options)


def _root(squared: keras.KerasTensor) -> keras.KerasTensor:
    """Square root that keeps the sign, so that a negative m^2 has an answer and a slope."""
    return ops.sign(squared) * ops.sqrt(ops.abs(squared))


def _momenta(vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """Four quantities of the size of a momentum, in units of `SCALE`.

    In the polar basis eta acts as a boost does: it multiplies pt by exp(eta) and exp(-eta). Their sum is
    twice the momentum, but that is left to the network; phi has no say.
    """
    if basis == "cartesian":
        return vector / SCALE
    e, pt, eta = (vector[:, index : index + 1] for index in range(3))
    return ops.concatenate([e, pt, pt * ops.exp(eta), pt * ops.exp(-eta)], axis=1) / SCALE


def _logarithms(vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """Logarithms of the momenta; eta is one already."""
    if basis == "cartesian":
        return ops.log(ops.abs(vector) / SCALE + 1e-12)
    return ops.concatenate([ops.log(vector[:, 0:2] / SCALE + 1e-12), vector[:, 2:3]], axis=1)


def _plain(vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """Columns as they are, brought to the size of one."""
    return vector / np.array([SCALE] * 4 if basis == "cartesian" else [SCALE, SCALE, 1.0, 1.0])


def _squares(vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """m^2 as a weighted sum of squares: the network learns a metric tensor."""
    return _root(_dense(1, bias=False)(ops.square(_momenta(vector, basis))))


def _hidden(
    units: tuple[int, ...], activation: str, squared: bool, vector: keras.KerasTensor, basis: str
) -> keras.KerasTensor:
    """Ordinary dense layers, behind squares or behind the columns as they are."""
    values = ops.square(_momenta(vector, basis)) if squared else _plain(vector, basis)
    for number in units:
        values = _dense(number, activation)(values)
    return _dense(1)(values)


def _products(units: int, vector: keras.KerasTensor, basis: str) -> keras.KerasTensor:
    """m^2 as a sum of products of learned powers: squares, and cosh(eta) too, must be found.

    R. Durbin and D. E. Rumelhart, Neural Computation 1 (1989) 133.
    """
    # Small first exponents: a product that starts as a high power of something drowns all others.
    small = keras.initializers.RandomNormal(stddev=0.3)
    powers = _dense(units, "exponential", bias=False, kernel_initializer=small)(_logarithms(vector, basis))
    return _root(_dense(1, bias=False)(powers))


@dataclass(frozen=True)
class Architecture:
    """One competitor.

    Parameters
    ----------
    name : str
        Name in tables and in the setting ``network``.
    meaning : str
        Its layers, in words.
    body : callable or None
        ``body(vector, basis)`` from the input tensor to the mass in units of `SCALE`; None: the notebook's.
    """

    name: str
    meaning: str
    body: Callable[[keras.KerasTensor, str], keras.KerasTensor] | None

    def build(self, basis: str) -> keras.Model:
        """A fresh network with random weights."""
        if self.body is None:
            vector = keras.Input((4,))
            hidden = layers.Dense(8)(layers.Dense(8)(vector))
            scaled = layers.Dense(1, kernel_initializer="glorot_normal")(hidden)
            return keras.Model(vector, scaled * _WIDTH + _MIDDLE)
        vector = keras.Input((4,), dtype="float64")
        return keras.Model(vector, self.body(vector, basis) * SCALE)

    def train(
        self, basis: str, inputs: NDArray[np.floating], truth: NDArray[np.floating], bench: Bench
    ) -> keras.Model:
        """A trained network, see `train_small` and `train_seed`."""
        trainer = train_seed if self.body is None else train_small
        return trainer(partial(self.build, basis), inputs, truth, bench)


FAMILY: Mapping[str, Architecture] = {
    item.name: item
    for item in (
        Architecture("seed", "dense 8, 8, 1, all linear, by Adam: the notebook's", None),
        Architecture("gelu-8-2", "dense 8, 2 gelu, 1", partial(_hidden, (8, 2), "gelu", False)),
        Architecture(
            "squares-softplus-2", "squares, 2 softplus, 1", partial(_hidden, (2,), "softplus", True)
        ),
        Architecture("squares-gelu-3", "squares, 3 gelu, 1", partial(_hidden, (3,), "gelu", True)),
        Architecture(
            "squares-softplus-3", "squares, 3 softplus, 1", partial(_hidden, (3,), "softplus", True)
        ),
        Architecture("products-3", "logarithms, 3 products of powers, sum, root", partial(_products, 3)),
        Architecture("products-4", "logarithms, 4 products of powers, sum, root", partial(_products, 4)),
        Architecture("squares", "squares, sum, root", _squares),
    )
}

#: The smallest that is exact, in both bases.
DEFAULT = "squares"

#: Events of a least-squares fit; the data has no noise, so a hundred events a weight are plenty.
_EVENTS = 2000
#: Random starts, steps of each, and the mean square at which no further start is needed.
_STARTS, _STEPS, _FOUND = 20, 60, 1e-6
#: Residuals are divided by mass + floor. Falling floors lead from the absolute error, which has few
#: minima, to nearly the relative one, which is judged.
_FLOORS = (20.0, 5.0, 1.0)


def train_small(
    build: Callable[[], keras.Model],
    inputs: NDArray[np.floating],
    truth: NDArray[np.floating],
    bench: Bench,
) -> keras.Model:
    """The best of several random starts, refined by least squares.

    Parameters
    ----------
    build : callable
        Makes a network with new random weights.
    inputs : ndarray, shape (events, 4)
        Four-vectors.
    truth : ndarray, shape (events, 1)
        Masses in GeV.
    bench : Bench
        Gets the mean square of every start and of every floor as curves.
    """
    mass = truth[:_EVENTS, 0]
    scales = [1.0 / (mass + floor) for floor in _FLOORS]
    model = build()
    problem = LeastSquares(model, inputs[:_EVENTS], mass)
    best, found = np.inf, problem.weights
    for start in range(_STARTS):
        model.set_weights(build().get_weights())
        cost = problem.minimise(scales[0], _STEPS)
        bench.curve("starts", {"mean_square": cost}, start)
        if cost < best:
            best, found = cost, problem.weights
        if best < _FOUND:
            break
    problem.weights = found
    for stage, scale in enumerate(scales):
        bench.curve("floors", {"mean_square": problem.minimise(scale, 5 * _STEPS)}, stage)
    return model


#: The notebook's training: (optimizer steps, rate) of each call of its loop, and its batch.
_SCHEDULE, _BATCH = ((300, 0.03), (300, 0.003), (2000, 0.001)), 64


def train_seed(
    build: Callable[[], keras.Model],
    inputs: NDArray[np.floating],
    truth: NDArray[np.floating],
    bench: Bench,
) -> keras.Model:
    """The notebook's training: Adam on the squared error, three rates; parameters as in `train_small`."""
    model = build()
    x, y = inputs.astype(np.float32), truth.astype(np.float32)
    kept = min(len(x), _SCHEDULE[0][0] * _BATCH)
    for steps, rate in _SCHEDULE:
        plan = Plan(epochs=max(steps * _BATCH // kept, 1), batch=_BATCH, rate=rate, constant=True)
        loss = keras.losses.MeanSquaredError()
        train(f"seed-{rate:g}", model, loss, (x[:kept], y[:kept]), (x[:2000], y[:2000]), plan, bench)
    return model
