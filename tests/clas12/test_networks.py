"""The networks: what they see, what follows from what they say, and the original study's own one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from projects.clas12 import events, networks
from projects.clas12.corrections import COLUMNS
from projects.clas12.kinematics import missing_mass_squared
from projects.clas12.networks import Architecture, build
from projects.clas12.simulation.events import simulate
from shashlik.estimators import keras_predictor
from shashlik.estimators.regression import Regression
from shashlik.export import onnx_graph


def architecture(kind: str, **changed: object) -> Architecture:
    facts = {
        "kind": kind,
        "width": 8,
        "depth": 2,
        "activation": "relu",
        "mm2_weight": 1.0,
        "epochs": 1,
        "batch": 64,
        "rate": 1e-3,
        "patience": 0,
    }
    return Architecture(**{**facts, **changed})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known() -> events.Events:
    return events.of(simulate(400, 0.0, 3))


@pytest.mark.parametrize("kind", ["default", "seed"])
def test_missing_mass_follows_from_the_momentum(known: events.Events, kind: str) -> None:
    """Inside the network it is the same kinematics as outside, in single precision."""
    inputs, truth = known.learnt
    found = np.asarray(build(architecture(kind), inputs, truth)(inputs.astype(np.float32)), dtype=np.float64)
    scaled = known.proton * np.exp(found[:, :1])
    shift = missing_mass_squared(known.electron, scaled) - missing_mass_squared(known.electron, known.proton)
    np.testing.assert_allclose(found[:, 1], shift, atol=2e-5)
    assert np.std(found[:, 0]) > 0


def test_default_network_does_not_see_the_electron(known: events.Events) -> None:
    inputs, truth = known.learnt
    changed = inputs.copy()
    changed[:, :3] = changed[::-1, :3]
    for kind, blind in (("default", True), ("seed", False)):
        network = build(architecture(kind), inputs, truth)
        plain, other = (np.asarray(network(x.astype(np.float32)))[:, 0] for x in (inputs, changed))
        assert np.allclose(plain, other, atol=1e-7) == blind


def test_the_study_sees_its_eight_features(known: events.Events) -> None:
    inputs, _ = known.learnt
    found = np.asarray(networks._everything(inputs.astype(np.float32)))
    np.testing.assert_allclose(found, known.features, atol=2e-5)


def test_the_study_has_the_parameters_of_its_summary(known: events.Events) -> None:
    """Its printed summary, eight layers of 417: 1 237 689 parameters, of which 6 688 do not train."""
    network = build(architecture("seed", width=417, depth=8), *known.learnt)
    assert network.count_params() == 1_237_689
    assert sum(np.prod(weight.shape) for weight in network.non_trainable_weights) == 6688


@pytest.mark.parametrize("kind", ["default", "seed"])
def test_graph_says_the_same_as_onnx(kind: str, tmp_path: Path) -> None:
    """Scalings, angles and kinematics are all in the file; ONNX has no expm1, and no captured constants."""
    sample = simulate(300, 0.25, 4)
    network = build(architecture(kind), *events.of(sample).learnt)
    told = {"dmm2": {"unit": "GeV2", "meaning": "change"}}
    estimator = Regression(COLUMNS, ("dlogp", "dmm2"), lambda *_: network, told=told, model=network)
    written = estimator.portable(tmp_path)
    graph, prepare, meaning = keras_predictor.graph({name: str(path) for name, path in written.files.items()})
    onnx_graph.convert(graph, tmp_path / "network.onnx")
    inputs, usable = prepare({name: sample[name] for name in written.inputs})
    assert usable.all()
    assert meaning == {"columns": {"of": list(COLUMNS)}, "dlogp": {"of": ["dlogp"]}, **told}
    found, wanted = onnx_graph.answers(tmp_path / "network.onnx", inputs), estimator.predict(sample)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, atol=5e-6)
