"""The network of the two-photon task: losses, training, answers and the model that leaves the repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from runpy import run_path

import awkward as ak
import numpy as np
import pytest

from projects.ecal import networks, seed_networks
from projects.ecal.estimator import PRESETS, NetworkEstimator, NetworkSettings
from projects.ecal.photons import residuals
from projects.ecal.simulation import Scene, simulate
from projects.task import BadInput, Bench, Sample

SMALL = NetworkSettings(network_events=3000, epochs=3, batch=256)
SCENE = Scene(photons=2, energy=(10, 100), distance=(6, 12))


@pytest.fixture(scope="module")
def train() -> Sample:
    return simulate(SCENE, 1200, 1)


@pytest.fixture(scope="module")
def test() -> Sample:
    return simulate(SCENE, 600, 2)


def bench_in(folder: Path) -> Bench:
    return Bench(seed=3, scratch=folder, simulate=lambda events, seed: simulate(SCENE, events, seed))


@pytest.fixture(scope="module")
def fitted(train: Sample, tmp_path_factory: pytest.TempPathFactory) -> NetworkEstimator:
    return NetworkEstimator(SMALL).fit(train, bench_in(tmp_path_factory.mktemp("training")))


def test_finds_both_photons(fitted: NetworkEstimator, test: Sample) -> None:
    judged = residuals(test, fitted.predict(test), 2)
    assert judged.answered.all()
    assert judged.failed is not None
    assert judged.failed.mean() < 0.1
    assert np.quantile(np.abs(judged.values["x"]), 0.68) < 0.15
    assert abs(np.median(judged.values["energy"])) < 0.02


def test_states_errors_of_the_right_size(fitted: NetworkEstimator, test: Sample) -> None:
    answer = fitted.predict(test)
    judged = residuals(test, answer, 2)
    stated = np.median([answer["sx1"], answer["sx2"]])
    assert stated == pytest.approx(np.quantile(np.abs(judged.values["x"]), 0.683), rel=0.5)


def test_the_same_seed_gives_the_same_network(
    fitted: NetworkEstimator, train: Sample, test: Sample, tmp_path: Path
) -> None:
    again = NetworkEstimator(SMALL).fit(train, bench_in(tmp_path))
    first, second = fitted.predict(test), again.predict(test)
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name])


def test_events_that_cannot_be_used_get_no_answer(fitted: NetworkEstimator, test: Sample) -> None:
    few = test.select(slice(0, 3))
    energy = few["cell_e"].to_list()
    energy[1] = [float("nan")] * len(energy[1])
    spoilt = Sample(few.schema, {**few.columns, "cell_e": ak.Array(energy)}, few.source)
    answer = fitted.predict(spoilt)
    assert np.isnan(answer["x1"][1])
    np.testing.assert_array_equal(np.delete(answer["x1"], 1), np.delete(fitted.predict(few)["x1"], 1))


def test_what_is_saved_says_the_same(fitted: NetworkEstimator, test: Sample, tmp_path: Path) -> None:
    portable = fitted.portable(tmp_path)
    predict = run_path(str(portable.module))["load"](
        {name: str(path) for name, path in portable.files.items()}
    )
    few = test.select(slice(0, 50))
    found = predict({name: few[name].to_list() for name in portable.inputs})
    for name, values in fitted.predict(few).items():
        np.testing.assert_allclose(found[name], values, rtol=2e-4, atol=1e-3)


def test_the_original_network_trains(train: Sample, test: Sample, tmp_path: Path) -> None:
    settings = replace(SMALL, **{**PRESETS["seed"], "network_events": 2000, "epochs": 2})
    answer = NetworkEstimator(settings).fit(train, bench_in(tmp_path)).predict(test)
    assert np.isfinite(answer["x1"]).all()
    assert np.abs(residuals(test, answer, 2).values["x"]).mean() < 30


def test_without_a_simulation_few_events_are_refused(train: Sample, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="at least 1000 events"):
        NetworkEstimator(SMALL).fit(train.select(slice(0, 500)), Bench(seed=1, scratch=tmp_path))


def test_losses_do_not_care_for_the_order_of_a_pair() -> None:
    rng = np.random.default_rng(1)
    truth, found = rng.normal(size=(2, 20, 6)).astype(np.float32) * 5
    flipped = np.roll(found, 3, axis=1)
    np.testing.assert_allclose(
        seed_networks.loss(2)(truth, found), seed_networks.loss(2)(truth, flipped), rtol=1e-5
    )
    loss = networks.start_loss()
    np.testing.assert_allclose(
        loss(truth, found[:, None]), loss(truth, np.stack([flipped], axis=1)), rtol=1e-5
    )
    assert float(np.max(np.abs(seed_networks.loss(2)(truth, np.roll(truth, 3, axis=1))))) < 1e-9


def test_the_best_hypothesis_rules_the_loss_of_the_starts() -> None:
    truth = np.zeros((1, 6), np.float32)
    near, far = np.full((1, 6), 0.01, np.float32), np.full((1, 6), 9.0, np.float32)
    loss = networks.start_loss(others=0.0)
    both = float(loss(truth, np.stack([near, far], axis=1))[0])
    assert both == pytest.approx(float(loss(truth, near[:, None])[0]))


def test_mirrors_move_cells_and_truth_together() -> None:
    size, pitch = 5, 2.0
    rng = np.random.default_rng(2)
    places = rng.integers(0, size, (64, 2))
    cells = np.zeros((64, size, size), np.float32)
    cells[np.arange(64), places[:, 1], places[:, 0]] = 1
    pairs = np.tile(np.c_[places * pitch, np.ones(64)], 2).astype(np.float32)
    turned, moved = (np.asarray(part) for part in networks.mirrored(size, pitch)(cells, pairs, [1, 2]))
    iy, ix = np.nonzero(turned)[1:]
    np.testing.assert_allclose(moved[:, :2], np.c_[ix, iy] * pitch)
    assert len(np.unique(moved[:, :2] - pairs[:, :2], axis=0)) > 5


def test_adapts_to_measured_events(train: Sample, test: Sample, tmp_path: Path) -> None:
    """Cells that read 3 % too much are unknown to the simulation; the correction learns them."""
    settings = replace(SMALL, network_events=20_000, epochs=6)

    def off(sample: Sample) -> Sample:
        return Sample(sample.schema, {**sample.columns, "cell_e": sample["cell_e"] * 1.03}, "measured")

    measured, unseen = off(simulate(SCENE, 4000, 5)), off(test)
    bias = {}
    for known in (False, True):
        bench = replace(bench_in(tmp_path / str(known)), measured=known)
        bench.scratch.mkdir()
        answer = NetworkEstimator(settings).fit(measured, bench).predict(unseen)
        bias[known] = np.median(residuals(unseen, answer, 2).values["energy"])
    assert bias[False] > 0.02
    assert abs(bias[True]) < 0.005
