"""Fit the weights of a small Keras network by Levenberg and Marquardt's least squares.

For tens of parameters, a second-order method is worth thousands of gradient steps: it follows the long curved
valleys that remain when a network has no weight to spare. D. W. Marquardt, J. SIAM 11 (1963) 431. For
networks of more than some hundred weights, or noisy truth, use `shashlik.estimators.training`.
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
#: A mean square this small is a perfect fit in double precision.
_PERFECT = 1e-20
#: The fit ends when this many steps together reduce the mean square by less than this share.
_WINDOW, _GAIN = 20, 1e-3

#: Events of a fit; for truth without noise, a hundred events per weight are plenty.
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
        Model whose trainable weights are changed in place.
    inputs : ndarray, shape (events, columns)
        Events; many more than the model has weights.
    truth : ndarray, shape (events,)
        Target values of the model.
    """

    def __init__(self, model: keras.Model, inputs: NDArray[np.floating], truth: NDArray[np.floating]) -> None:
        kind = model.output.dtype
        x, y = tf.constant(inputs, kind), tf.constant(truth, kind)
        self._variables = model.trainable_variables
        self._edges = np.cumsum([0] + [int(np.prod(variable.shape)) for variable in self._variables])
        values = [variable.value for variable in self._variables]

        def event_slopes(event: tuple[tf.Tensor, tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
            with tf.GradientTape() as tape:
                residual = (model(event[0][None])[0, 0] - event[1]) * event[2]
            slopes = tape.gradient(residual, values, unconnected_gradients="zero")
            return residual, tf.concat([tf.reshape(slope, [-1]) for slope in slopes], 0)

        self._residuals = tf.function(lambda scale: (model(x)[:, 0] - y) * scale)
        self._jacobian = tf.function(lambda scale: tf.vectorized_map(event_slopes, (x, y, scale)))

        def normal(scale: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            # In TensorFlow, because the threads of numpy and TensorFlow would wait for each other.
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
        """Compute residuals, shape (events,), and their derivatives, shape (events, weights)."""
        residuals, slopes = self._jacobian(tf.constant(scale, self._kind))
        return residuals.numpy(), slopes.numpy()

    def minimise(self, scale: NDArray[np.floating], steps: int, damping: float = 1e-2) -> float:
        """Improve the weights until there is no further gain.

        Parameters
        ----------
        scale : ndarray, shape (events,)
            Factor of each residual, one over its tolerated size.
        steps : int
            Maximum number of accepted steps.
        damping : float
            Initial factor of the diagonal.

        Returns
        -------
        float
            Final mean square of the scaled residuals; infinite if the start has no finite one.
        """
        factor, weights = tf.constant(scale, self._kind), self.weights
        cost, normal, gradient = (tensor.numpy() for tensor in self._normal(factor))
        costs = [float(cost)]
        if not np.isfinite(normal).all():
            return np.inf
        while len(costs) <= steps and costs[-1] > _PERFECT:
            # A weight without influence would make the matrix singular; it keeps its value.
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
    """Train from several random starts, and refine the best by least squares of the relative error.

    Parameters
    ----------
    build : callable
        Builds a network with new random weights and one output.
    inputs : ndarray, shape (events, columns)
        Events, of which the first two thousand are used.
    truth : ndarray, shape (events, 1)
        Target values, mostly of one sign.
    bench : Bench
        Receives the mean square of every start and every floor as curves.
    """
    target = truth[:_EVENTS, 0]
    size = np.abs(target)
    scales = [1.0 / (size + floor * np.median(size)) for floor in _FLOORS]
    model = build()
    problem = LeastSquares(model, inputs[:_EVENTS], target)
    best, best_weights = np.inf, problem.weights
    for start in range(_STARTS):
        model.set_weights(build().get_weights())
        cost = problem.minimise(scales[0], _STEPS)
        bench.curve("starts", {"mean_square": cost}, start)
        if cost < best:
            best, best_weights = cost, problem.weights
        if best < _FOUND:
            break
    problem.weights = best_weights
    for stage, scale in enumerate(scales):
        bench.curve("floors", {"mean_square": problem.minimise(scale, 5 * _STEPS)}, stage)
    return model
