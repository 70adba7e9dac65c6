"""ONNX graphs say what their Keras models say: the operations with rules of our own, and our networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from projects.ecal.networks import pair_graph, pair_networks
from projects.ecal.networks.refinement import Readout, photon_cells
from projects.mass.task_mass import network
from shashlik.exceptions import BadInput
from shashlik.export.onnx_graph import answers, convert
from shashlik.export.parity import AGREEING, Disagrees, Parity, compare, demand, within

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::PendingDeprecationWarning"
)


def model(kind: str, function: Callable, width: int = 3) -> keras.Model:
    values = keras.Input((width,), dtype=kind, name="values")
    return keras.Model(values, {"answer": function(values)})


def test_logarithms_of_doubles_stay_doubles(tmp_path: Path) -> None:
    """By way of single precision ln(1 + 1e-9) would be 0."""
    inputs, outputs = convert(model("float64", lambda v: ops.log(v)[:, 0]), tmp_path / "n.onnx")
    assert (inputs, outputs) == ((("values", "float64", (3,)),), (("answer", "float64", ()),))
    values = 1 + np.array([[1e-9, 0, 0], [0.3, 0, 0]])
    found = answers(tmp_path / "n.onnx", {"values": values})["answer"]
    np.testing.assert_allclose(found, np.log(values[:, 0]), rtol=1e-12)


@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_log1p(tmp_path: Path, kind: str) -> None:
    convert(model(kind, lambda v: ops.log1p(v)[:, 0]), tmp_path / "n.onnx")
    values = np.array([[0.0, 0, 0], [0.5, 0, 0], [3e4, 0, 0]], dtype=kind)
    found = answers(tmp_path / "n.onnx", {"values": values})["answer"]
    assert found.dtype == kind
    np.testing.assert_allclose(found, np.log1p(values[:, 0]), rtol=2e-7)


def test_the_smallest_is_found_also_between_two_zeros(tmp_path: Path) -> None:
    """Keras counts -0 as less than 0, and so does the graph."""
    argmin = model("float32", lambda v: ops.cast(ops.argmin(v, axis=-1), "float32"))
    convert(argmin, tmp_path / "n.onnx")
    values = np.array([[3, 1, 2], [0.0, -0.0, 1], [-0.0, 0.0, 1], [-1, -2, -0.0]], dtype=np.float32)
    found = answers(tmp_path / "n.onnx", {"values": values})["answer"]
    assert found.tolist() == [1, 1, 0, 1]
    assert np.array_equal(found, argmin(values)["answer"])


@pytest.mark.parametrize("basis", ["cartesian", "polar"])
def test_mass_networks_in_double_precision(tmp_path: Path, basis: str) -> None:
    keras.utils.set_random_seed(3)
    mass = network(basis, 4)
    named = keras.Model(mass.input, {"mass": mass.output[:, 0]})
    (name, kind, _), *_ = convert(named, tmp_path / "n.onnx")[0]
    assert kind == "float64"
    vectors = np.random.default_rng(1).uniform(0.1, 5, (500, 4))
    found = answers(tmp_path / "n.onnx", {name: vectors}, batch=128)["mass"]
    np.testing.assert_allclose(found, np.asarray(named(vectors)["mass"]), rtol=1e-12)


def test_the_photon_graph(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the fit inside, of fewer steps than usual: it is the same sub-graph each time."""
    monkeypatch.setattr(pair_graph, "_STEPS", 1)
    monkeypatch.setattr(pair_graph, "_MORE_STEPS", 1)
    keras.utils.set_random_seed(4)
    readout = Readout((0.9, 0.1), (0.9, 4.0), 3.83, 0.1, 9)
    # Nobody trains a start here: all begin near the truth, at two places.
    centre = np.array([12.0, 14.0, 3.0, 22.0, 18.0, 3.5], dtype=np.float32)
    cells = keras.Input((9, 9), name="cells")
    start = keras.Model(cells, 0.0 * cells[:, :2, :6] + np.stack([centre, centre + 0.3]))
    views = pair_graph.view_graph(readout, "target").output_shape[0][-1]
    whole = pair_graph.assemble(start, pair_networks.correction_network(views), readout, "target")
    inputs, outputs = convert(whole, tmp_path / "n.onnx")
    assert {name: shape for name, _, shape in inputs} == {"cells": (9, 9), "corner": (2,)}
    assert {name for name, *_ in outputs} == set(whole.output)
    rng = np.random.default_rng(5)
    pairs = (centre + rng.uniform(-0.5, 0.5, (300, 1, 6))).astype(np.float32)
    (each,) = photon_cells(pairs, readout, slopes=False)
    events = {"cells": np.asarray(each)[:, 0].sum(axis=1), "corner": rng.normal(size=(300, 2))}
    events = {name: values.astype(np.float32) for name, values in events.items()}
    wanted = {name: np.asarray(values) for name, values in whole(list(events.values())).items()}
    found = answers(tmp_path / "n.onnx", events, batch=77)
    demand(compare(found, wanted, dict.fromkeys(wanted, "float32")), "the graph")


def test_what_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be written as ONNX") as told:
        convert(model("float32", lambda v: ops.erfinv(v / 10)[:, 0]), tmp_path / "n.onnx")
    assert "\n" not in str(told.value)


def test_agreement_counts_events() -> None:
    wanted = np.array([1.0, 100.0, np.nan, 5.0, np.nan])
    found = np.array([1.0 + 0.0012, 100.02, np.nan, np.nan, 3.0])
    assert within(found, wanted, "float32").tolist() == [False, False, True, False, False]
    assert within(np.array([1.0 + 0.0009, 100.01]), wanted[:2], "float32").all()
    assert within(found, found, "float64").all()
    (one,) = compare({"x": found}, {"x": wanted}, {"x": "float32"})
    assert (one.agreeing, one.worst) == (0.2, pytest.approx(0.02))


def test_too_few_that_agree_are_refused() -> None:
    demand((Parity("x", AGREEING, 0.0, 1.0),), "it")
    with pytest.raises(Disagrees, match="'y'"):
        demand((Parity("x", 1.0, 0.0, 0.0), Parity("y", AGREEING - 1e-6, 0.0, 2.0)), "it")
    with pytest.raises(Disagrees):
        demand((Parity("x", float("nan"), 0.0, 0.0),), "it")
