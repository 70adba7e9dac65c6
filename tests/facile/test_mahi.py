"""Method 0 and MAHI: exact where there is no noise, optimal and unbiased where the noise is as assumed."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
from scipy.optimize import nnls

from projects.facile import mahi, pulse
from projects.facile.baselines import CLASSICAL
from projects.facile.noise import covariance
from projects.facile.simulation.events import simulate
from shashlik.task.sample import Sample

CROSSINGS = {"three": (-1, 0, 1), "eight": tuple(range(-3, 5))}


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(3000, 5)


def columns(charge: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of hits with the given charges above a pedestal of 65 fC, and a gain of 1 MeV/fC."""
    number = len(charge)
    photo = np.where(charge > 15.5, np.sqrt(np.maximum(charge, 0) * 57.5), 0.0)
    flat = {"inPedAvg": 15.5**2, "lambda": 0.0, "darkCurrent": 0.055, "gain": 1e-3}
    return {
        "raw": charge + 65.0,
        "ped": np.full((number, 8), 65.0),
        "inNoiseADC": np.full((number, 8), 3.0),
        "inNoisePhoto": photo,
        **{name: np.full(number, value) for name, value in flat.items()},
    }


def test_amplitudes_without_noise_are_exact() -> None:
    """Pulses in all three crossings of the fit, or in two of them, and a raised pedestal."""
    rng = np.random.default_rng(1)
    shapes, changes = mahi.pulses(CROSSINGS["three"])
    wanted = rng.uniform(200.0, 5000.0, (200, 4))
    wanted[::3, 1] = 0.0
    charge = wanted @ shapes.T
    found, chi2, _ = mahi.fit(charge, covariance(columns(charge)), shapes, changes)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    np.testing.assert_allclose(chi2, 0.0, atol=1e-12)


def test_eight_pulses_fit_whatever_they_can_make() -> None:
    """With the pedestal they are nine unknowns of eight slices: the sum is right, a pulse alone is found."""
    rng = np.random.default_rng(1)
    shapes, changes = mahi.pulses(CROSSINGS["eight"])
    wanted = rng.uniform(200.0, 5000.0, (200, 9))
    wanted[100:, 1:] = 0.0
    charge = wanted @ shapes.T
    found, chi2, _ = mahi.fit(charge, covariance(columns(charge)), shapes, changes)
    np.testing.assert_allclose(chi2, 0.0, atol=1e-6)
    np.testing.assert_allclose(found @ shapes.T, charge, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[100:], wanted[100:], atol=1e-6)


def test_method_0_is_exact_for_a_pulse_alone() -> None:
    charge = np.array([[1000.0], [20.0]]) * pulse.template()
    np.testing.assert_allclose(mahi.answers("m0", (), columns(charge))["energy"], [1.0, 0.02])


@pytest.mark.parametrize("positive", [False, True])
def test_nnls_is_that_of_scipy(positive: bool) -> None:
    rng = np.random.default_rng(2)
    for _ in range(300):
        a, b = rng.normal(size=(8, 6)), 3.0 * rng.normal(size=8)
        a = np.abs(a) if positive else a
        np.testing.assert_allclose(mahi.nnls(a.T @ a, a.T @ b), nnls(a, b)[0], atol=1e-10)


def test_nnls_of_dependent_columns_fits_as_well() -> None:
    """Nine columns in eight slices: the solution is not unique, what it misses is."""
    rng = np.random.default_rng(3)
    shapes, _ = mahi.pulses(CROSSINGS["eight"])
    for _ in range(100):
        b = rng.normal(300.0, 200.0, 8)
        x = mahi.nnls(shapes.T @ shapes, shapes.T @ b)
        assert (x >= 0).all()
        assert np.linalg.norm(shapes @ x - b) == pytest.approx(nnls(shapes, b)[1], abs=1e-3)


