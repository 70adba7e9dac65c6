"""The network of the two-photon task: losses, training, answers and the model that leaves the repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path

import awkward as ak
import numpy as np
import pytest

from projects.ecal.evaluation.photons import residuals
from projects.ecal.networks import original_networks, pair_networks, served_network
from projects.ecal.networks.pair_estimator import PRESETS, NetworkEstimator, NetworkSettings
from projects.ecal.networks.pair_graph import seed_graph
from projects.ecal.simulation.events import Scene, simulate
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench
from shashlik.task.sample import Predictions, Sample

SMALL = NetworkSettings(network_events=2000, epochs=3, batch=256)
SCENE = Scene(photons=2, energy=(10, 100), distance=(6, 12))


@pytest.fixture(scope="module")
def train() -> Sample:
    return simulate(SCENE, 500, 1)


@pytest.fixture(scope="module")
def test() -> Sample:
    """So many that failures are uncertain by 1 %, widths by 4 %."""
    return simulate(SCENE, 250, 2)


def bench_in(folder: Path) -> Bench:
    return Bench(seed=3, scratch=folder, simulate=lambda events, seed: simulate(SCENE, events, seed))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `fitted` was trained."""
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def fitted(train: Sample, scratch: Path) -> NetworkEstimator:
    return NetworkEstimator(SMALL).fit(train, bench_in(scratch))


@pytest.fixture(scope="module")
def answer(fitted: NetworkEstimator, test: Sample) -> Predictions:
    return fitted.predict(test)


def test_finds_both_photons(answer: Predictions, test: Sample) -> None:
    judged = residuals(test, answer, 2)
    assert judged.answered.all()
    assert judged.failed is not None
    assert judged.failed.mean() < 0.1
    assert np.quantile(np.abs(judged.values["x"]), 0.68) < 0.15
    assert abs(np.median(judged.values["energy"])) < 0.02


def test_states_errors_of_the_right_size(answer: Predictions, test: Sample) -> None:
    judged = residuals(test, answer, 2)
    stated = np.median([answer["sx1"], answer["sx2"]])
    assert stated == pytest.approx(np.quantile(np.abs(judged.values["x"]), 0.683), rel=0.5)


@pytest.mark.usefixtures("fitted")
def test_the_same_seed_gives_the_same_starts(scratch: Path, train: Sample, tmp_path: Path) -> None:
    """Of the two networks inside; that the same holds for the correction is seen with a single photon."""

    class Enough(Exception):
        pass

    def written(path: Path) -> None:
        if path.stem == "start":
            raise Enough

    with pytest.raises(Enough):
        NetworkEstimator(SMALL).fit(train, replace(bench_in(tmp_path), checkpointed=written))
    with np.load(scratch / "start.npz") as first, np.load(tmp_path / "start.npz") as second:
        assert set(first) == set(second)
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_network(
    answer: Predictions, train: Sample, test: Sample, tmp_path: Path
) -> None:
    again = NetworkEstimator(SMALL).fit(train, bench_in(tmp_path)).predict(test)
    for name, values in answer.items():
        np.testing.assert_array_equal(values, again[name])


def test_events_that_cannot_be_used_get_no_answer(
    fitted: NetworkEstimator, answer: Predictions, test: Sample
) -> None:
    few = test.select(slice(0, 3))
    energy = few["cell_e"].to_list()
    energy[1] = [float("nan")] * len(energy[1])
    spoilt = Sample(few.schema, {**few.columns, "cell_e": ak.Array(energy)}, few.source)
    found = fitted.predict(spoilt)
    assert np.isnan(found["x1"][1])
    np.testing.assert_allclose(found["x1"][[0, 2]], answer["x1"][[0, 2]], rtol=1e-4, atol=1e-4)


def test_what_is_saved_says_the_same(
    fitted: NetworkEstimator, answer: Predictions, test: Sample, tmp_path: Path
) -> None:
    portable = fitted.portable(tmp_path)
    predict = run_path(str(portable.module))["load"](
        {name: str(path) for name, path in portable.files.items()}
    )
    few = test.select(slice(0, 50))
    found = predict({name: few[name].to_list() for name in portable.inputs})
    for name, values in answer.items():
        np.testing.assert_allclose(found[name], values[:50], rtol=2e-4, atol=1e-3)


