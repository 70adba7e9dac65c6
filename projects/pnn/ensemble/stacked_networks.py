"""Many small networks at once: equal layers stacked along a leading axis of members.

Each member is densely connected: the input of every layer is the inputs and outputs of all previous layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from numpy.typing import NDArray

__all__ = ["PIPELINE", "Stack", "behind_pipeline", "drawn", "forward", "served"]

#: Name of the layer that scales the inputs of a served network.
PIPELINE = "input_pipeline"

#: Alternating kernels and biases of every layer: shapes (members, inputs, units) and (members, 1, units).
Stack = list[NDArray[np.float32]]


def drawn(members: int, inputs: int, width: int, depth: int, seed: int) -> Stack:
    """Draw initial weights: He's normal kernels for the hidden layers, Glorot's for the output, no bias.

    The weights of a member depend only on the seed and its number.
    """
    generators = [np.random.default_rng((seed, member)) for member in range(members)]
    stack: Stack = []
    for layer in range(depth + 1):
        rows, units = inputs + layer * width, width if layer < depth else 1
        scale = np.sqrt(2.0 / rows if layer < depth else 2.0 / (rows + units))
        kernels = [scale * rng.standard_normal((rows, units)) for rng in generators]
        stack += [np.stack(kernels).astype(np.float32), np.zeros((members, 1, units), np.float32)]
    return stack


def forward(stack: Sequence[Any], inputs: Any) -> Any:
    """Compute logits (members, events) of inputs (members, events, inputs), in TensorFlow."""
    features = inputs
    *hidden, kernel, bias = stack
    for weights, biases in zip(hidden[::2], hidden[1::2], strict=True):
        values = tf.matmul(features, weights) + biases
        features = tf.concat([features, values * tf.sigmoid(values)], axis=-1)
    return (tf.matmul(features, kernel) + bias)[..., 0]


def served(
    stack: Stack,
    mean: NDArray[np.floating],
    deviation: NDArray[np.floating],
    average: NDArray[np.floating] | None,
) -> keras.Model:
    """Convert the stack to a Keras model of built-in layers that contains the input pipeline.

    Parameters
    ----------
    stack : Stack
        Trained weights.
    mean, deviation : ndarray, shape (inputs,)
        Scales of the inputs.
    average : ndarray, shape (members,), or None
        Weights of the members' responses in the average, of sum 1; None: each is an output.

    Returns
    -------
    keras.Model
        Maps inputs as in a file, shape (events, inputs), to responses between 0 and 1, shape (events, 1), or
        (events, members) without an average.
    """
    members = len(stack[0])
    vector = keras.Input((len(mean),), name="inputs")
    # Not a Normalization, because an export would treat its tensors as inputs.
    scale, offset = (values.astype(float).tolist() for values in (1.0 / deviation, -mean / deviation))
    scaled = layers.Rescaling(scale, offset, name=PIPELINE)(vector)
    features = layers.RepeatVector(members)(scaled)
    for index in range(0, len(stack) - 2, 2):
        values = _dense(stack[index], stack[index + 1], "swish", features)
        features = layers.Concatenate()([features, values])
    responses = ops.squeeze(_dense(stack[-2], stack[-1], "sigmoid", features), axis=-1)
    if average is not None:
        responses = ops.sum(responses * np.asarray(average, np.float32), axis=1, keepdims=True)
    return keras.Model(vector, responses)


def behind_pipeline(model: keras.Model) -> keras.Model:
    """Return the part of a served network after its input pipeline, which takes scaled inputs."""
    scaled = model.get_layer(PIPELINE).output
    return keras.Model(scaled, model.output)


def _dense(kernel: NDArray[np.float32], bias: NDArray[np.float32], activation: str, features: Any) -> Any:
    layer = layers.EinsumDense(
        "emi,miu->emu", output_shape=bias.shape[::2], bias_axes="mu", activation=activation
    )
    outputs = layer(features)
    layer.set_weights([kernel, bias[:, 0]])
    return outputs
