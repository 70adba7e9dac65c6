"""The Lednev profile against its own density and its limits."""

import numpy as np
import pytest
from scipy.integrate import dblquad

from projects.ecal.detector import PITCH
from projects.ecal.simulation.profile import PROFILES, REACH, Profile
from shashlik.exceptions import BadInput


def density(profile, x, y):
    r2 = x * x + y * y
    return sum(a * b / (2 * np.pi * (b * b + r2) ** 1.5) for a, b in zip(profile.a, profile.b, strict=True))


@pytest.mark.parametrize("name", PROFILES)
@pytest.mark.parametrize("centre", [(0.0, 0.0), (1.0, -0.6), (3.9, 2.0), (0.0, 8.0)])
def test_fraction_is_the_integral_of_the_density_over_the_cell(name, centre):
    profile, half = PROFILES[name], PITCH / 2
    dx, dy = centre
    integral, _ = dblquad(
        lambda y, x: density(profile, x, y), dx - half, dx + half, dy - half, dy + half, epsabs=1e-8
    )
    assert profile.fraction(dx, dy) == pytest.approx(integral, abs=2e-7)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_cumulative_has_the_limits_of_a_distribution(profile):
    assert profile.cumulative(0, 0) == pytest.approx(0.25)
    assert profile.cumulative(0, 1e9) == pytest.approx(0.5, abs=1e-6)
    assert profile.cumulative(1e9, 1e9) == pytest.approx(1, abs=1e-6)
    assert profile.cumulative(-1e9, 3.0) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_fraction_has_the_symmetry_of_the_square(profile):
    dx, dy = np.random.default_rng(1).uniform(-8, 8, (2, 50))
    expected = profile.fraction(dx, dy)
    for other in ((-dx, dy), (dx, -dy), (dy, dx)):
        np.testing.assert_allclose(profile.fraction(*other), expected, atol=1e-12)


def test_cells_of_an_endless_grid_share_everything():
    profile = Profile((0.7, 0.3), (0.15, 0.6))
    steps = np.arange(-5, 6) * PITCH
    inside = profile.cumulative(5.5 * PITCH, 5.5 * PITCH) - 2 * profile.cumulative(5.5 * PITCH, -5.5 * PITCH)
    inside += profile.cumulative(-5.5 * PITCH, -5.5 * PITCH)
    cells = profile.fraction(steps[:, None], steps)
    missing = cells[np.hypot(steps[:, None], steps) > REACH]
    assert (missing == 0).all()
    # The corners of the square, beyond the reach, are all that is left out.
    assert 0 < inside - cells.sum() < 0.01


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ((0.5, 0.5), (1.0,), "one width a weight"),
        ((), (), "one width a weight"),
        ((0.7, 0.2), (0.1, 0.7), "must sum to 1"),
        ((1.0,), (0.0,), "above 0 cm"),
    ],
)
def test_profile_refuses_what_is_not_one(a, b, message):
    with pytest.raises(BadInput, match=message):
        Profile(a, b)
