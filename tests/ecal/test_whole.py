"""Photons anywhere in the shashlik part: image, finder, fits in windows, answers, and what is judged."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import awkward as ak
import keras
import numpy as np
import pytest

from projects.ecal.detector import PITCH
from projects.ecal.evaluation import photons
from projects.ecal.fits.baselines import ProfileFit, baselines, cell_arrays
from projects.ecal.networks import finder
from projects.ecal.networks.pair_graph import view_graph
from projects.ecal.networks.pair_networks import correction_network
from projects.ecal.networks.refinement import Readout, photon_cells
from projects.ecal.networks.whole_estimator import WholeEstimator, WholeSettings
from projects.ecal.networks.whole_graph import assemble_whole, located
from projects.ecal.simulation.events import Scene, simulate
from projects.ecal.stages.mixtures import mixture, mixture_limit
from projects.ecal.windows.whole_image import IMAGE_SHAPE, image
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve
from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Facts

SCENE = Scene(photons=2, incidence="target", region="shashlik")
#: A profile that showers of the tests follow exactly.
READOUT = Readout((0.35, 0.65), (0.2, 0.75), PITCH, 0.1, 9)


@pytest.fixture(scope="module")
def mixed() -> Sample:
    return mixture(SCENE, 1, 300, 5)


def flat(*events: list[tuple[float, float, float]]) -> tuple[np.ndarray, ...]:
    cells = np.array([cell for event in events for cell in event]).reshape(-1, 3)
    return (np.cumsum([0, *map(len, events)]), *cells.T)


def test_cells_are_where_the_calorimeter_has_them() -> None:
    left, low = -23.5 * PITCH, -11.5 * PITCH
    placed = image(*flat([(left, low, 2.0), (left + 3 * PITCH, low + PITCH, 5.0), (left, low, 1.0)]))
    assert placed.energy.shape == (1, *IMAGE_SHAPE) == (1, 25, 49)
    assert placed.energy[0, 0, 0] == 3
    assert placed.energy[0, 1, 3] == 5
    assert placed.energy.sum() == 8
    np.testing.assert_allclose([placed.x0[0], placed.y0[0]], [left, low])


def test_an_image_follows_the_grid_of_its_event() -> None:
    """Files have their own origin: at (0, 0) there may be a cell, where ECAL2 has a corner of four."""
    placed = image(*flat([(0.0, 0.0, 2.0), (PITCH, -PITCH, 3.0)]))
    row, column = np.nonzero(placed.energy[0])
    np.testing.assert_allclose(placed.x0[0] + PITCH * column, [PITCH, 0], atol=1e-9)
    np.testing.assert_allclose(placed.y0[0] + PITCH * row, [-PITCH, 0], atol=1e-9)
    assert placed.usable.all()


def test_events_that_are_no_image_are_not_usable() -> None:
    good = (PITCH / 2, PITCH / 2, 2.0)
    events = [
        [good],
        [good, (PITCH, PITCH / 2, 1.0)],
        [good, (np.nan, 0.0, 1.0)],
        [good, (1.5 * PITCH, PITCH / 2, np.nan)],
        [(40.5 * PITCH, PITCH / 2, 9.0)],
        [],
        [good, (40.5 * PITCH, PITCH / 2, 9.0)],
        [(PITCH / 2, PITCH / 2, 0.05)],
    ]
    placed = image(*flat(*events), threshold=0.1)
    np.testing.assert_array_equal(placed.usable, [True, False, False, False, False, False, True, False])
    assert not placed.energy[~placed.usable].any()
    assert placed.energy[6].sum() == 2, "a cell of lead glass is left out"


def test_a_mixture_has_every_number_of_photons(mixed: Sample) -> None:
    number = ak.to_numpy(ak.num(mixed["true_e"]))
    assert set(number) == {1, 2}
    assert 0.4 < np.mean(number == 2) < 0.6
    assert number[:20].std() > 0, "in random order"
    assert len(np.unique(mixed["event"])) == 300
    assert mixture(SCENE, 1, 300, 5).sha256 == mixed.sha256
    assert mixture(SCENE, 2, 50, 5).sha256 == simulate(SCENE, 50, 5).sha256


def test_the_limit_of_a_mixture_is_that_of_its_parts(mixed: Sample) -> None:
    few = mixed.select(slice(0, 60))
    answer = mixture_limit(SCENE, 1, few)
    single = ak.to_numpy(ak.num(few["true_e"])) == 1
    np.testing.assert_array_equal(np.isnan(answer["x2"]), single)
    judged = photons.residuals(few, answer, 2, 1)
    np.testing.assert_array_equal(judged.answered, judged.present)
    assert np.nanmax(np.abs(judged.values["x"])) < 2


def test_what_is_not_there_is_neither_lost_nor_found(mixed: Sample) -> None:
    """One photon lost is inefficiency; one too many is nobody's answer; of one there is nothing to lose."""
    few = mixed.select(slice(0, 100))
    true = photons.true_photons(few, 4, 1)
    answer = {f"{name}{k + 1}": true[name][:, k].copy() for name in "xye" for k in range(3)}
    number = np.isfinite(true["e"]).sum(axis=1)
    pair, single = np.flatnonzero(number == 2), np.flatnonzero(number == 1)
    for name in "xye":
        answer[f"{name}2"][pair[:5]] = np.nan
        answer[f"{name}3"][single[:7]] = 50.0
    judged = photons.residuals(few, answer, 4, 1)
    assert judged.shape == (100, 2)
    assert judged.present.sum() == number.sum()
    assert (judged.present & ~judged.answered).sum() == 5
    assert not judged.failed.any()  # type: ignore[union-attr]
    assert np.isinf(judged.variables["distance"][single, 0]).all()
    facts = Facts("ecal_stage4_whole", "a", "made up", 100, 2, 1, {})
    evidence = build({"network": judged}, photons.QUANTITIES, (), facts=facts, seed=1, replicas=20)
    efficiency = evidence.count("network").efficiency
    assert (efficiency.passed, efficiency.total) == (number.sum() - 5, number.sum())


