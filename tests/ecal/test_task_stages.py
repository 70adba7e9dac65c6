"""The stages of a single photon: what is simulated, what the network is told, what is judged and refused."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from projects.ecal.detector import MAX_ANGLE
from projects.ecal.evaluation.photons import residuals
from projects.ecal.networks.pair_estimator import NetworkEstimator, NetworkSettings
from projects.ecal.networks.pair_graph import gravity_start
from projects.ecal.networks.refinement import Readout
from projects.ecal.simulation.events import Scene, simulate
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Task
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve

STAGES = ("ecal_stage1", "ecal_stage2", "ecal_stage3")
#: What a search may set, beside what it trains on.
HYPER = {
    "rate",
    "batch",
    "epochs",
    "network_events",
    "width",
    "depth",
    "activation",
    "dropout",
    "placement",
    "patience",
    "cluster",
    "larger",
    "threshold",
}


def settings_of(task: Task, **given: str) -> Any:
    return resolve(task.settings, task.presets, given)


def network_of(task: Task, **given: str) -> NetworkSettings:
    found = task.estimators(settings_of(task, **given))[-1]
    assert isinstance(found, NetworkEstimator)
    return found.settings


@pytest.fixture(params=STAGES)
def stage(request: pytest.FixtureRequest) -> Task:
    return catalog.load(request.param)


def test_every_setting_of_the_network_reaches_it(stage: Task) -> None:
    known = {item.name: item.default for item in fields(stage.settings)}
    assert set(known) >= HYPER
    other = {
        "rate": "0.01",
        "batch": "77",
        "epochs": "3",
        "network_events": "1234",
        "width": "17",
        "depth": "2",
        "activation": "gelu",
        "dropout": "0.2",
        "placement": "random",
        "patience": "4",
        "cluster": "sides",
        "larger": "drop",
        "threshold": "0.2",
    }
    network = network_of(stage, **other)
    for name, value in other.items():
        assert str(getattr(network, name)) == value, name
        assert known[name] != getattr(network, name), name
    assert network.photons == 1
    assert network.window == 5


def test_the_seed_preset_is_the_training_of_the_study(stage: Task) -> None:
    network = network_of(stage, preset="seed")
    wanted = {"ecal_stage1": (50, "event"), "ecal_stage2": (64, "sample"), "ecal_stage3": (64, "fixed")}
    assert (network.batch, network.scaling) == wanted[stage.name]
    assert (network.network, network.epochs, network.rate) == ("seed", 200, 1e-5)
    assert network.placement == "random"


def test_stage_four_trains_the_study_s_network_as_the_study_did() -> None:
    network = network_of(catalog.load("ecal_stage4"), preset="seed")
    assert (network.network, network.epochs, network.batch, network.rate) == ("seed", 150, 64, 5e-5)
    assert network.placement == "centred"
    assert network.window == 9


def test_stage_one_has_one_energy_and_does_not_judge_it() -> None:
    task = catalog.load("ecal_stage1")
    events = task.simulate(settings_of(task), 50, 1)
    assert set(ak.flatten(events["true_e"])) == {140.0}
    assert [quantity.name for quantity in task.quantities] == ["x", "y"]
    perfect = {f"{name}1": ak.to_numpy(events[f"true_{name}"])[:, 0] for name in "xye"}
    assert set(task.residuals(events, perfect).values) == {"x", "y"}


@pytest.mark.parametrize(("dataset", "largest"), [("1", np.hypot(0.012, 0.012)), ("2", MAX_ANGLE)])
def test_stage_three_illuminates_its_data_set(dataset: str, largest: float) -> None:
    task = catalog.load("ecal_stage3")
    events = task.simulate(settings_of(task, dataset=dataset), 3000, 1)
    slope_x, slope_y, x, y = (ak.to_numpy(events[f"true_{name}"])[:, 0] for name in ("tx", "ty", "x", "y"))
    np.testing.assert_allclose(slope_x, x / 3325.2)
    np.testing.assert_allclose(slope_y, y / 3325.2)
    assert np.hypot(slope_x, slope_y).max() < 1.05 * largest
    assert np.abs(slope_x).max() > (0.011 if dataset == "1" else 0.024)
    if dataset == "1":
        assert max(np.abs(slope_x).max(), np.abs(slope_y).max()) <= 0.012
    else:
        assert np.abs(slope_x).max() > 1.8 * np.abs(slope_y).max(), "wider in x than in y"
    assert ak.all(events["cell_type"] == 3)


def test_stage_three_refuses_other_cells() -> None:
    task = catalog.load("ecal_stage3")
    events = task.simulate(settings_of(task), 20, 1)
    perfect = {f"{name}1": ak.to_numpy(events[f"true_{name}"])[:, 0] for name in "xye"}
    np.testing.assert_allclose(task.residuals(events, perfect).values["x"], 0)
    kinds = events["cell_type"].to_list()
    kinds[7][0] = 1
    foreign = replace(events, columns={**events.columns, "cell_type": ak.Array(kinds)})
    with pytest.raises(BadInput, match="event 7 has a cell that is not shashlik"):
        task.residuals(foreign, perfect)


def test_the_start_is_the_centre_of_gravity_around_the_highest_cell() -> None:
    cells = np.zeros((2, 5, 5), np.float32)
    cells[0, 2, 3], cells[0, 2, 2], cells[0, 1, 3], cells[0, 4, 0] = 6, 2, 2, 5
    cells[1, 0, 0] = 10
    start = gravity_start(Readout((1.0,), (0.7,), 2.0, 0.1, 5))
    found = np.asarray(start(cells))[:, 0]
    np.testing.assert_allclose(found[0], [2.0 * 2.8, 2.0 * 1.8, np.log(15.2)], rtol=1e-5)
    np.testing.assert_allclose(found[1], [0, 0, np.log(10.2)], atol=1e-5)


#: Photons at large angles.
FAR = Scene(photons=1, energy=(50, 150), incidence="target", region="shashlik")


def reading_too_much(sample: Sample) -> Sample:
    """Cells that read 3 % too much, of which the simulation knows nothing."""
    return Sample(sample.schema, {**sample.columns, "cell_e": sample["cell_e"] * 1.03}, "measured")


@pytest.fixture(scope="module")
def far() -> tuple[Sample, Sample]:
    """Training and test events; so many of the latter that a width is uncertain by 5 %."""
    return simulate(FAR, 3000, 1), simulate(FAR, 250, 2)


def trained(train: Sample, scratch: Path, position: bool = True, measured: bool = False) -> NetworkEstimator:
    settings = NetworkSettings(
        photons=1,
        window=5,
        incidence="target",
        position=position,
        network_events=2500,
        epochs=4,
        batch=256,
        cluster="corners",
    )
    bench = Bench(
        seed=1, scratch=scratch, simulate=lambda events, seed: simulate(FAR, events, seed), measured=measured
    )
    return NetworkEstimator(settings).fit(train, bench)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `fitted` was trained."""
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def fitted(far: tuple[Sample, Sample], scratch: Path) -> NetworkEstimator:
    """Watched by events that read too much, to which it is not adapted."""
    return trained(reading_too_much(far[0]), scratch)


