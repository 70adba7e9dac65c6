"""The networks of the original study: shapes, sizes, scalings and loss."""

from __future__ import annotations

from itertools import pairwise

import keras
import numpy as np
import pytest

from projects.ecal.networks import original_networks, pair_graph

RNG = np.random.default_rng(1)
CELLS = (RNG.exponential(4.0, (500, 5, 5)) + 1).astype(np.float32)


def dense(*units: int) -> int:
    """Weights and biases of dense layers of these sizes."""
    return sum((before + 1) * after for before, after in pairwise(units))


@pytest.mark.parametrize(
    ("scaling", "position", "parameters"),
    [
        ("event", False, dense(25, 64, 128, 256, 128, 64, 32, 3) + 2 * 25),
        ("sample", False, dense(25, 64, 128, 256, 128, 64, 32, 3)),
        ("fixed", False, dense(25, 64, 128, 256, 128, 64, 32, 3)),
        ("fixed", True, dense(27, 64, 128, 256, 128, 64, 32, 3)),
    ],
)
def test_a_single_photon_network_is_that_of_its_stage(scaling: str, position: bool, parameters: int) -> None:
    network = original_networks.network(1, 5, scaling, CELLS, position)
    assert network.count_params() == parameters
    assert [tensor.name for tensor in network.inputs] == ["cells", "corner"][: 1 + position]
    assert network.output_shape == (None, 3)


def test_the_pair_network_has_the_layers_of_the_study() -> None:
    assert original_networks.network(2, 9).count_params() == dense(81, 128, 256, 512, 256, 128, 64, 6)


def scaled(network: keras.Model) -> np.ndarray:
    """What the first dense layer is given."""
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    return np.asarray(keras.Model(network.input, first.input)(CELLS))


def test_scalings() -> None:
    event = scaled(original_networks.network(1, 5, "event", CELLS, False))
    np.testing.assert_allclose(event.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(event.std(axis=1), 1, atol=1e-3)
    sample = scaled(original_networks.network(1, 5, "sample", CELLS, False))
    assert sample.mean() == pytest.approx(0, abs=1e-4)
    assert sample.std() == pytest.approx(1, abs=1e-4)
    fixed = scaled(original_networks.network(1, 5, "fixed", CELLS, False))
    np.testing.assert_allclose(fixed, (CELLS.reshape(-1, 25) - 3.9) / np.sqrt(16.2), rtol=1e-4)


def test_stage_one_cannot_tell_the_energy() -> None:
    """Layer normalisation takes it away, as the study found."""
    network = original_networks.network(1, 5, "event", CELLS, False)
    np.testing.assert_allclose(network(CELLS), network(3 * CELLS), rtol=1e-3, atol=1e-3)


def test_loss_is_the_mean_of_squares() -> None:
    truth, found = RNG.normal(size=(2, 10, 3))
    wanted = ((truth - found) ** 2).mean(axis=1)
    np.testing.assert_allclose(original_networks.loss(1)(truth, found), wanted)


@pytest.mark.parametrize("position", [False, True])
def test_answers_are_counted_from_the_corner(position: bool) -> None:
    network = original_networks.network(1, 5, "fixed", CELLS, position)
    corner = RNG.normal(0, 30, (len(CELLS), 2)).astype(np.float32)
    answer = pair_graph.seed_graph(network)({"cells": CELLS, "corner": corner})
    plain = np.asarray(network([CELLS, corner] if position else CELLS))
    np.testing.assert_allclose(answer["x1"], plain[:, 0] + corner[:, 0], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(answer["y1"], plain[:, 1] + corner[:, 1], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(answer["e1"], plain[:, 2], rtol=1e-4, atol=1e-3)