def test_more_photons_than_the_task_judges_are_refused(mixed: Sample) -> None:
    task = catalog.load("ecal_stage4_whole")
    many = mixed.select(slice(0, 1))
    columns = {name: ak.Array([[9.0] * 5]) if "true" in name else many[name] for name in many.columns}
    with pytest.raises(BadInput, match="event 0 has 5 true photons; this task judges events with 1 to 4"):
        task.residuals(Sample(many.schema, columns), {"x1": np.zeros(1), "y1": np.zeros(1), "e1": np.ones(1)})


def showers(*found: tuple[float, float, float], shape: tuple[int, int] = (25, 49)) -> np.ndarray:
    """Cells of showers (x, y in cells, GeV) that follow the profile, one event."""
    wide = Readout(READOUT.a, READOUT.b, PITCH, 0.1, max(shape))
    point = [part for x, y, e in found for part in (x * PITCH, y * PITCH, np.log(e))]
    (each,) = photon_cells(np.array(point, np.float32)[None, None], wide, slopes=False)
    cells = np.asarray(each).sum(axis=(0, 1, 2))[: shape[0], : shape[1]]
    return np.where(cells > 0.1, cells, 0).astype(np.float32)[None]


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(1)
    return finder.finder_network(PITCH, 8)


def test_an_untaught_finder_finds_clusters(network: keras.Model) -> None:
    cells = showers((30.2, 8.1, 60.0), (34.4, 8.9, 5.0))
    points, number = (np.asarray(part) for part in finder.peaks(cells, network(cells), PITCH, 2))
    assert number == [2]
    order = np.argsort(points[0, :, 0])
    np.testing.assert_allclose(points[0, order, :2] / PITCH, [(30.2, 8.1), (34.4, 8.9)], atol=0.25)
    np.testing.assert_allclose(np.exp(points[0, order, 2]), [60, 5], rtol=0.25)


def test_what_a_cell_says_does_not_depend_on_where_it_is(network: keras.Model) -> None:
    """A lesson of 13 x 13 cells holds in the whole image, at its border too."""
    small = np.asarray(network(showers((6.2, 5.7, 40.0), (4.1, 6.0, 9.0), shape=(13, 13))))[0]
    for row, column in ((0, 0), (7, 21), (12, 36)):
        cells = np.zeros((1, 25, 49), np.float32)
        cells[0, row : row + 13, column : column + 13] = showers(
            (6.2, 5.7, 40.0), (4.1, 6.0, 9.0), shape=(13, 13)
        )
        large = np.asarray(network(cells))[0]
        np.testing.assert_allclose(large[row : row + 13, column : column + 13], small, atol=2e-4)


def said(*claims: tuple[int, int, float, float, float]) -> np.ndarray:
    """Of a 5 x 6 image: (row, column, logit, x, y) with the place in cm from the cell."""
    answer = np.zeros((1, 5, 6, 4), np.float32)
    answer[..., 0] = -5
    for row, column, *numbers in claims:
        answer[0, row, column, :3] = numbers
    return answer