def test_who_knows_the_position_knows_the_angle(
    fitted: NetworkEstimator, far: tuple[Sample, Sample], tmp_path: Path
) -> None:
    """Without it the shower's depth shifts x by up to half a centimetre, as the study found."""
    train, test = far
    width = {}
    for position in (True, False):
        network = fitted if position else trained(train.select(slice(0, 500)), tmp_path, position)
        judged = residuals(test, network.predict(test), 1)
        assert judged.answered.all()
        width[position] = np.quantile(np.abs(judged.values["x"]), 0.683)
    assert width[True] < 0.08
    assert width[False] > 2.5 * width[True]


def test_adapts_to_measured_events(
    fitted: NetworkEstimator, scratch: Path, far: tuple[Sample, Sample], tmp_path: Path
) -> None:
    """The correction learns what the simulation did not know, after the same training from the same seed.

    The median of the energy is uncertain by 0.1 %.
    """
    train, test = far
    adapted = trained(reading_too_much(train), tmp_path, measured=True)
    unseen, bias = reading_too_much(test), {}
    for network in (fitted, adapted):
        judged = residuals(unseen, network.predict(unseen), 1)
        bias[network is adapted] = np.median(judged.values["energy"])
    assert bias[False] > 0.02
    assert abs(bias[True]) < 0.005
    assert {path.stem for path in scratch.iterdir()} == {"correction"}
    assert {path.stem for path in tmp_path.iterdir()} == {"correction", "adaptation"}
    with np.load(scratch / "correction.npz") as first, np.load(tmp_path / "correction.npz") as second:
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])


def test_a_dropped_cluster_gets_no_answer(far: tuple[Sample, Sample], tmp_path: Path) -> None:
    train, test = far
    settings = NetworkSettings(
        photons=1,
        window=5,
        incidence="target",
        network="seed",
        network_events=1000,
        epochs=1,
        batch=256,
        cluster="corners",
        larger="drop",
    )
    network = NetworkEstimator(settings).fit(train.select(slice(0, 1000)), Bench(seed=1, scratch=tmp_path))
    answered = np.isfinite(network.predict(test)["x1"])
    assert 0 < answered.mean() < 0.7
    many = ak.to_numpy(ak.num(test["cell_e"])) > 25
    assert not answered[many].any()
