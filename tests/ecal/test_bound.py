"""The information limit: against data of known likelihood, against the simulation, and its identities."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from projects.ecal.detector import PITCH, Z_TARGET
from projects.ecal.evaluation.photons import residuals
from projects.ecal.limit.bound import bound, covariances, moments_of
from projects.ecal.limit.information import Latent, conversion, gaussian_information, kept_share, leakage
from projects.ecal.simulation.deposits import deposit
from projects.ecal.simulation.events import Scene, simulate
from projects.ecal.simulation.profile import PROFILES
from projects.ecal.simulation.showers import draw, geant4_model
from projects.ecal.task_ecal_stage4 import TASK
from shashlik.evaluation.evaluate import Events, judge
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench
from shashlik.task.settings import resolve
from tracking.evidence.resolution import LIMIT

ONE = Scene(photons=1)
TWO = Scene(photons=2)
#: Without leakage nothing fluctuates otherwise than by its variance.
TIGHT = replace(geant4_model(), leakage_10gev=1e-9)


def photons(x: Any, y: Any, e: Any, slope: float = 0.0) -> dict[str, np.ndarray]:
    """Truth of events, arrays of shape (events, photons)."""
    columns = [np.atleast_2d(np.asarray(part, dtype=float)) for part in (x, y, e)]
    return dict(zip("xye", columns, strict=True)) | {
        "tx": np.full_like(columns[0], slope),
        "ty": np.zeros_like(columns[0]),
    }


def toy_moments(point: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of 25 cells for points (x, y, ln E), shape (events, 3)."""
    row, column = (place.ravel() * PITCH for place in np.mgrid[-2:3, -2:3])
    share = PROFILES["geant4"].fraction(column - point[:, :1], row - point[:, 1:2])
    mean = np.exp(point[:, 2:]) * share
    covariance = 0.03**2 * mean[:, :, None] * mean[:, None, :]
    covariance += (0.02**2 + 0.01 * mean)[:, :, None] * np.eye(25)
    return mean, covariance


def toy_slopes(point: np.ndarray, step: float = 1e-5) -> tuple[np.ndarray, np.ndarray]:
    """Central differences of `toy_moments`, shapes (events, 3, 25) and (events, 3, 25, 25)."""
    pairs = [[toy_moments(point + sign * step * np.eye(3)[axis]) for sign in (1, -1)] for axis in range(3)]
    return tuple(  # type: ignore[return-value]
        np.stack([(high[which] - low[which]) / (2 * step) for high, low in pairs], axis=1) for which in (0, 1)
    )


def test_information_of_normal_numbers_is_that_of_the_closed_form() -> None:
    """Numbers of mean m and width s hold m' m' / s^2 + 2 s' s' / s^2; turned into each other they do too."""
    rng = np.random.default_rng(8)
    width, (slope, width_slope) = rng.uniform(0.5, 2, 6), rng.normal(size=(2, 3, 6))
    wanted = (slope / width**2) @ slope.T + 2 * (width_slope / width**2) @ width_slope.T
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    covariance = turn @ np.diag(width**2) @ turn.T
    covariance_slope = np.stack([turn @ np.diag(2 * width * one) @ turn.T for one in width_slope])
    np.testing.assert_allclose(
        gaussian_information(np.ascontiguousarray(slope @ turn.T), covariance, covariance_slope), wanted
    )


AT_THE_MIDDLE, AT_THE_EDGE = (0.4, -0.9, np.log(20.0)), (1.8, 0.2, np.log(8.0))