@pytest.mark.parametrize(
    ("claims", "number", "first"),
    [
        ([], 0, None),
        ([(2, 2, 3.0, 1.0, 0.0)], 1, (2 * PITCH + 1, 2 * PITCH)),
        # One photon on the border of two cells, and claimed by both.
        ([(2, 2, 3.0, 1.9, 0.0), (2, 3, 4.0, -1.9, 0.0)], 1, (3 * PITCH - 1.9, 2 * PITCH)),
        # Two photons in neighbouring cells, 4 cm apart.
        ([(2, 2, 3.0, 0.0, 0.0), (2, 3, 4.0, 0.17, 0.0)], 2, (3 * PITCH + 0.17, 2 * PITCH)),
        # More than are reported.
        ([(0, 0, 3.0, 0, 0), (0, 3, 4.0, 0, 0), (3, 0, 2.0, 0, 0), (3, 3, 1.0, 0, 0)], 3, (3 * PITCH, 0)),
    ],
)
def test_claims_of_one_photon_are_one(claims: list, number: int, first: tuple[float, float] | None) -> None:
    points, found = finder.peaks(np.ones((1, 5, 6), np.float32), said(*claims), PITCH, 2)
    assert np.asarray(found) == [number]
    if first:
        np.testing.assert_allclose(np.asarray(points)[0, 0, :2], first, atol=1e-5)


def test_the_finder_is_taught_the_truth_and_nothing_else() -> None:
    """The right answer has the smallest loss, whether a second photon is there or not."""
    loss, nobody = finder.finder_loss(PITCH), [np.nan] * 3
    cells = showers((2.1, 1.9, 50.0), shape=(5, 6))
    truth = np.asarray(
        finder.lesson(cells, np.array([[2.1 * PITCH, 1.9 * PITCH, np.log(50), *nobody]], np.float32))
    )
    right = said((2, 2, 9.0, 0.1 * PITCH, -0.1 * PITCH))
    right[..., 3] = np.log(50)
    assert float(loss(truth, right)[0]) < 0.3
    for place, change in (((2, 2, 0), -18.0), ((2, 2, 1), 2.0), ((2, 2, 3), 0.5), ((3, 3, 0), 12.0)):
        wrong = right.copy()
        wrong[(0, *place)] += change
        assert float(loss(truth, wrong)[0]) > float(loss(truth, right)[0]) + 0.3, place


def test_turned_images_keep_their_photons() -> None:
    cells = np.concatenate([showers((3.2, 8.9, 50.0), shape=(13, 13))] * 32)
    photon = np.tile([3.2 * PITCH, 8.9 * PITCH, np.log(50), np.nan, np.nan, np.nan], (32, 1))
    turned, truth = finder.turned(PITCH)(cells, photon.astype(np.float32), [1, 2])
    places = np.asarray(truth)[:, 0, 0, 1:3] / PITCH
    highest = [np.unravel_index(np.argmax(one), one.shape)[::-1] for one in np.asarray(turned)]
    np.testing.assert_array_equal(np.rint(places), highest)
    assert len(np.unique(places.round(3), axis=0)) > 4


@pytest.mark.parametrize(
    "found",
    [
        [(20.3, 11.6, 40.0)],
        [(20.3, 11.6, 40.0), (22.1, 12.2, 20.0)],
        [(3.3, 11.6, 40.0), (40.1, 12.2, 20.0)],
        [(20.3, 11.6, 40.0), (22.4, 12.2, 20.0), (21.0, 14.8, 90.0)],
    ],
    ids=["one", "pair", "apart", "three"],
)
def test_photons_that_follow_the_profile_are_fitted_exactly(
    network: keras.Model, found: list[tuple[float, float, float]]
) -> None:
    model = located(network, READOUT, (25, 49), 3)
    window, corner, pair, number = (np.asarray(part) for part in model(showers(*found)))
    assert number == [len(found)]
    assert window.shape == (1, 3, 9, 9)
    points = np.concatenate([pair[0, :, :2] + corner[0], np.exp(pair[0, :, 2:3])], axis=1)[: len(found)]
    wanted = np.array(found) * [PITCH, PITCH, 1]
    order = np.argsort(points[:, 2]), np.argsort(wanted[:, 2])
    np.testing.assert_allclose(points[order[0], :2], wanted[order[1], :2], atol=0.02)
    np.testing.assert_allclose(points[order[0], 2], wanted[order[1], 2], rtol=0.01)


@pytest.fixture(scope="module")
def untaught(network: keras.Model) -> WholeEstimator:
    """The estimator without any training: finder of clusters, fit, and a correction of nearly nothing."""
    (views, _) = view_graph(READOUT, "target").output_shape
    model = assemble_whole(network, correction_network(views[-1]), READOUT, IMAGE_SHAPE, 2, "target")
    return WholeEstimator(WholeSettings(), model)


