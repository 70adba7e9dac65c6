"""The fit of a resolution against energy: closed form, pulls, terms at their limit, and bins of residuals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from projects.ecal.evaluation.energy_figures import energy_figure, energy_numbers
from projects.ecal.evaluation.energy_terms import EDGES, EnergyTerms, Points, fit, points
from projects.ecal.evaluation.photons import QUANTITIES
from tracking.statistics.residuals import Residuals

TRUE = np.array([0.055, 0.12, 0.009])
ENERGY = np.geomspace(2, 200, 12)


def width(a: float, b: float, c: float, energy: np.ndarray = ENERGY) -> np.ndarray:
    return np.sqrt(a**2 / energy + b**2 / energy**2 + c**2)


def measured(sigma: np.ndarray, error: float = 0.02) -> Points:
    return Points(1 / ENERGY, 1 / ENERGY**2, sigma, error * width(*TRUE))


def fitted(sigma: np.ndarray) -> EnergyTerms:
    found = fit(measured(sigma))
    assert found is not None
    return found


def test_exact_widths_give_the_terms_back() -> None:
    found = fitted(width(*TRUE))
    np.testing.assert_allclose(found.values, TRUE, rtol=1e-9)
    assert found.chi2 == pytest.approx(0, abs=1e-12)
    assert found.ndf == 9
    np.testing.assert_allclose(found(ENERGY), width(*TRUE))


def test_pulls_and_chi2_are_those_of_a_right_error() -> None:
    rng = np.random.default_rng(1)
    exact = width(*TRUE)
    trials = [fitted(exact * (1 + 0.005 * rng.normal(size=12))) for _ in range(600)]
    # The stated errors are four times what was smeared.
    pulls = 4 * np.array([(trial.values - TRUE) / trial.errors for trial in trials])
    np.testing.assert_allclose(pulls.mean(axis=0), 0, atol=0.15)
    np.testing.assert_allclose(pulls.std(axis=0), 1, atol=0.1)
    assert 16 * np.mean([trial.chi2 for trial in trials]) == pytest.approx(9, abs=0.6)


def test_the_covariance_is_that_of_the_fits() -> None:
    rng = np.random.default_rng(2)
    trials = [fitted(width(*TRUE) * (1 + 0.005 * rng.normal(size=12))).values for _ in range(800)]
    stated = fitted(width(*TRUE)).covariance / 16
    spread = np.cov(np.array(trials).T)
    size = np.sqrt(np.diag(stated))
    np.testing.assert_allclose(spread / np.outer(size, size), stated / np.outer(size, size), atol=0.15)


def test_the_minimum_is_that_of_a_general_minimiser_also_at_a_limit() -> None:
    rng = np.random.default_rng(3)
    limits = 0
    for _ in range(20):
        sigma = width(0.055, 0.0, 0.009) * (1 + 0.02 * rng.normal(size=12))
        found = fitted(sigma)
        error = 2 * sigma * 0.02 * width(*TRUE)

        def chi2(root: np.ndarray, sigma: np.ndarray = sigma, error: np.ndarray = error) -> float:
            return float(np.sum(((width(*root) ** 2 - sigma**2) / error) ** 2))

        starts = ([0.05, 0.01, 0.01], [0.06, 0.2, 0.005])
        best = min(
            minimize(chi2, start, method="Nelder-Mead", options={"maxiter": 2000}).fun for start in starts
        )
        assert found.chi2 <= best + 1e-3
        limits += int(found.limited[1])
    assert 4 <= limits <= 16, "a term that is zero is at its limit in about half of the cases"


def test_a_term_at_its_limit_says_how_large_it_may_be() -> None:
    sigma = np.sqrt(width(0.055, 0, 0.009) ** 2 - 0.04**2 / ENERGY**2)
    found = fitted(sigma)
    np.testing.assert_array_equal(found.limited, [False, True, False])
    assert found.values[1] == 0
    assert found.ndf == 10
    assert found.errors[1] > 0
    np.testing.assert_array_equal(found.covariance[1], 0)
    shifted = measured(np.sqrt(sigma**2 - found.errors[1] ** 2 / ENERGY**2))
    error = 2 * sigma * 0.02 * width(*TRUE)
    shifted = Points(shifted.inverse, shifted.inverse2, shifted.sigma, error / (2 * shifted.sigma))
    forced = fit(shifted)
    assert forced is not None
    assert forced.chi2 - found.chi2 == pytest.approx(1, rel=1e-3)


def made_up(events: int) -> Residuals:
    rng = np.random.default_rng(4)
    energy = rng.uniform(2, 200, (events, 1))
    values = {name: rng.normal(size=(events, 1)) * width(*TRUE, energy) for name in ("x", "y", "energy")}
    return Residuals(values, {"energy": energy})


@pytest.fixture(scope="module")
def many() -> Residuals:
    return made_up(60_000)


def test_residuals_of_known_width_give_its_terms(many: Residuals, tmp_path: Path) -> None:
    judged = many
    found = fit(points(judged, "energy"))
    assert found is not None
    np.testing.assert_allclose(found.values, TRUE, atol=3 * found.errors.max())
    assert (np.abs(found.values - TRUE) < 3.5 * found.errors).all()
    numbers = energy_numbers({"network": judged}, QUANTITIES)
    assert numbers["network/energy/stochastic"] == found.values[0]
    assert numbers["network/energy/constant_err"] == found.errors[2]
    figure = energy_figure({"network": judged, "coral": judged}, QUANTITIES)
    figure.savefig(tmp_path / "terms.png")
    assert len(figure.axes) == 3
    assert all(axes.get_yscale() == "log" for axes in figure.axes)
    assert all(len(axes.get_lines()) >= 4 for axes in figure.axes)


def test_too_few_photons_give_no_terms(many: Residuals, tmp_path: Path) -> None:
    few = made_up(150)
    assert fit(points(few, "x")) is None
    assert energy_numbers({"network": few}, QUANTITIES) == {}
    figure = energy_figure({"network": few}, QUANTITIES)
    figure.savefig(tmp_path / "few.png")
    assert all(axes.get_yscale() == "linear" for axes in figure.axes)
    assert len(points(many, "x").sigma) == len(EDGES) - 1