@pytest.mark.parametrize(
    ("truth", "events", "room"),
    [
        # Four and a half standard errors of the mean below.
        (AT_THE_MIDDLE, 2000, 0.085),
        pytest.param(AT_THE_MIDDLE, 5000, 0.03, marks=pytest.mark.slow),
        pytest.param(AT_THE_EDGE, 5000, 0.03, marks=pytest.mark.slow),
    ],
)
def test_maximum_likelihood_reaches_the_bound_of_a_known_likelihood(
    truth: tuple[float, ...], events: int, room: float
) -> None:
    """Normal cells of known mean and covariance: the spread of the estimates is the bound's.

    What the mean of the cells says is seen to be wrong by `room`. What their covariance adds, 1 %, is not;
    the closed form is for that.
    """
    start = np.array([truth])
    mean, covariance = toy_moments(start)
    slope, covariance_slope = toy_slopes(start)
    information = gaussian_information(slope[0], covariance[0], covariance_slope[0])
    cells = np.random.default_rng(1).multivariate_normal(mean[0], covariance[0], events)
    point = np.repeat(start, events, axis=0)
    for _ in range(3):
        mean, covariance = toy_moments(point)
        slope, covariance_slope = toy_slopes(point)
        inverse = np.linalg.inv(covariance)
        weighed = np.einsum("nij,nj->ni", inverse, cells - mean)
        score = np.einsum("npi,ni->np", slope, weighed)
        score += 0.5 * np.einsum("ni,npij,nj->np", weighed, covariance_slope, weighed)
        score -= 0.5 * np.einsum("nij,npji->np", inverse, covariance_slope)
        point = point + score @ np.linalg.inv(information)
    error = point - start
    assert np.einsum("ni,ij,nj->n", error, information, error).mean() / 3 == pytest.approx(1, abs=room)
    assert error.std(axis=0) == pytest.approx(np.sqrt(np.diag(np.linalg.inv(information))), rel=room)


@pytest.mark.parametrize(("x", "y", "energy"), [(0.2, -0.4, 10.0), (1.85, 0.3, 60.0)])
def test_moments_are_those_of_the_simulation_and_linear_estimates_reach_the_bound(
    x: float, y: float, energy: float
) -> None:
    events, rng = 20_000, np.random.default_rng(2)
    place, mean, slope, covariance, _ = moments_of(
        replace(ONE, threshold=0, grid=9), photons(x, y, energy), TIGHT
    )
    cells = np.zeros((events, 9, 9))
    shower = draw(TIGHT, np.full(events, energy), rng)
    deposit(cells, np.arange(events), np.full(events, x), np.full(events, y), shower, rng)
    cells = cells * (1 + 0.01 * rng.standard_normal(cells.shape)) + 0.02 * rng.standard_normal(cells.shape)
    chosen = mean > 0.15  # far above the threshold of zero, where the noise is that of the cell alone
    residual = cells.reshape(events, -1)[:, place[chosen]] - mean[chosen]
    slope, covariance = slope[:, chosen], covariance[np.ix_(chosen, chosen)]
    size = np.sqrt(np.diag(covariance))
    assert np.abs(residual.mean(axis=0) / size).max() < 5 / np.sqrt(events)
    assert residual.std(axis=0) == pytest.approx(size, rel=0.03)
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), residual.T)
    assert np.abs(np.cov(whitened) - np.eye(len(size))).max() < 0.06
    information = slope @ np.linalg.solve(covariance, slope.T)
    estimate = np.linalg.solve(information, slope @ np.linalg.solve(covariance, residual.T))
    assert estimate.std(axis=1) == pytest.approx(np.sqrt(np.diag(np.linalg.inv(information))), rel=0.03)


def test_slopes_agree_with_finite_differences() -> None:
    scene, step = replace(TWO, threshold=0.0), 1e-4
    at = np.array([0.3, -1.1, 0.0, 5.0, 2.2, 0.0])
    energy = np.array([30.0, 12.0])

    def moments(point: np.ndarray) -> tuple[np.ndarray, ...]:
        each = point.reshape(2, 3)
        return moments_of(scene, photons(each[:, 0], each[:, 1], energy * np.exp(each[:, 2])), TIGHT)

    place, mean, slope, _, covariance_slope = moments(at)
    chosen = mean > 0.2
    for parameter in range(6):
        high, low = (moments(at + sign * step * np.eye(6)[parameter]) for sign in (1, -1))
        np.testing.assert_array_equal(high[0], place)
        difference = (high[1] - low[1])[chosen] / (2 * step)
        room = 2e-3 * np.abs(difference).max()
        np.testing.assert_allclose(slope[parameter][chosen], difference, atol=room)
        inside = np.ix_(chosen, chosen)
        difference = (high[3] - low[3])[inside] / (2 * step)
        # Beside an edge the highest orders of the expansion, cut off in both, are felt in the slope.
        room = 2e-2 * np.abs(difference).max()
        np.testing.assert_allclose(covariance_slope[parameter][inside], difference, atol=room)


