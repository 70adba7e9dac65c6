"""Assignment of reconstructed to true photons, residuals, failures and what a file carries."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from projects.ecal.evaluation.event_displays import PI0_MASS_MEV, pi0_masses
from projects.ecal.evaluation.photons import assign, carried, residuals, true_photons
from projects.ecal.simulation.events import Scene, simulate
from shashlik.exceptions import BadInput
from shashlik.task.sample import Predictions, Sample


@pytest.fixture(scope="module")
def pairs() -> Sample:
    return simulate(Scene(), 200, seed=3)


def truth_as_predictions(sample: Sample, flipped: bool = False) -> dict[str, np.ndarray]:
    truth = true_photons(sample, 2)
    order = (1, 0) if flipped else (0, 1)
    return {f"{axis}{slot + 1}": truth[axis][:, order[slot]].copy() for axis in "xye" for slot in (0, 1)}


@pytest.mark.parametrize("flipped", [False, True])
def test_the_truth_has_no_residual_in_either_order(pairs: Sample, flipped: bool) -> None:
    judged = residuals(pairs, truth_as_predictions(pairs, flipped), 2)
    for values in judged.values.values():
        np.testing.assert_allclose(values, 0, atol=1e-12)
    assert judged.failed is not None
    assert not judged.failed.any()


def test_the_assignment_is_the_best_of_all_orders() -> None:
    rng = np.random.default_rng(1)
    truth = {axis: rng.normal(size=(100, 3)) for axis in "xy"}
    shuffle = rng.permuted(np.tile(np.arange(3), (100, 1)), axis=1)
    found = {axis: np.take_along_axis(values, shuffle, 1) for axis, values in truth.items()}
    np.testing.assert_array_equal(
        shuffle[np.arange(100)[:, None], assign(truth, found)], np.tile(np.arange(3), (100, 1))
    )


def test_a_photon_that_was_not_found_lowers_the_efficiency_only_of_itself(pairs: Sample) -> None:
    answer = truth_as_predictions(pairs, flipped=True)
    answer["x2"][7] = np.nan
    judged = residuals(pairs, answer, 2)
    assert judged.answered.sum() == 2 * len(pairs) - 1
    assert judged.answered[7].sum() == 1
    assert judged.failed is not None
    assert not judged.failed.any()


@pytest.mark.parametrize(("key", "shift", "fails"), [("x1", 1.99, False), ("x1", 2.01, True)])
def test_failures_begin_at_two_centimetres(pairs: Sample, key: str, shift: float, fails: bool) -> None:
    answer = truth_as_predictions(pairs)
    truth = true_photons(pairs, 2)
    answer[key] = answer[key] + shift * np.sign(truth["x"][:, 0] - truth["x"][:, 1])  # away from the other
    judged = residuals(pairs, answer, 2)
    assert judged.failed is not None
    assert judged.failed.any(axis=1).all() == fails


def test_failures_begin_at_half_of_the_energy(pairs: Sample) -> None:
    for factor, fails in ((1.49, False), (1.51, True), (0.51, False), (0.49, True)):
        answer = truth_as_predictions(pairs)
        answer["e2"] = answer["e2"] * factor
        judged = residuals(pairs, answer, 2)
        assert judged.failed is not None
        assert judged.failed[:, 1].all() == fails


def test_the_pi0_peak_of_the_truth_is_the_pi0(pairs: Sample) -> None:
    np.testing.assert_allclose(pi0_masses(pairs, truth_as_predictions(pairs)), PI0_MASS_MEV)


def test_the_wrong_number_of_photons_is_named(pairs: Sample) -> None:
    with pytest.raises(BadInput, match="event 0 has 2 true photons; this task judges events with 1"):
        true_photons(pairs, 1)


def test_results_of_other_programs_in_the_file_are_read(pairs: Sample) -> None:
    truth: Predictions = truth_as_predictions(pairs)
    counts = np.full(len(pairs), 2)
    counts[0] = 1
    mask = np.arange(2) < counts[:, None]
    columns = dict(pairs.columns)
    for axis in "xye":
        both = np.stack([truth[f"{axis}1"], truth[f"{axis}2"]], axis=1)
        columns[f"coral_{axis}"] = ak.unflatten(both[mask], counts)
    found = carried(Sample(pairs.schema, columns), 2)
    assert set(found) == {"coral-file"}
    assert np.isnan(found["coral-file"]["x2"][0])
    judged = residuals(pairs.select(slice(1, None)), {k: v[1:] for k, v in found["coral-file"].items()}, 2)
    np.testing.assert_allclose(judged.values["x"], 0, atol=1e-9)
