"""What is tuned comes back: profile, response and S-curve of showers that are known."""

from dataclasses import replace

import numpy as np
import pytest
from toy_showers import TOY, flat, mean_cells, pairs, sample, singles

from projects.ecal.detector import PITCH
from projects.ecal.fits.baselines import baselines
from projects.ecal.simulation.profile import Profile
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench

EDGES = np.linspace(0, 8, 33)


def seen(truth, rng, scale=1.0):
    """Cells above 0.1 GeV with 20 MeV noise."""
    ix, iy, mean = mean_cells(truth, half=7)
    energy = scale * mean + rng.normal(0, 0.02, mean.shape)
    return flat(ix, iy, energy, energy >= 0.1)


def estimator(photons, name):
    return next(one for one in baselines(photons, "normal") if one.name == name)


@pytest.mark.parametrize("name", ["coral-tuned", "lednev-tuned"])
def test_profile_and_response_come_back(name, tmp_path):
    rng = np.random.default_rng(11)
    truth = pairs(rng, 300)
    train = sample(truth, seen(truth, rng, scale=0.9))
    shipped = estimator(2, name)
    tuned = shipped.fit(train, Bench(seed=1, scratch=tmp_path))

    def far(a, b):
        profile = Profile(a, b)
        return np.abs(profile.fraction(EDGES, 0.0) - TOY.fraction(EDGES, 0.0)).max()

    assert far(tuned.method.a, tuned.method.b) < 0.01 < far(shipped.method.a, shipped.method.b)
    answer = tuned.predict(train)
    strong = np.where(truth[:, 0, 2] > truth[:, 1, 2], 0, 1)
    ratio = answer["e1"] / truth[np.arange(len(truth)), strong, 2]
    assert np.nanmedian(ratio) == pytest.approx(1.0, abs=0.005)
    raw = replace(tuned, method=replace(tuned.method, response=(1.0, 0.0, 0.0))).predict(train)
    assert np.nanmedian(raw["e1"] / answer["e1"]) == pytest.approx(0.9, abs=0.02)


def test_shipped_fits_are_not_tuned(tmp_path):
    truth = pairs(np.random.default_rng(12), 60)
    train = sample(truth, seen(truth, np.random.default_rng(13)))
    for name in ("coral", "lednev"):
        shipped = estimator(2, name)
        assert shipped.fit(train, Bench(seed=1, scratch=tmp_path)) is shipped


def test_s_curve_removes_the_pull_towards_the_cell_centre(tmp_path):
    rng = np.random.default_rng(14)
    truth = singles(rng, 1500)
    train = sample(truth, seen(truth, rng))
    raw = estimator(1, "gravity")
    corrected = raw.fit(train, Bench(seed=1, scratch=tmp_path))
    test = singles(rng, 1000)
    events = sample(test, seen(test, rng))
    before, after = (np.std(one.predict(events)["x1"] - test[:, 0, 0]) for one in (raw, corrected))
    assert after < 0.15 * before
    assert after < 0.02 * PITCH
    assert np.median(corrected.predict(events)["e1"] / test[:, 0, 2]) == pytest.approx(1.0, abs=0.005)


def test_too_few_photons_are_refused(tmp_path):
    truth = pairs(np.random.default_rng(15), 10)
    train = sample(truth, seen(truth, np.random.default_rng(16)))
    with pytest.raises(BadInput, match="at least 50 are needed"):
        estimator(2, "coral-tuned").fit(train, Bench(seed=1, scratch=tmp_path))
