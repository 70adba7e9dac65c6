"""The compiled shower profile against the closed form and against its own slopes."""

import numpy as np
import pytest

from projects.ecal.detector import PITCH
from projects.ecal.fits.compiled_profile import Shape, arctangent, cell_shares, span_of
from projects.ecal.simulation.profile import PROFILES

ROW, COLUMN = (index.ravel() for index in np.mgrid[-7:8, -7:8])


def shares(x, y, profile):
    shape = Shape(np.array(profile.a), np.array(profile.b), PITCH)
    out = np.empty((3, len(ROW)))
    cell_shares(x, y, shape, COLUMN, ROW, span_of(COLUMN, ROW), *out)
    return out


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_shares_are_those_of_the_closed_form(name):
    for x, y in ((0.0, 0.0), (1.7, -0.4), (-13.2, 21.9)):
        expected = PROFILES[name].fraction(COLUMN * PITCH - x, ROW * PITCH - y)
        np.testing.assert_allclose(shares(x, y, PROFILES[name])[0], expected, atol=2e-8)


def test_shares_of_a_narrow_shower_sum_to_one():
    # beyond a radius R a term leaves b / sqrt(b^2 + R^2); the cells reach to about 20 cm
    profile = PROFILES["lednev-new"]
    lost = sum(a * b / np.hypot(b, 20.0) for a, b in zip(profile.a, profile.b, strict=True))
    assert 1 - shares(0.3, -1.1, profile)[0].sum() == pytest.approx(lost, rel=0.1)


def test_shares_follow_the_symmetries_of_the_square():
    def square(x, y):
        return shares(x, y, PROFILES["geant4"])[0].reshape(15, 15)

    np.testing.assert_allclose(square(-0.9, -1.4), square(0.9, -1.4)[:, ::-1], atol=1e-12)
    np.testing.assert_allclose(square(-1.4, 0.9), square(0.9, -1.4).T, atol=1e-12)


def test_slopes_are_the_finite_differences():
    step, x, y, profile = 1e-3, 0.8, -1.2, PROFILES["geant4"]
    _, gx, gy = shares(x, y, profile)
    by_x = (shares(x + step, y, profile)[0] - shares(x - step, y, profile)[0]) / (2 * step)
    by_y = (shares(x, y + step, profile)[0] - shares(x, y - step, profile)[0]) / (2 * step)
    np.testing.assert_allclose(gx, by_x, atol=2e-5)
    np.testing.assert_allclose(gy, by_y, atol=2e-5)


def test_arctangent_is_good_to_2e_9():
    p = np.concatenate([np.linspace(-3, 3, 601), [0.0, 1e9, -1e9]])
    np.testing.assert_allclose([arctangent(value, 1.0) for value in p], np.arctan(p), atol=2e-9)