def test_many_events_are_answered_as_few_are(test: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a compiled graph, which for few is not worth while."""
    network = NetworkEstimator(replace(SMALL, network="seed"), seed_graph(original_networks.network(2, 9)))
    few = network.predict(test)
    monkeypatch.setattr(served_network, "_FEW", 10)
    many = network.predict(test)
    for name, values in few.items():
        np.testing.assert_allclose(many[name], values, rtol=1e-5, atol=1e-5)


def test_the_original_network_trains(train: Sample, test: Sample, tmp_path: Path) -> None:
    settings = replace(SMALL, **{**PRESETS["seed"], "network_events": 1000, "epochs": 1})
    answer = NetworkEstimator(settings).fit(train, bench_in(tmp_path)).predict(test)
    assert np.isfinite(answer["x1"]).all()
    assert np.abs(residuals(test, answer, 2).values["x"]).mean() < 30


def test_without_a_simulation_few_events_are_refused(train: Sample, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 1000 events"):
        NetworkEstimator(SMALL).fit(train, Bench(seed=1, scratch=tmp_path))


def test_losses_do_not_care_for_the_order_of_a_pair() -> None:
    rng = np.random.default_rng(1)
    truth, found = rng.normal(size=(2, 20, 6)).astype(np.float32) * 5
    flipped = np.roll(found, 3, axis=1)
    np.testing.assert_allclose(
        original_networks.loss(2)(truth, found), original_networks.loss(2)(truth, flipped), rtol=1e-5
    )
    loss = pair_networks.start_loss()
    np.testing.assert_allclose(
        loss(truth, found[:, None]), loss(truth, np.stack([flipped], axis=1)), rtol=1e-5
    )
    assert float(np.max(np.abs(original_networks.loss(2)(truth, np.roll(truth, 3, axis=1))))) < 1e-9


def test_the_best_hypothesis_rules_the_loss_of_the_starts() -> None:
    truth = np.zeros((1, 6), np.float32)
    near, far = np.full((1, 6), 0.01, np.float32), np.full((1, 6), 9.0, np.float32)
    loss = pair_networks.start_loss(others=0.0)
    both = float(loss(truth, np.stack([near, far], axis=1))[0])
    assert both == pytest.approx(float(loss(truth, near[:, None])[0]))


def test_mirrors_move_cells_and_truth_together() -> None:
    size, pitch = 5, 2.0
    rng = np.random.default_rng(2)
    places = rng.integers(0, size, (64, 2))
    cells = np.zeros((64, size, size), np.float32)
    cells[np.arange(64), places[:, 1], places[:, 0]] = 1
    pairs = np.tile(np.c_[places * pitch, np.ones(64)], 2).astype(np.float32)
    turned, moved = (np.asarray(part) for part in pair_networks.mirrored(size, pitch)(cells, pairs, [1, 2]))
    iy, ix = np.nonzero(turned)[1:]
    np.testing.assert_allclose(moved[:, :2], np.c_[ix, iy] * pitch)
    assert len(np.unique(moved[:, :2] - pairs[:, :2], axis=0)) > 5


@pytest.mark.slow
def test_adapts_to_measured_events(tmp_path: Path) -> None:
    """Cells that read 3 % too much are unknown to the simulation; the correction learns them.

    What comes before is the same for both and is read from where the first one left it.
    """
    settings = replace(SMALL, network_events=20_000, epochs=6)

    def off(sample: Sample) -> Sample:
        return Sample(sample.schema, {**sample.columns, "cell_e": sample["cell_e"] * 1.03}, "measured")

    measured, unseen = off(simulate(SCENE, 4000, 5)), off(simulate(SCENE, 600, 2))
    bias = {}
    for known in (False, True):
        bench = replace(bench_in(tmp_path), measured=known)
        answer = NetworkEstimator(settings).fit(measured, bench).predict(unseen)
        bias[known] = np.median(residuals(unseen, answer, 2).values["energy"])
    assert bias[False] > 0.02
    assert abs(bias[True]) < 0.005
