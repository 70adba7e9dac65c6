"""The networks: parameters, what they start from, and that files and graphs say the same."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest

from projects.facile import mahi, networks
from projects.facile.networks import COLUMNS, Architecture, build
from projects.facile.simulation.events import simulate
from shashlik.estimators import keras_predictor
from shashlik.estimators.regression import Regression
from shashlik.exceptions import BadInput
from shashlik.export import onnx_graph
from shashlik.task.sample import Sample


def architecture(kind: str) -> Architecture:
    return Architecture(kind, width=24, depth=3, activation="relu", epochs=1, batch=64, rate=1e-3, patience=0)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(400, 3)


def test_the_study_has_its_parameters(sample: Sample) -> None:
    """2 111 with those that move in batch normalisation, 1 779 once these are folded away."""
    network = build(architecture("seed"), networks.examples(sample)[0])
    assert network.count_params() == 2111
    normalised = [layer for layer in network.layers if "normalization" in layer.name]
    assert [layer.momentum for layer in normalised] == [0.6] * 3
    assert 2111 - sum(layer.count_params() for layer in normalised) == 1779


def test_ours_is_no_larger(sample: Sample) -> None:
    assert build(architecture("default"), networks.examples(sample)[0]).count_params() <= 1779


def test_inputs_are_36_numbers_in_the_study_order(sample: Sample) -> None:
    inputs, truth = networks.examples(sample)
    assert inputs.shape == (400, 36)
    np.testing.assert_array_equal(inputs[:, 2], sample["depth"])
    np.testing.assert_array_equal(inputs[:, 4:12], ak.to_numpy(sample["raw"]))
    np.testing.assert_array_equal(truth[:, 0], sample["genE"])


def test_an_untrained_one_answers_method_0(sample: Sample) -> None:
    """Its factor begins at one; where hardly any charge is, at a small energy above zero."""
    inputs, _ = networks.examples(sample)
    found = np.asarray(build(architecture("default"), inputs)(inputs.astype(np.float32)))[:, 0]
    wanted = mahi.answers("m0", (), sample.columns)["energy"]
    large = wanted > 0.2
    np.testing.assert_allclose(found[large], wanted[large], rtol=1e-4)
    assert (found > 0).all()


def test_loss_is_in_floors_and_linear_far_away() -> None:
    """One floor away costs a half; far away the loss grows by the same for each floor."""
    energy, gain = 20.0, 5e-4
    floor = float(np.sqrt((0.21**2 + 57.5 * gain) / energy))
    wanted = np.array([[energy, gain]], dtype=np.float32)

    def loss(floors: float) -> float:
        return float(networks._in_floors(wanted, np.array([[energy * np.exp(floors * floor)]], np.float32)))

    assert [loss(1.0), loss(-1.0)] == pytest.approx([0.5, 0.5], rel=1e-3)
    assert loss(6.0) - loss(5.0) == pytest.approx(loss(5.0) - loss(4.0), rel=1e-3)


@pytest.mark.parametrize("kind", ["default", "seed"])
def test_graph_says_the_same_as_onnx(kind: str, sample: Sample, tmp_path: Path) -> None:
    """With lists as inputs, as a registered model is given them."""
    network = build(architecture(kind), networks.examples(sample)[0])
    told = {"energy": {"unit": "GeV", "meaning": "energy of the hit"}}
    estimator = Regression(COLUMNS, ("energy",), lambda *_: network, told=told, model=network)
    written = estimator.portable(tmp_path)
    graph, prepare, meaning = keras_predictor.graph({name: str(path) for name, path in written.files.items()})
    onnx_graph.convert(graph, tmp_path / "network.onnx")
    lists = {name: list(ak.to_numpy(sample[name])) for name in written.inputs}
    inputs, usable = prepare(lists)
    assert usable.all()
    assert meaning == {"columns": {"of": list(COLUMNS)}, **told}
    found = onnx_graph.answers(tmp_path / "network.onnx", inputs)["energy"]
    np.testing.assert_allclose(found, estimator.predict(sample)["energy"], rtol=2e-5, atol=1e-4)
    with pytest.raises(ValueError, match="35 numbers"):
        prepare(lists | {"raw": [values[:7] for values in lists["raw"]]})


@pytest.mark.parametrize("name", ["genE", "gain"])
def test_hits_without_energy_or_gain(name: str, sample: Sample) -> None:
    broken = Sample(sample.schema, {**sample.columns, name: np.where(np.arange(400) == 7, 0.0, 1.0)})
    with pytest.raises(BadInput, match=f"{name}=0 in 1 of 400 hits"):
        networks.examples(broken)
