"""Joint training steps of a committee: variables of all members, and compiled steps that update them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from projects.pnn.ensemble.stacked_networks import Stack, forward

__all__ = ["Events", "Machine", "Member"]

#: Adam's decay of the second moment and smallest denominator, as in the original study.
_SECOND, _EPSILON = 0.999, 1e-8
#: Batch size of a validation.
_BATCH = 8192


@dataclass(frozen=True)
class Events:
    """Training data of all members.

    Parameters
    ----------
    inputs : ndarray, shape (events, inputs)
        Scaled inputs.
    truth : ndarray of bool, shape (events,)
    weights : ndarray, shape (events,)
        Each member scales the weights of its own events to mean 1.
    """

    inputs: NDArray[np.float32]
    truth: NDArray[np.bool_]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """The events of one member: indices of its training and validation events.

    Parameters
    ----------
    train, watch : ndarray of int
    """

    train: NDArray[np.integer]
    watch: NDArray[np.integer]


class Machine:
    """Variables of all members and the compiled functions that train and validate them."""

    def __init__(self, stack: Stack, events: Events, members: Sequence[Member]) -> None:
        self.weights = [tf.Variable(array) for array in stack]
        self.first = [tf.Variable(np.zeros_like(array)) for array in stack]
        self.second = [tf.Variable(np.zeros_like(array)) for array in stack]
        self.done = tf.Variable(np.float32(0.0))
        #: Product of all momenta up to now, for the correction of the first moment.
        self.product = tf.Variable(np.float32(1.0))
        self.inputs = tf.constant(events.inputs, tf.float32)
        self.truth = tf.constant(events.truth, tf.float32)
        self.events_weights = tf.constant(events.weights, tf.float32)
        norms = [1.0 / events.weights[member.train].mean() for member in members]
        self.norms = tf.constant(np.array(norms)[:, None], tf.float32)

    def losses(self, weights: Sequence[Any], rows: Any) -> Any:
        """Compute the mean weighted cross entropy of each member on its events, shape (members,)."""
        logits = forward(weights, tf.gather(self.inputs, rows))
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(tf.gather(self.truth, rows), logits)
        return tf.reduce_mean(cross_entropy * tf.gather(self.events_weights, rows) * self.norms, axis=1)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, None), tf.int32),
            tf.TensorSpec((None,), tf.float32),
            tf.TensorSpec((None,), tf.float32),
        ]
    )
    def steps(self, rows: Any, rates: Any, momenta: Any) -> Any:
        """Take one step of Adam per rate; return losses of shape (steps, members)."""
        step_losses = tf.TensorArray(tf.float32, size=tf.shape(rates)[0])
        for step in tf.range(tf.shape(rates)[0]):
            with tf.GradientTape() as tape:
                losses = self.losses(self.weights, rows[step])
                total = tf.reduce_sum(losses)
            gradients = tape.gradient(total, self.weights)
            momentum = momenta[step]
            self.done.assign_add(1.0)
            self.product.assign(self.product * momentum)
            scale = rates[step] * tf.sqrt(1.0 - tf.pow(_SECOND, self.done)) / (1.0 - self.product)
            for weight, first, second, gradient in zip(
                self.weights, self.first, self.second, gradients, strict=True
            ):
                first.assign(momentum * first + (1.0 - momentum) * gradient)
                second.assign(_SECOND * second + (1.0 - _SECOND) * gradient * gradient)
                weight.assign_sub(scale * first / (tf.sqrt(second) + _EPSILON))
            step_losses = step_losses.write(step, losses)
        return step_losses.stack()

    @tf.function(input_signature=[tf.TensorSpec((None, None), tf.int32)])
    def judged(self, rows: Any) -> Any:
        """Return the losses of each member, times the number of events."""
        return self.losses(self.weights, rows) * tf.cast(tf.shape(rows)[1], tf.float32)

    def validate(self, watch: NDArray[np.int32]) -> NDArray[np.float64]:
        """Return the mean validation loss of each member; `watch` has indices of shape (members, events)."""
        parts = [
            self.judged(watch[:, start : start + _BATCH]).numpy()
            for start in range(0, watch.shape[1], _BATCH)
        ]
        return np.sum(parts, axis=0, dtype=np.float64) / watch.shape[1]

    def values(self) -> Stack:
        """Return all weights as arrays."""
        return [weight.numpy() for weight in self.weights]