def test_pulls_are_unit_gaussians() -> None:
    """Toys of the very covariance that the fit assumes, far from any bound, with pulses that do not move."""
    rng = np.random.default_rng(4)
    shapes, changes = mahi.pulses(CROSSINGS["three"])
    wanted = np.tile([20_000.0, 6000.0, 6000.0, 3000.0], (4000, 1))
    flat = columns(wanted @ shapes.T)
    noise = covariance(flat)
    charge = wanted @ shapes.T + rng.standard_normal((len(wanted), 8)) @ np.linalg.cholesky(noise[0]).T
    found, chi2, error = mahi.fit(charge, noise, shapes, np.zeros_like(changes))
    pulls = (found[:, 0] - wanted[:, 0]) / error
    assert np.mean(pulls) == pytest.approx(0.0, abs=0.05)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.04)
    assert np.mean(chi2) == pytest.approx(4.0, abs=0.2), "eight slices, four amplitudes"


def test_pulls_of_pulses_that_move() -> None:
    """A pulse 2.5 ns early or late by chance: the template's covariance keeps the pulls near one."""
    rng = np.random.default_rng(5)
    delays = rng.choice([-2.5, 2.5], 4000)
    charge = 20_000.0 * pulse.template(delays)
    noise = covariance(columns(charge))
    noisy = charge + np.einsum("nij,nj->ni", np.linalg.cholesky(noise), rng.standard_normal((4000, 8)))
    shapes, changes = mahi.pulses(CROSSINGS["three"])
    widths = {}
    for name, allowed in (("moving", changes), ("still", np.zeros_like(changes))):
        found, _, error = mahi.fit(noisy, noise, shapes, allowed)
        widths[name] = np.std((found[:, 0] - 20_000.0) / error)
    assert 0.7 < widths["moving"] < 1.3
    assert widths["still"] > widths["moving"]


def test_no_noise_at_all_is_no_answer() -> None:
    """A covariance that allows no fit gives no energy, and leaves the other hits alone."""
    charge = np.full((2, 1), 1000.0) * pulse.template()
    noise = covariance(columns(charge))
    noise[0] = 0.0
    found, _, _ = mahi.fit(charge, noise, *mahi.pulses(CROSSINGS["three"]))
    assert np.isnan(found[0]).all()
    assert found[1, 0] == pytest.approx(1000.0)


def test_a_pulse_that_explains_its_slices_is_left_alone() -> None:
    """A little charge of the crossing before is not worth another pulse; a lot is."""
    for before, several in ((20.0, False), (4000.0, True)):
        charge = np.array([[4000.0]]) * pulse.template() + np.array([[before]]) * pulse.template(0.0, -1)
        flat = columns(charge)
        shapes, changes = mahi.pulses(CROSSINGS["three"])
        alone, chi2, _ = mahi.fit(charge, covariance(flat), shapes[:, :1].copy(), changes[:1])
        energy = mahi.answers("mahi", CROSSINGS["three"], flat)["energy"]
        assert (chi2 > 15.0) == several
        assert (energy == 1e-3 * alone[:, 0]) != several


def test_neighbours_take_their_charge() -> None:
    """Charge of the next crossing is a part of Method 0's sum, and none of MAHI's energy."""
    charge = np.array([[4000.0]]) * pulse.template() + np.array([[4000.0]]) * pulse.template(0.0, 1)
    flat = columns(charge)
    assert mahi.answers("m0", (), flat)["energy"][0] > 5.0
    assert mahi.answers("mahi", CROSSINGS["three"], flat)["energy"][0] == pytest.approx(4.0, rel=1e-6)


def test_methods_travel_as_one_file(sample: Sample, tmp_path: Path) -> None:
    """The written module, loaded by itself, says the same; both methods have the same one."""
    few = sample.select(slice(0, 100))
    method, other = CLASSICAL[:2]
    saved = method.portable(tmp_path / "m0")
    text = saved.module.read_text()
    assert text == other.portable(tmp_path / "mahi").module.read_text()
    assert "from projects" not in text
    space: dict = {"__name__": "alone"}
    # A cache of compiled functions needs a file.
    exec(text.replace("cache=True, ", ""), space)
    predict = space["load"]({name: str(path) for name, path in saved.files.items()})
    found = predict({name: list(ak.to_numpy(few[name])) for name in saved.inputs})
    np.testing.assert_allclose(found["energy"], method.predict(few)["energy"])
