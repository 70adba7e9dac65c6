"""What the original study tried, switch by switch: the mathematics of each, and where it makes no sense."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from projects.ecal.fits.baselines import ProfileFit, cell_arrays, shipped, truth_array
from projects.ecal.networks import original_networks
from projects.ecal.networks.pair_estimator import NetworkEstimator, NetworkSettings
from projects.ecal.simulation.events import Scene, simulate
from projects.ecal.stages.switches import Switches, switched
from projects.ecal.windows.placement import CELL, windows
from shashlik.estimators.training import Plan, train
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.estimator import Bench
from shashlik.task.settings import resolve

RNG = np.random.default_rng(1)
CELLS = RNG.exponential(4.0, (200, 9, 9)).astype(np.float32)
TRUTH, PAIRS = RNG.uniform(1, 30, (2, 200, 6)).astype(np.float32)


def exchanged(pairs: np.ndarray) -> np.ndarray:
    return np.roll(pairs, 3, axis=1)


def first_dense(network: keras.Model, inputs: object) -> np.ndarray:
    """What the first dense layer is given."""
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.Dense))
    return np.asarray(keras.Model(network.input, first.input)(inputs))


@pytest.mark.parametrize("switches", [Switches(), Switches(units="none"), Switches(loss="percentage")])
def test_flip_invariant_loss_is_the_smaller_one(switches: Switches) -> None:
    better = original_networks.loss(2, switches)
    straight = original_networks.loss(2, replace(switches, order="x"))
    wanted = np.minimum(straight(TRUTH, PAIRS), straight(TRUTH, exchanged(PAIRS)))
    np.testing.assert_allclose(better(TRUTH, PAIRS), wanted, rtol=1e-5)
    np.testing.assert_allclose(better(TRUTH, exchanged(PAIRS)), wanted, rtol=1e-5)
    np.testing.assert_allclose(better(exchanged(TRUTH), PAIRS), wanted, rtol=1e-5)
    assert float(np.max(np.abs(better(TRUTH, exchanged(TRUTH))))) == 0.0


def test_units_are_the_resolution_wished_for() -> None:
    plain = np.square(TRUTH - PAIRS)
    units = np.square([0.5, 0.5, 2.5, 0.5, 0.5, 2.5])
    fixed = Switches(order="energy")
    np.testing.assert_allclose(
        original_networks.loss(2, fixed)(TRUTH, PAIRS), (plain / units).sum(1), rtol=1e-5
    )
    none = original_networks.loss(2, replace(fixed, units="none"))
    np.testing.assert_allclose(none(TRUTH, PAIRS), plain.sum(1), rtol=1e-5)
    # Stages of one photon have none unless asked for.
    weighted = original_networks.loss(1, Switches(units="resolution"))
    np.testing.assert_allclose(
        weighted(TRUTH[:, :3], PAIRS[:, :3]), (plain / units)[:, :3].mean(1), rtol=1e-5
    )
    np.testing.assert_allclose(
        original_networks.loss(1)(TRUTH[:, :3], PAIRS[:, :3]), plain[:, :3].mean(1), rtol=1e-5
    )


def test_percentage_is_that_of_keras() -> None:
    loss = original_networks.loss(1, Switches(loss="percentage"))
    wanted = keras.losses.mean_absolute_percentage_error(TRUTH[:, :3], PAIRS[:, :3])
    np.testing.assert_allclose(loss(TRUTH[:, :3], PAIRS[:, :3]), wanted, rtol=1e-5)


@pytest.mark.parametrize(("order", "column"), [("x", 0), ("y", 1), ("energy", 2)])
def test_sorted_labels_are_sorted(order: str, column: int) -> None:
    found = original_networks.ordered(TRUTH, order)
    assert (found[:, column] >= found[:, column + 3]).all()
    same, other = (found == TRUTH).all(axis=1), (found == exchanged(TRUTH)).all(axis=1)
    # Photons stay whole, and none is invented.
    assert (same | other).all()
    assert same.any()
    assert other.any()
    np.testing.assert_array_equal(original_networks.ordered(exchanged(TRUTH), order), found)
    np.testing.assert_array_equal(original_networks.ordered(found, order), found)


@pytest.mark.parametrize("order", ["better", "epoch"])
def test_labels_that_the_loss_orders_stay(order: str) -> None:
    assert original_networks.ordered(TRUTH, order) is TRUTH


def test_labels_of_an_epoch_follow_the_network_of_the_epoch_before() -> None:
    loss, straight = (
        original_networks.loss(2, Switches(order="epoch")),
        original_networks.loss(2, Switches(order="x")),
    )
    for before, labels in ((TRUTH + 0.1, TRUTH), (exchanged(TRUTH) + 0.1, exchanged(TRUTH))):
        both = np.concatenate([PAIRS, before], axis=1)
        np.testing.assert_allclose(loss(TRUTH, both), straight(labels, PAIRS), rtol=1e-5)
    # Whichever way they were labelled.
    before = RNG.uniform(1, 30, (200, 6)).astype(np.float32)
    both = np.concatenate([PAIRS, before], axis=1)
    np.testing.assert_allclose(loss(TRUTH, both), loss(exchanged(TRUTH), both), rtol=1e-5)


def test_the_network_of_the_epoch_before_is_that_of_the_epoch_before(tmp_path: Path) -> None:
    keras.utils.set_random_seed(1)
    network = original_networks.network(2, 9)
    both, remember = original_networks.remembering(network)
    ends: list[np.ndarray] = []
    seen: list[np.ndarray] = []

    def after() -> None:
        seen.append(np.asarray(both(CELLS[:20]))[:, 6:])
        remember()
        ends.append(np.asarray(network(CELLS[:20])))

    start = np.asarray(network(CELLS[:20]))
    data = (CELLS, TRUTH)
    loss = original_networks.loss(2, Switches(order="epoch"))
    bench = Bench(seed=1, scratch=tmp_path)
    train("seed", both, loss, data, data, Plan(3, 100, 1e-3, constant=True), bench, after=after)
    for now, then in zip(seen, [start, *ends], strict=False):
        np.testing.assert_allclose(now, then, rtol=1e-4, atol=1e-5)
    assert not np.allclose(ends[0], ends[1])


def test_standardised_event_by_event_the_scale_is_lost() -> None:
    network = original_networks.network(2, 9, "event")
    np.testing.assert_allclose(network(CELLS), network(7 * CELLS), rtol=1e-3, atol=1e-3)
    for scaling in ("none", "fixed", "sample"):
        network = original_networks.network(2, 9, scaling, CELLS)
        assert not np.allclose(network(CELLS), network(7 * CELLS), rtol=0.1)


def test_scalings_of_pairs() -> None:
    flat = CELLS.reshape(-1, 81)
    given = {
        name: first_dense(original_networks.network(2, 9, name, CELLS), CELLS)
        for name in ("none", "sample", "fixed")
    }
    np.testing.assert_array_equal(given["none"], flat)
    np.testing.assert_allclose(given["sample"], (flat - flat.mean()) / flat.std(), atol=1e-4)
    np.testing.assert_allclose(given["fixed"], (flat - 2.5) / np.sqrt(13.4), atol=1e-4)


def test_sum_and_position_are_inputs() -> None:
    corner = RNG.normal(0, 30, (200, 2)).astype(np.float32)
    network = original_networks.network(2, 9, position=True, switches=Switches(total=True))
    given = first_dense(network, [CELLS, corner])
    assert given.shape == (200, 81 + 1 + 2)
    more = np.concatenate([CELLS.sum(axis=(1, 2))[:, None], corner], axis=1)
    np.testing.assert_allclose(given[:, 81:], (more - 2.5) / np.sqrt(13.4), rtol=1e-4)


def test_convolution_does_not_care_where_a_shower_is() -> None:
    network = original_networks.network(2, 9, switches=Switches(convolution=4))
    shower = np.zeros((2, 9, 9), np.float32)
    shower[0, 3:5, 3:5] = shower[1, 4:6, 5:7] = [[8.0, 2.0], [3.0, 1.0]]
    left, moved = first_dense(network, shower).reshape(2, 9, 9, 4)
    np.testing.assert_allclose(left[2:6, 2:6], moved[3:7, 4:8], atol=1e-5)


def test_dropout_leaves_out_in_training_alone() -> None:
    network = original_networks.network(2, 9, switches=Switches(dropout=0.5))
    np.testing.assert_array_equal(network(CELLS), network(CELLS))
    assert not np.allclose(network(CELLS, training=True), network(CELLS, training=True))
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)]
    assert len(layers) == 6


def test_in_the_middle_is_the_highest_cell() -> None:
    """Of photons that hit the middle of a cell, wherever it is; placed at random it may be elsewhere."""
    sample = simulate(Scene(photons=1, energy=(50, 100)), 2000, 3)
    truth = truth_array(sample, 1)[:, 0]
    middle = (np.abs(truth[:, :2]) < 0.3).all(axis=1)
    cells = cell_arrays(sample)
    centred = windows(*cells, 5, 0.1)
    place = centred.energy.reshape(len(sample), -1).argmax(axis=1)
    assert middle.sum() > 20
    assert (place[middle] == 12).mean() > 0.95
    assert np.abs(truth[:, 0] - centred.x0 - 2 * CELL).max() < 2 * CELL
    random = windows(*cells, 9, 0.1, "random", np.random.default_rng(1))
    assert len(set(random.energy[middle].reshape(middle.sum(), -1).argmax(axis=1))) > 1


def test_training_events_are_those_that_the_lednev_fit_splits() -> None:
    sample = simulate(Scene(photons=2, distance=(2, 6)), 300, 4)
    found = ProfileFit("lednev", shipped("lednev", 2, "normal"), 2).predict(sample)["photons"]
    settings = NetworkSettings(switches=Switches(events="lednev"))
    kept = settings.placing(sample, np.random.default_rng(1))
    assert 0 < len(kept) == (found == 2).sum() < 300
    merged = sample.select(found != 2)
    with pytest.raises(BadInput, match=f"the Lednev fit splits none of {len(merged)} events"):
        settings.placing(merged, np.random.default_rng(1))


@pytest.mark.parametrize("again", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_every_switch_at_once_is_trained_and_answers(again: bool, tmp_path: Path) -> None:
    """And trained again from the same seed it answers the same."""
    switches = Switches(dropout=0.1, total=True, position=True, convolution=2, order="epoch", units="none")
    settings = NetworkSettings(
        network="seed", network_events=1000, epochs=2, batch=200, incidence="target", switches=switches
    )
    scene = Scene(incidence="target", region="shashlik")
    sample = simulate(scene, 250, 1)
    bench = Bench(seed=1, scratch=tmp_path, simulate=lambda events, seed: simulate(scene, events, seed))
    fitted = NetworkEstimator(settings).fit(sample, bench)
    answers = fitted.predict(sample)
    assert all(np.isfinite(answers[name]).all() for name in ("x1", "y1", "e1", "x2", "y2", "e2"))
    if again:
        other = NetworkEstimator(settings).fit(sample, replace(bench, scratch=tmp_path / "again"))
        for name, values in other.predict(sample).items():
            np.testing.assert_array_equal(values, answers[name])


@pytest.mark.parametrize(
    ("task", "switches", "given", "wanted"),
    [
        ("ecal_stage2", "order:energy", {}, "'order' makes no sense here, one photon has no order"),
        ("ecal_stage1", "events:lednev", {}, "'events' makes no sense here, one photon is never split"),
        ("ecal_stage3", "position:true", {}, "'position' makes no sense here, one photon has the setting"),
        ("ecal_stage4", "position:true", {}, "where photons come in parallel; give incidence=target"),
        ("ecal_stage4", "dropout:0.1", {"network": "default"}, "give network=seed, or leave them out"),
        ("ecal_stage4", "loss:percentage,units:none", {}, "errors in per cent have no 'units'"),
        ("ecal_stage4", "order:z", {}, "order='z' is not allowed; choose from better, energy, x, y, epoch"),
        ("ecal_stage4", "colour:red", {}, "unknown parameter 'colour'"),
        ("ecal_stage4", "dropout", {}, "'dropout' is not name:value, for example scaling:event"),
        ("ecal_stage4", "dropout:2", {}, "dropout=2.0"),
    ],
)
def test_a_switch_that_makes_no_sense_is_refused(
    task: str, switches: str, given: dict[str, str], wanted: str
) -> None:
    chosen = catalog.load(task)
    words = {"network": "seed", "switches": switches, **given}
    settings = resolve(chosen.settings, chosen.presets, words)
    with pytest.raises(BadInput) as refused:
        chosen.estimators(settings)
    assert wanted in str(refused.value)
    assert "\n" not in str(refused.value)
    assert switches in str(refused.value)


def test_switches_are_read() -> None:
    found = switched("scaling:event, dropout:0.2,total:true", "seed", 2, "normal")
    assert found == Switches(scaling="event", dropout=0.2, total=True)
    assert switched("", "default", 1, "normal") == Switches()