def test_symmetries_of_the_calorimeter() -> None:
    """Mirrored, turned and moved by a cell: the bound moves along."""
    x, y, e = np.array([[0.7, 5.1], [1.6, -3.9]]), np.array([[-0.2, 1.3], [0.9, 2.5]]), [[40, 9], [120, 70]]
    there = covariances(TWO, photons(x, y, e))
    swapped = [1, 0, 2, 4, 3, 5]
    np.testing.assert_allclose(
        covariances(TWO, photons(y, x, e)), there[:, swapped][:, :, swapped], rtol=1e-6
    )
    flip = np.diag([-1.0, 1, 1, -1, 1, 1])
    np.testing.assert_allclose(
        covariances(TWO, photons(-x, y, e)), flip @ there @ flip, rtol=1e-5, atol=1e-12
    )
    np.testing.assert_allclose(covariances(TWO, photons(x + PITCH, y - PITCH, e)), there, rtol=1e-6)
    order = [3, 4, 5, 0, 1, 2]
    other = covariances(TWO, photons(x[:, ::-1], y[:, ::-1], np.array(e)[:, ::-1]))
    np.testing.assert_allclose(other, there[:, order][:, :, order], rtol=1e-6)


def test_more_energy_more_information() -> None:
    energy = np.geomspace(2, 200, 12)
    rng = np.random.default_rng(3)
    for _ in range(3):
        x, y = rng.uniform(-PITCH / 2, PITCH / 2, 2)
        place = np.full((12, 1), x), np.full((12, 1), y)
        sigma = np.sqrt(np.diagonal(covariances(ONE, photons(*place, energy[:, None])), axis1=1, axis2=2))
        assert (np.diff(sigma[:, :2], axis=0) < 0).all()
        assert (np.diff(sigma[:8, 2]) < 0).all()  # leakage takes over beyond


def test_photons_far_apart_are_single_photons() -> None:
    x, y, e = [-15.1, 15.9], [0.4, -1.2], [25.0, 60.0]
    both = covariances(replace(TWO, grid=25), photons(x, y, e))[0]
    for photon in (0, 1):
        alone = covariances(replace(ONE, grid=25), photons(x[photon], y[photon], e[photon]))[0]
        inside = slice(3 * photon, 3 * photon + 3)
        np.testing.assert_allclose(np.sqrt(np.diag(both[inside, inside])), np.sqrt(np.diag(alone)), rtol=0.01)


def test_a_neighbour_takes_information_away() -> None:
    rng = np.random.default_rng(4)
    x, y, e = rng.uniform(-1.9, 1.9, (50, 1)), rng.uniform(-1.9, 1.9, (50, 1)), rng.uniform(5, 150, (50, 1))
    alone = covariances(ONE, photons(x, y, e))
    beside = photons(np.hstack([x, x + 4.5]), np.hstack([y, y + 1]), np.hstack([e, e[::-1]]))
    ratio = np.diagonal(covariances(TWO, beside), axis1=1, axis2=2)[:, :3] / np.diagonal(
        alone, axis1=1, axis2=2
    )
    assert (np.median(ratio, axis=0) > 1).all()


def test_slopes_spread_the_depth_along_themselves() -> None:
    """Photons from the target lose along their slope, where late conversions move them, and not across it."""
    scene = replace(ONE, incidence="target")
    x, y, e = np.full((1, 1), 1.2), np.full((1, 1), 1.2), np.full((1, 1), 150.0)
    straight, slanted = (np.diag(covariances(scene, photons(x, y, e, slope))[0]) for slope in (0.0, 0.025))
    assert slanted[0] > 1.3 * straight[0]
    assert slanted[1] == pytest.approx(straight[1], rel=0.25)
    np.testing.assert_allclose(straight, np.diag(covariances(ONE, photons(x, y, e))[0]), rtol=0.05)
    assert abs(0.025 * Z_TARGET) > PITCH  # such a slope is one of the calorimeter's


def test_every_bound_is_a_covariance() -> None:
    for scene in (TWO, Scene(incidence="target", region="shashlik"), Scene(distance=(0.5, 4))):
        sample = simulate(scene, 100, seed=5)
        truth = {name: np.asarray(sample[f"true_{name}"]) for name in ("x", "y", "e", "tx", "ty")}
        found = covariances(scene, truth)
        np.testing.assert_allclose(found, np.swapaxes(found, 1, 2), rtol=1e-6, atol=1e-15)
        assert (np.linalg.eigvalsh(found) > 0).all()


