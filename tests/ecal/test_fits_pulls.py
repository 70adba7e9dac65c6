"""The minimiser on events of its own noise model: unbiased, with the errors that it states."""

import numpy as np
import pytest
from scipy.optimize import least_squares
from toy_showers import TOY, mean_cells, pairs, singles

from projects.ecal.detector import PITCH
from projects.ecal.fits.compiled_profile import Shape
from projects.ecal.fits.shower_fit import Cells, cell_variance, covariance, minimise

SHAPE = Shape(np.array(TOY.a), np.array(TOY.b), PITCH)
EVENTS = 4000


def cells_of(ix, iy, energy, variance):
    return Cells(ix, iy, energy, 1.0 / variance, np.zeros(len(ix), bool), len(ix))


def fitted(truth, seed):
    """Photons, errors and chi2 of every event, from a start half a cell and a fifth of the energy off."""
    rng = np.random.default_rng(seed)
    ix, iy, mean = mean_cells(truth)
    variance = 0.15**2 * mean + 0.015**2 * mean**2 + 0.05**2
    energy = rng.normal(mean, np.sqrt(variance))
    photons = truth + np.array([0.5, 0.5, 0]) * rng.uniform(-PITCH, PITCH, truth.shape)
    photons[:, :, 2] *= 1.2
    errors, chi2 = np.empty(truth.shape), np.empty(len(truth))
    for n in range(len(truth)):
        cells = cells_of(ix, iy, energy[n], variance[n])
        chi2[n] = minimise(photons[n], SHAPE, cells)
        errors[n] = np.sqrt(np.diag(covariance(photons[n], SHAPE, cells))).reshape(-1, 3)
    return photons, errors, chi2


@pytest.mark.parametrize("kind", [singles, pairs])
def test_pulls_are_standard(kind):
    truth = kind(np.random.default_rng(3), EVENTS)
    photons, errors, chi2 = fitted(truth, seed=4)
    pulls = ((photons - truth) / errors).reshape(-1, 3)
    np.testing.assert_allclose(pulls.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(pulls.std(axis=0), 1.0, atol=0.05)
    freedom = 81 - truth[0].size
    assert chi2.mean() == pytest.approx(freedom, rel=0.02)
    assert chi2.var() == pytest.approx(2 * freedom, rel=0.1)


def test_minimum_is_that_of_an_independent_minimiser():
    rng = np.random.default_rng(5)
    truth = pairs(rng, 20, apart=6.0)
    # 5x5 cells, all within the 20 cm where the profile ends with a step that finite differences stumble over
    ix, iy, mean = mean_cells(truth, half=2)
    energy = np.maximum(rng.normal(mean, 0.1 * np.sqrt(mean) + 0.05), 0.01)
    for n in range(len(truth)):
        variance = np.array([cell_variance(value) for value in energy[n]])
        photons = truth[n].copy()
        chi2 = minimise(photons, SHAPE, cells_of(ix, iy, energy[n], variance))

        def pulls(point, n=n, variance=variance):
            return (mean_cells(point.reshape(1, 2, 3), half=2)[2][0] - energy[n]) / np.sqrt(variance)

        other = least_squares(pulls, truth[n].ravel())
        assert chi2 == pytest.approx(2 * other.cost, abs=1e-3)
        np.testing.assert_allclose(photons.ravel(), other.x, rtol=1e-3, atol=2e-3)


def test_upper_limits_count_only_where_they_are_exceeded():
    truth = np.array([[[0.0, 0.0, 50.0]]])
    ix, iy, mean = mean_cells(truth)
    limit = np.hypot(ix, iy) > 2.5
    loose, tight = mean[0].copy(), mean[0].copy()
    loose[limit], tight[limit] = 5.0, 0.0
    photons = truth[0].copy()
    weight = np.ones(len(ix))
    chi2 = [minimise(photons, SHAPE, Cells(ix, iy, seen, weight, limit, len(ix))) for seen in (loose, tight)]
    assert chi2[0] == pytest.approx(0.0, abs=1e-12)
    assert chi2[1] > 0.01


def test_two_photons_on_one_spot_have_no_covariance():
    photons = np.array([[0.0, 0.0, 20.0], [0.0, 0.0, 20.0]])
    ix, iy, mean = mean_cells(photons[None])
    assert np.isnan(covariance(photons, SHAPE, cells_of(ix, iy, mean[0], np.ones(len(ix))))).all()
