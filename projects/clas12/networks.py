"""Networks that correct a proton's momentum and the MM^2 that follows from it.

A network has one free output, dlogp; dMM2 is computed from it inside the network by the kinematics, so that
both are consistent. All scalings are inside too, and only built-in layers and ``keras.ops`` are used.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from projects.clas12.corrections import COLUMNS
from projects.clas12.kinematics import BEAM, CENTRAL, ELECTRON, PROTON
from shashlik.estimators.training import Plan, predict, train
from shashlik.task.estimator import Bench

__all__ = ["Architecture", "build", "train_network"]


@dataclass(frozen=True)
class Architecture:
    """A network and its training.

    Parameters
    ----------
    kind : {"default", "seed"}
        The first uses only the proton. The original study's network uses all eight features, has a batch
        normalisation in front of each layer, and is trained at a constant rate.
    width, depth : int
        Width and number of the hidden layers.
    activation : str
        Activation of the hidden layers.
    mm2_weight : float
        Weight of the standardised error of dMM2 in the loss, relative to 1 for dlogp.
    epochs, batch, patience : int
        As in `shashlik.estimators.training.Plan`; patience 0 is none.
    rate : float
        Peak learning rate.
    """

    kind: str
    width: int
    depth: int
    activation: str
    mm2_weight: float
    epochs: int
    batch: int
    rate: float
    patience: int


def _magnitude(vector: keras.KerasTensor) -> keras.KerasTensor:
    return ops.sqrt(ops.sum(ops.square(vector), axis=1, keepdims=True))


def _angles(vector: keras.KerasTensor) -> tuple[keras.KerasTensor, ...]:
    """Return momentum, polar angle, and cosine and sine of the azimuth, each of shape (n, 1)."""
    across = ops.sqrt(ops.sum(ops.square(vector[:, :2]), axis=1, keepdims=True))
    theta = ops.arctan2(across, vector[:, 2:])
    return _magnitude(vector), theta, vector[:, :1] / across, vector[:, 1:2] / across


def _proton_alone(vector: keras.KerasTensor) -> keras.KerasTensor:
    """Return log p, theta, cos phi, sin phi and the detector, shape (n, 5)."""
    p, theta, cosine, sine = _angles(vector[:, 3:6])
    central = ops.cast(vector[:, 6:] >= CENTRAL, "float32")
    return ops.concatenate([ops.log(p), theta, cosine, sine, central], axis=1)


def _everything(vector: keras.KerasTensor) -> keras.KerasTensor:
    """Return the eight features of `projects.clas12.kinematics.FEATURES`."""
    e, theta_e, cosine_e, sine_e = _angles(vector[:, :3])
    p, theta_p, cosine_p, sine_p = _angles(vector[:, 3:6])
    q2 = 4.0 * BEAM * e * ops.square(ops.sin(theta_e / 2.0))  # neglects the electron's mass
    grown = ops.square(p)
    minus_t = 2.0 * PROTON * grown / (ops.sqrt(grown + PROTON**2) + PROTON)
    parts = [
        ops.log(e),
        theta_e,
        ops.arctan2(sine_e, cosine_e),
        ops.log(p),
        theta_p,
        ops.arctan2(sine_p, cosine_p),
        ops.log(q2),
        ops.log(minus_t),
    ]
    return ops.concatenate(parts, axis=1)


def _shift(vector: keras.KerasTensor, dlogp: keras.KerasTensor) -> keras.KerasTensor:
    """Compute `projects.clas12.kinematics.shift_of_missing_mass_squared` in a network."""
    electron, proton = vector[:, :3], vector[:, 3:6]
    energy = ops.sqrt(ops.sum(ops.square(electron), axis=1, keepdims=True) + ELECTRON**2)
    remaining_energy = float(np.hypot(BEAM, ELECTRON)) + PROTON - energy
    along = BEAM * proton[:, 2:] - ops.sum(electron * proton, axis=1, keepdims=True)
    half = ops.tanh(dlogp / 2.0)
    gained = 2.0 * half / (1.0 - half)  # expm1, which ONNX does not have
    squared = ops.sum(ops.square(proton), axis=1, keepdims=True)
    grown = squared * gained * (2.0 + gained)
    more = grown / (ops.sqrt(squared + PROTON**2) + ops.sqrt(squared + grown + PROTON**2))
    return -2.0 * (remaining_energy * more - along * gained)


def build(
    architecture: Architecture, inputs: NDArray[np.floating], truth: NDArray[np.floating]
) -> keras.Model:
    """Build a network, not yet trained, standardised by its training events.

    Parameters
    ----------
    architecture : Architecture
    inputs : ndarray, shape (n, 7)
        `projects.clas12.corrections.COLUMNS`.
    truth : ndarray, shape (n, 2)
        dlogp and dMM2.
    """
    vector = keras.Input((len(COLUMNS),), name="columns")
    seed = architecture.kind == "seed"
    features = _everything(vector) if seed else _proton_alone(vector)
    values = predict(keras.Model(vector, features), inputs)
    # Events may all be in one detector.
    scale = 1.0 / np.maximum(values.std(axis=0, dtype=np.float64), 1e-3)
    offset = -scale * values.mean(axis=0, dtype=np.float64)
    hidden = layers.Rescaling(scale.tolist(), offset.tolist())(features)
    if seed:
        hidden = layers.BatchNormalization()(hidden)
    for _ in range(architecture.depth):
        hidden = layers.Dense(architecture.width)(hidden)
        hidden = layers.Activation(architecture.activation)(hidden)
        if seed:
            hidden = layers.BatchNormalization()(hidden)
    standard = layers.Dense(1, name="P")(hidden)
    dlogp = layers.Rescaling(float(truth[:, 0].std()), float(truth[:, 0].mean()))(standard)
    return keras.Model(vector, ops.concatenate([dlogp, _shift(vector, dlogp)], axis=1))


def train_network(
    architecture: Architecture, inputs: NDArray[np.floating], truth: NDArray[np.floating], bench: Bench
) -> keras.Model:
    """Train a network on three quarters of the events and validate it on the last quarter."""
    x, y = inputs.astype(np.float32), truth.astype(np.float32)
    training_size = 3 * len(x) // 4
    model = build(architecture, x[:training_size], y[:training_size])
    weight = np.array([1.0, architecture.mm2_weight]) / (1.0 + architecture.mm2_weight)
    scale = (np.sqrt(weight) / truth[:training_size].std(axis=0)).astype(np.float32)

    def loss(target: keras.KerasTensor, prediction: keras.KerasTensor) -> keras.KerasTensor:
        return ops.mean(ops.sum(ops.square((target - prediction) * scale), axis=-1))

    plan = Plan(
        epochs=architecture.epochs,
        batch=architecture.batch,
        rate=architecture.rate,
        constant=architecture.kind == "seed",
        patience=architecture.patience or None,
    )
    train(
        architecture.kind,
        model,
        loss,
        (x[:training_size], y[:training_size]),
        (x[training_size:], y[training_size:]),
        plan,
        bench,
    )
    return model
