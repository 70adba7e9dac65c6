"""What a response depends on, whether it is a probability, and what a cut does to the background."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scores_made_up import NAMES, scores

from tracking.statistics.bootstrap import replicate
from tracking.statistics.dependence import DependenceOf, clusters, flatness, mean_response, peaks, spread
from tracking.statistics.reliability import reliability
from tracking.statistics.residuals import Binning
from tracking.statistics.scores import Scores
from tracking.statistics.sculpting import divergence, sculpting, threshold

MASS = Binning("m_hh", "GeV", "m", tuple(range(250, 2001, 50)))


@pytest.fixture(scope="module")
def one() -> Scores:
    return scores({"a": 1.5}, 3000, 500, seed=2)["a"]


def test_mean_response_and_its_errors(one: Scores) -> None:
    values, errors = mean_response(one)
    assert values.shape == errors.shape == (5, 4)
    chosen = ~one.signal
    assert values[0, 1] == pytest.approx(np.average(one.response[chosen, 1], weights=one.weights[chosen]))
    drawn = replicate({"x": DependenceOf(one)}, one.shape[0], 400, np.random.default_rng(1))["x"]
    np.testing.assert_allclose(drawn.std(axis=-1), errors, rtol=0.2)
    assert np.all(peaks(values[1:]) == 0)
    shifted = np.roll(values[1:], 1, axis=1)
    assert list(peaks(shifted)) == [1, 1, 1, -3]


def test_a_posterior_is_flat_on_background(one: Scores) -> None:
    """All hypotheses are alike here: the ratio is 1 and the difference 0, but for fluctuations."""
    values, errors = mean_response(one)
    assert 1 <= flatness(values[0]) < 1 + 6 * errors[0].max() / values[0].min()
    assert 0 <= spread(values[0]) < 6 * errors[0].max()
    assert flatness(np.array([0.1, 0.2, 0.4])) == pytest.approx(4)


def test_not_asked_everywhere_there_is_no_peak(one: Scores) -> None:
    alone = replace(one, response=np.where(one.asked, one.response, np.nan))
    assert one.asked_everywhere
    assert not alone.asked_everywhere
    values, _ = mean_response(alone)
    assert np.all(np.isnan(peaks(values[1:])))
    np.testing.assert_allclose(np.diag(values[1:]), np.diag(mean_response(one)[0][1:]))


def test_curves_of_single_events_fall_into_their_groups() -> None:
    rng = np.random.default_rng(1)
    kinds = np.array([[0.1, 0.1, 0.1, 0.1], [0.1, 0.9, 0.2, 0.1], [0.8, 0.8, 0.8, 0.8]])
    number = rng.choice(3, 900, p=(0.6, 0.3, 0.1))
    curves = kinds[number] + 0.03 * rng.normal(size=(900, 4))
    curves[0, 2] = np.nan
    found = clusters(curves, 3, seed=4)
    assert found is not None
    np.testing.assert_allclose(found.curves, kinds, atol=0.02)
    np.testing.assert_allclose(found.share, np.bincount(number[1:]) / 899, atol=1e-9)
    assert np.all(found.low < found.high)
    assert clusters(curves[:20], 3, seed=4) is None
    same = clusters(np.full((100, 4), 0.5), 3, seed=4)
    assert same is not None
    assert list(same.share) == [1.0]


def test_a_posterior_is_calibrated_and_others_are_not() -> None:
    """Pulls of 60 toys: in a calibrated bin share less response is 0; the error counts events once."""
    pulls, excess = [], []
    for seed in range(60):
        found = reliability(scores({"a": 1.0}, 400, 100, seed=seed)["a"])
        assert found is not None
        there = found.share > 0.02
        pulls.append(((found.observed - found.predicted) / found.error)[there])
        excess.append(found.ece / found.ece_floor)
    flat = np.concatenate(pulls)
    assert abs(flat.mean()) < 0.2
    # As the sums of both classes are fixed, a bin with a tenth of them scatters by 5 % less.
    assert 0.8 < flat.std() < 1.05
    assert np.mean(excess) == pytest.approx(1, abs=0.15)
    one = scores({"a": 1.0}, 2000, 400)["a"]
    wrong = reliability(replace(one, response=one.response**2))
    assert wrong is not None
    assert wrong.ece > 10 * wrong.ece_err
    half = reliability(replace(one, response=np.full(one.shape, 0.5)))
    assert half is not None
    assert (half.ece, half.brier) == (pytest.approx(0), pytest.approx(0.25))
    assert reliability(replace(one, response=10 * one.response)) is None


def test_the_errors_of_calibration_are_those_of_toys() -> None:
    toys = [reliability(scores({"a": 1.2}, 400, 100, seed=seed)["a"]) for seed in range(80)]
    briers = [(one.brier, one.brier_err) for one in toys if one is not None]
    assert np.std([b for b, _ in briers]) == pytest.approx(np.mean([e for _, e in briers]), rel=0.25)


def test_divergence_in_its_limits() -> None:
    a, b = np.array([0.5, 0.5, 0, 0]), np.array([0, 0, 0.25, 0.75])
    assert divergence(a, a) == 0
    assert divergence(a, b) == pytest.approx(1)
    assert divergence(a, b[::-1]) == divergence(b[::-1], a)


def test_an_independent_response_sculpts_nothing(one: Scores) -> None:
    found = sculpting(one, 1, MASS, 0.5)
    assert found.js < 2.5 * found.js_floor
    # Kolmogorov: beyond 1.63 / sqrt(n) once in a hundred.
    number = found.passing * (~one.signal).sum()
    assert found.ks < 1.63 / np.sqrt(0.8 * number)
    signal = one.asked[:, 1] & one.signal
    kept = one.weights[signal & (one.response[:, 1] >= threshold(one, 1, 0.5))].sum()
    assert kept / one.weights[signal].sum() == pytest.approx(0.5, abs=0.01)


def test_a_window_in_the_mass_sculpts_it(one: Scores) -> None:
    mass = one.variables["m_hh"]
    window = np.exp(-(((mass[:, None] - one.values) / 60) ** 2))
    found = sculpting(replace(one, response=window), NAMES.index("m500"), MASS, 0.5)
    assert found.js > 0.5
    assert found.ks > 0.4
    nobody = sculpting(replace(one, response=np.full(one.shape, np.nan)), 0, MASS, 0.5)
    assert nobody.passing == 0
    assert np.isnan(nobody.js)


def test_the_floor_is_what_random_subsets_give(one: Scores) -> None:
    rng = np.random.default_rng(3)
    found = [sculpting(replace(one, response=rng.uniform(size=one.shape)), 0, MASS, 0.3) for _ in range(20)]
    assert np.mean([f.js for f in found]) == pytest.approx(np.mean([f.js_floor for f in found]), rel=0.15)
