"""Levenberg and Marquardt's least squares on the weights of a small Keras network.

For tens of parameters a second-order method is worth thousands of gradient steps: it follows the long curved
valleys that are left when a network has no weight to spare. D. W. Marquardt, J. SIAM 11 (1963) 431.
Networks of more than some hundred weights, and noisy truth, are for `shashlik.estimators.training`.
"""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from shashlik.task.estimator import Bench

__all__ = ["LeastSquares", "train_tiny"]

#: The damping falls after a good step and rises after a bad one; beyond this no step improves anything.
_STRONGEST = 1e12
#: A mean square this small is a perfect answer in double precision.
_PERFECT = 1e-20
#: The fit ends when this many steps together gain less than this share of the mean square.
_WINDOW, _GAIN = 20, 1e-3

#: Events of a fit; with truth that has no noise a hundred events a weight are plenty.
_EVENTS = 2000
#: Random starts, steps of each, and the mean square at which no further start is needed.
_STARTS, _STEPS, _FOUND = 20, 60, 1e-6
#: Residuals are divided by truth + floor, here in units of the truth's median. Falling floors lead from the
#: absolute error, which has few minima, to nearly the relative one.
_FLOORS = (0.4, 0.1, 0.02)


class LeastSquares:
    """Sum of squared scaled residuals of a model with one output, as a function of its weights.

    Parameters
    ----------
    model : keras.Model
        Its trainable weights are changed in place.
    inputs : ndarray, shape (events, columns)
        Events; many more than the model has weights.
    truth : ndarray, shape (events,)
        What the model should answer.
    """

    def __init__(self, model: keras.Model, inputs: NDArray[np.floating], truth: NDArray[np.floating]) -> None:
        kind = model.output.dtype
        x, y = tf.constant(inputs, kind), tf.constant(truth, kind)
        self._variables = model.trainable_variables
        self._edges = np.cumsum([0] + [int(np.prod(variable.shape)) for variable in self._variables])
        values = [variable.value for variable in self._variables]

        def one(event: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                residual = (model(event[0][None])[0, 0] - event[1]) * event[2]
            slopes = tape.gradient(residual, values, unconnected_gradients="zero")
            return residual, tf.concat([tf.reshape(slope, [-1]) for slope in slopes], 0)

        self._residuals = tf.function(lambda scale: (model(x)[:, 0] - y) * scale)
        self._jacobian = tf.function(lambda scale: tf.vectorized_map(one, (x, y, scale)))

        def normal(scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # In TensorFlow, as numpy's threads and those of TensorFlow would wait for each other.
            residuals, slopes = self._jacobian(scale)
            products = tf.matmul(slopes, tf.concat([slopes, residuals[:, None]], 1), transpose_a=True)
            return tf.reduce_mean(residuals**2), products[:, :-1], products[:, -1]

        self._normal = tf.function(normal)
        self._kind = kind

    @property
    def weights(self) -> NDArray[np.floating]:
        """All trainable weights as one vector."""
        return np.concatenate([np.ravel(variable.numpy()) for variable in self._variables])

    @weights.setter
    def weights(self, vector: NDArray[np.floating]) -> None:
        for variable, low, high in zip(self._variables, self._edges[:-1], self._edges[1:], strict=True):
            variable.assign(vector[low:high].reshape(variable.shape))

    def jacobian(self, scale: NDArray[np.floating]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
        """Residuals, shape (events,), and their derivatives, shape (events, weights)."""
        residuals, slopes = self._jacobian(tf.constant(scale, self._kind))
        return residuals.numpy(), slopes.numpy()

    def minimise(self, scale: NDArray[np.floating], steps: int, damping: float = 1e-2) -> float:
        """Improve the weights until nothing is gained any more.

        Parameters
        ----------
        scale : ndarray, shape (events,)
            Factor of each residual, one over its tolerated size.
        steps : int
            Accepted steps at most.
        damping : float
            Initial factor of the diagonal.

        Returns
        -------
        float
            Mean square of the scaled residuals that is left; infinite if even the start has none.
        """
        factor, weights = tf.constant(scale, self._kind), self.weights
        cost, normal, gradient = (tensor.numpy() for tensor in self._normal(factor))
        costs = [float(cost)]
        if not np.isfinite(normal).all():
            return np.inf
        while len(costs) <= steps and costs[-1] > _PERFECT:
            # A weight without influence would make the matrix singular; it just stays where it is.
            diagonal = np.diag(normal) + 1e-12 * np.trace(normal)
            while damping < _STRONGEST:
                trial = weights - np.linalg.solve(normal + np.diag(damping * diagonal), gradient)
                self.weights = trial
                with np.errstate(over="ignore"):
                    cost = float(np.mean(self._residuals(factor).numpy() ** 2))
                if cost < costs[-1]:  # False for a trial that overflowed, too
                    break
                damping *= 4.0
            else:
                break
            weights, damping = trial, max(damping / 5.0, 1e-14)
            costs.append(cost)
            _, normal, gradient = (tensor.numpy() for tensor in self._normal(factor))
            if not np.isfinite(normal).all() or (
                len(costs) > _WINDOW and cost > (1.0 - _GAIN) * costs[-1 - _WINDOW]
            ):
                break
        self.weights = weights
        return costs[-1]


def train_tiny(
    build: Callable[[], keras.Model],
    inputs: NDArray[np.floating],
    truth: NDArray[np.floating],
    bench: Bench,
) -> keras.Model:
    """The best of several random starts, refined by least squares of the relative error.

    Parameters
    ----------
    build : callable
        Makes a network with new random weights and one output.
    inputs : ndarray, shape (events, columns)
        Events; the first two thousand are enough.
    truth : ndarray, shape (events, 1)
        What the network should answer; mostly of one sign.
    bench : Bench
        Gets the mean square of every start and of every floor as curves.
    """
    target = truth[:_EVENTS, 0]
    size = np.abs(target)
    scales = [1.0 / (size + floor * np.median(size)) for floor in _FLOORS]
    model = build()
    problem = LeastSquares(model, inputs[:_EVENTS], target)
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
