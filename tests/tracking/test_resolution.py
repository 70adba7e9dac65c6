"""The core fit is unbiased, its errors are right, its numbers move with the data; nothing makes it crash."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import ndtr

from tracking.statistics.resolution import resolution
from tracking.statistics.widths import CENTRAL, WINDOW, widths


@pytest.fixture(scope="module")
def pulls() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(11)
    found = [resolution(rng.normal(3.0, 2.0, 2000)) for _ in range(800)]
    return {
        "mu": np.array([(r.mu - 3.0) / r.mu_err for r in found]),
        "sigma": np.array([(r.sigma - 2.0) / r.sigma_err for r in found]),
        "q68": np.array([(r.q68 - 2.0) / r.q68_err for r in found]),
        "chi2": np.array([r.chi2 for r in found]),
        "ndf": np.array([r.ndf for r in found]),
        "tail": np.array([r.tail for r in found]),
        "tail_err": np.array([r.tail_err for r in found]),
    }


@pytest.mark.parametrize("name", ["mu", "sigma", "q68"])
def test_pulls_are_standard_normal(pulls: dict[str, np.ndarray], name: str) -> None:
    # 800 pulls: the mean is known to 0.035, the width to 0.025; 2000 values bias a width by -0.1 errors.
    assert np.mean(pulls[name]) == pytest.approx(-0.05, abs=0.16)
    assert np.std(pulls[name]) == pytest.approx(1.0, abs=0.10)


def test_chi_squared_has_its_expectation(pulls: dict[str, np.ndarray]) -> None:
    error = np.std(pulls["chi2"]) / np.sqrt(800)
    ndf = pulls["ndf"][0]
    assert ndf - 4 * error < np.mean(pulls["chi2"]) < ndf + 2 + 4 * error


def test_tail_of_a_gaussian(pulls: dict[str, np.ndarray]) -> None:
    # 800 x 2000 values, 4320 of them in the tail; the scatter of sigma adds a few per cent.
    assert np.mean(pulls["tail"]) == pytest.approx(2 * ndtr(-3), rel=0.08)
    assert np.mean(pulls["tail_err"]) == pytest.approx(np.std(pulls["tail"]), rel=0.2)


def test_no_bias_on_a_large_gaussian_sample() -> None:
    r = resolution(np.random.default_rng(1).normal(-0.3, 0.02, 400_000))
    assert r.sigma == pytest.approx(0.02, rel=0.006)
    assert r.q68 == pytest.approx(0.02, rel=0.006)
    assert r.mu == pytest.approx(-0.3, abs=2e-4)
    assert r.sigma_err / r.sigma == pytest.approx(1 / np.sqrt(400_000 * 0.78), rel=0.01)


def test_a_tail_moves_the_core_little_and_the_rms_much() -> None:
    rng = np.random.default_rng(2)
    r = resolution(np.concatenate([rng.normal(0, 1, 95_000), rng.normal(0, 10, 5_000)]))
    assert r.sigma == pytest.approx(1.0, abs=0.03)
    assert r.rms > 2.2
    assert r.tail == pytest.approx(0.05 * 2 * ndtr(-0.3) + 0.95 * 0.0027, abs=0.004)


def test_it_is_the_maximum_of_the_truncated_likelihood() -> None:
    """The fixed point in the window's own sums is the fit that a minimiser of the likelihood finds."""
    values = np.random.default_rng(3).standard_t(4, 5000)
    r = resolution(values)
    low, high = r.mu - WINDOW * r.sigma, r.mu + WINDOW * r.sigma
    core = values[(values >= low) & (values <= high)]

    def minus_log(p: np.ndarray) -> float:
        z = (core - p[0]) / p[1]
        content = ndtr((high - p[0]) / p[1]) - ndtr((low - p[0]) / p[1])
        return float(np.sum(0.5 * z**2) + len(core) * (np.log(p[1]) + np.log(content)))

    best = minimize(minus_log, [r.mu + 0.1, r.sigma * 1.1], method="Nelder-Mead", options={"xatol": 1e-7})
    assert best.x == pytest.approx([r.mu, r.sigma], rel=1e-4, abs=1e-4)


@pytest.mark.parametrize(("scale", "shift"), [(1e-6, 0.0), (1e4, 0.0), (1.0, 50.0), (-2.0, 1.0)])
def test_scale_and_shift(scale: float, shift: float) -> None:
    values = np.random.default_rng(4).standard_t(5, 3000)
    a, b = resolution(values), resolution(scale * values + shift)
    assert b.mu == pytest.approx(scale * a.mu + shift, rel=1e-9, abs=1e-9 * abs(scale))
    for name in ("mu_err", "sigma", "sigma_err", "q68", "q68_err", "rms"):
        assert getattr(b, name) == pytest.approx(abs(scale) * getattr(a, name), rel=1e-6), name
    assert (b.n, b.ndf) == (a.n, a.ndf)
    assert b.tail == pytest.approx(a.tail, abs=1e-12)


def test_a_diverged_answer_does_not_spoil_the_core() -> None:
    values = np.random.default_rng(5).normal(size=2000)
    clean, spoilt = resolution(values), resolution([*values, 1e12, -1e200, np.nan, np.inf])
    assert spoilt.n == 2002
    assert spoilt.sigma == pytest.approx(clean.sigma, rel=1e-2)
    assert np.isfinite(spoilt.rms)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no finite value"),
        ([np.nan] * 50, "no finite value"),
        ([1.0, 2.0, 3.0], "3 finite values, a fit needs 25"),
        ([7.0] * 60, "all 60 values are equal"),
        ([0.0] * 60 + [1.0] * 3, "no Gaussian core: too many equal values"),
    ],
)
def test_what_cannot_be_fitted_says_why(values: list[float], reason: str) -> None:
    r = resolution(values)
    assert r.reason == reason
    assert np.isnan(r.sigma)
    assert np.isnan(r.mu)
    assert r.n == np.isfinite(values).sum()


@pytest.mark.parametrize("name", ["uniform", "standard_cauchy", "exponential"])
def test_any_shape_gets_numbers(name: str) -> None:
    r = resolution(getattr(np.random.default_rng(6), name)(size=5000))
    assert not r.reason
    assert all(np.isfinite([r.mu, r.sigma, r.sigma_err, r.q68, r.q68_err, r.rms, r.tail_err]))
    assert r.chi2 > 2 * r.ndf


def test_weights_are_repetitions() -> None:
    rng = np.random.default_rng(7)
    values = np.sort(rng.standard_t(3, 1234))
    weights = rng.poisson(1.0, (6, len(values))).astype(np.uint8)
    weights[5] = 0
    found = widths(values, weights)
    for row in range(5):
        repeated = np.repeat(values, weights[row])
        r = resolution(repeated)
        assert (found.mu[row], found.sigma[row]) == pytest.approx((r.mu, r.sigma), rel=1e-9, abs=1e-12)
        low, high = np.quantile(repeated, ((1 - CENTRAL) / 2, (1 + CENTRAL) / 2))
        assert found.q68[row] == pytest.approx((high - low) / 2, rel=1e-12)
    assert np.isnan([found.mu[5], found.sigma[5], found.q68[5]]).all()