@pytest.mark.parametrize("events", [200, pytest.param(300, marks=pytest.mark.slow, id="many, compiled")])
def test_answers_are_sorted_and_as_many_as_photons(
    untaught: WholeEstimator, mixed: Sample, events: int
) -> None:
    """About 100 single photons: their width is uncertain by 10 %; with the angle left in it is 0.4 cm."""
    mixed = mixed.select(slice(0, events))
    answer = untaught.predict(mixed)
    there = np.stack([np.isfinite(answer[f"{name}{k}"]) for name in ("x", "e", "se") for k in (1, 2)])
    np.testing.assert_array_equal(there[::2].sum(axis=0), 3 * (answer["photons"] >= 1))
    np.testing.assert_array_equal(there[1::2].sum(axis=0), 3 * (answer["photons"] >= 2))
    both = answer["photons"] >= 2
    assert (answer["e1"][both] >= answer["e2"][both]).all()
    number = ak.to_numpy(ak.num(mixed["true_e"]))
    assert np.mean(answer["photons"] == number) > 0.8
    judged = photons.residuals(mixed, answer, 4, 1)
    single = number == 1
    assert np.nanquantile(np.abs(judged.values["x"][single, 0]), 0.68) < 0.15, "the angle is taken out"


def test_the_model_that_leaves_says_the_same(untaught: WholeEstimator, mixed: Sample, tmp_path: Path) -> None:
    energy = mixed["cell_e"][:20].to_list()
    energy[3] = [float("nan")] * len(energy[3])
    few = mixed.select(slice(0, 20))
    few = Sample(few.schema, {**few.columns, "cell_e": ak.Array(energy)})
    wanted = untaught.predict(few)
    assert np.isnan(wanted["x1"][3])
    assert np.isnan(wanted["photons"][3])
    assert np.isfinite(np.delete(wanted["x1"], 3)).all()
    packed = untaught.portable(tmp_path)
    module = run_path(str(packed.module))
    files = {name: str(path) for name, path in packed.files.items()}
    found = module["load"](files)({name: few[name].to_list() for name in packed.inputs})
    assert set(found) == set(wanted)
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=2e-4, atol=1e-3)
    _, prepare, meaning = module["graph"](files)
    assert prepare({name: few[name].to_list() for name in packed.inputs})[0]["cells"].shape == (20, 25, 49)
    assert set(meaning) == {"cells", "corner", *wanted}
    assert meaning["x2"]["meaning"] == "position at the front face of photon 2 by energy"


def test_settings_reach_the_network_and_the_events() -> None:
    task = catalog.load("ecal_stage4_whole")
    other = {
        "finder_rate": "0.01",
        "finder_batch": "77",
        "finder_epochs": "4",
        "filters": "9",
        "rate": "0.02",
        "batch": "78",
        "epochs": "5",
        "network_events": "1234",
        "most_photons": "3",
        "threshold": "0.2",
        "fewest_photons": "2",
        "incidence": "normal",
    }
    settings = resolve(task.settings, task.presets, other)
    *fits, network = task.estimators(settings)
    for name, value in other.items():
        assert str(getattr(network.settings, name)) == value, name  # type: ignore[attr-defined]
        assert getattr(WholeSettings(), name) != getattr(settings, name), name
    assert all(isinstance(fit, ProfileFit) and fit.photons == 3 for fit in fits)
    number = ak.to_numpy(ak.num(task.simulate(settings, 40, 1)["true_e"]))
    assert set(number) == {2, 3}
    wrong = resolve(task.settings, task.presets, {"fewest_photons": "4"})
    with pytest.raises(BadInput, match="fewest_photons=4 is more than most_photons=2"):
        task.simulate(wrong, 10, 1)


def test_fits_are_tuned_on_the_events_with_most_photons(mixed: Sample) -> None:
    fit = baselines(2, "target", mixed=True)[1]
    from shashlik.task.estimator import Bench

    pairs = photons.of_number(mixed, 2)
    tuned = [fit.fit(sample, Bench(1, Path())).method for sample in (mixed, pairs)]  # type: ignore[attr-defined]
    assert tuned[0] == tuned[1]
    assert len(cell_arrays(pairs)[0]) - 1 == np.sum(ak.num(mixed["true_e"]) == 2)
    with pytest.raises(BadInput, match="none of 150 events has 2 photons"):
        fit.fit(photons.of_number(mixed, 1).select(slice(0, 150)), Bench(1, Path()))