@pytest.mark.parametrize("events", [1200, pytest.param(3000, marks=pytest.mark.slow)])
def test_answers_have_the_width_that_they_state(events: int) -> None:
    """Four standard errors: a width that is 8 % off is seen, as is a mean of 12 % of it."""
    sample = simulate(ONE, events, seed=6)
    answers = bound(ONE, sample)
    judged = residuals(sample, answers, 1)
    energy = judged.variables["energy"][:, 0]
    for name, stated in (("x", answers["sx1"]), ("y", answers["sy1"]), ("energy", answers["se1"] / energy)):
        pull = judged.values[name][:, 0] / stated
        assert pull.mean() == pytest.approx(0, abs=4 / np.sqrt(events))
        assert pull.std() == pytest.approx(1, abs=4 / np.sqrt(2 * events))


def test_answers_follow_from_the_sample() -> None:
    sample = simulate(ONE, 200, seed=6)
    answers, again, other = (bound(ONE, one) for one in (sample, sample, simulate(ONE, 200, seed=7)))
    np.testing.assert_array_equal(answers["x1"], again["x1"])
    assert not np.allclose(answers["x1"] - sample["true_x"][:, 0], other["x1"] - sample["true_x"][:, 0])
    assert len(bound(ONE, simulate(ONE, 0, seed=1))["x1"]) == 0


def test_a_threshold_keeps_the_information_of_a_censored_normal() -> None:
    """Against the integral of the squared score: of the value above, of the probability below."""
    for level in (-3.0, -0.5, 0.0, 1.0, 2.5):
        value = np.linspace(level, 12, 200_001)
        above = np.trapezoid(value**2 * np.exp(-(value**2) / 2), value) / np.sqrt(2 * np.pi)
        step = 1e-4
        below = [
            np.trapezoid(np.exp(-((grid := np.linspace(-14, level + shift, 200_001)) ** 2) / 2), grid)
            for shift in (-step, 0, step)
        ]
        chance = np.array(below) / np.sqrt(2 * np.pi)
        assert kept_share(level) == pytest.approx(
            above + ((chance[2] - chance[0]) / (2 * step)) ** 2 / chance[1], rel=1e-4
        )
    assert kept_share(-20.0) == 1
    assert kept_share(20.0) == 0


def test_latent_numbers() -> None:
    """A normal number's effective variance is its variance; a skewed one's is less, and that in the end."""
    grid = np.linspace(-6, 6, 1201)
    weights = np.exp(-(grid**2) / 2)
    np.testing.assert_allclose(Latent.of(grid, weights / weights.sum()).variances[5:], 1, rtol=1e-3)
    depth, leak = conversion(), leakage(geant4_model())
    for latent, variance in ((depth, 1.0), (leak, np.inf)):
        assert latent.mean == pytest.approx(1 if latent is depth else 1.194, rel=5e-3)
        assert (np.diff(latent.variances) > 0).all()
        assert (latent.variances < variance).all()
    assert depth.variances[-1] == pytest.approx(1, rel=2e-3)


def test_what_the_bound_does_not_describe() -> None:
    for odd in ({"fluctuations": "none"}, {"smearing": "coral"}):
        with pytest.raises(BadInput, match=next(iter(odd.values()))):
            covariances(replace(ONE, **odd), photons(0, 0, 10))  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="2 true photons"):
        bound(ONE, simulate(TWO, 5, seed=1))


@pytest.mark.parametrize(("data", "there"), [("", True), ("pairs.root", False)])
def test_judged_beside_the_estimators_of_simulated_events_only(data: str, there: bool, tmp_path: Any) -> None:
    settings = resolve(TASK.settings, TASK.presets, {"preset": "smoke", "data": data})
    sample = TASK.simulate(settings, 20, 1)
    quick = replace(TASK, estimators=lambda settings: TASK.estimators(settings)[:1])
    judged = judge(quick, settings, Events(sample, sample, 1), Bench(1, tmp_path))
    assert (LIMIT in judged.predictions) == (LIMIT in judged.outcomes) == there
    assert LIMIT not in judged.estimators
