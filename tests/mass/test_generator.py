"""Four-vectors of known mass: the fixed generator, and the notebook's with its slips."""

from __future__ import annotations

import numpy as np
import pytest

from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve

TASK = catalog.load("mass")


def simulate(events: int = 4000, seed: int = 1, **given: str) -> Sample:
    return TASK.simulate(resolve(TASK.settings, TASK.presets, given), events, seed)


def test_ranges_are_those_asked_for() -> None:
    sample = simulate(min_m="2", max_m="3", min_p="10", max_p="20")
    p = np.sqrt(sample["px"] ** 2 + sample["py"] ** 2 + sample["pz"] ** 2)
    assert 10 <= p.min() < 10.1 < 19.9 < p.max() <= 20
    assert 2 <= sample["mass"].min() < 2.01 < 2.99 < sample["mass"].max() <= 3
    np.testing.assert_allclose(sample["e"] ** 2 - p**2, sample["mass"] ** 2, rtol=1e-10)


def test_bases_describe_the_same_particles() -> None:
    one, two = simulate(), simulate(basis="polar")
    np.testing.assert_array_equal(one["e"], two["e"])
    np.testing.assert_array_equal(one["mass"], two["mass"])
    np.testing.assert_allclose(one["px"], two["pt"] * np.cos(two["phi"]), rtol=1e-12)
    np.testing.assert_allclose(one["py"], two["pt"] * np.sin(two["phi"]), rtol=1e-12)
    np.testing.assert_allclose(one["pz"], two["pt"] * np.sinh(two["eta"]), rtol=1e-9, atol=1e-12)


def test_fixed_pseudo_rapidity_is_central() -> None:
    eta = simulate(events=50_000, basis="polar")["eta"]
    assert 0 < np.mean(np.abs(eta) > 2.5) <= 0.05
    assert abs(eta.mean()) < 5 * eta.std() / np.sqrt(len(eta))
    # Within the detector what is left is a normal of width 2.5, cut at one sigma: its width is 0.540 sigma.
    inside = eta[np.abs(eta) <= 2.5]
    assert inside.std() == pytest.approx(2.5 * 0.5396, rel=0.02)


def test_notebook_has_no_pseudo_rapidity_and_swaps_sine_and_cosine() -> None:
    polar, cartesian = simulate(generator="seed", basis="polar"), simulate(generator="seed")
    assert not polar["eta"].any()
    assert np.max(polar["pt"]) < 1e-10
    np.testing.assert_allclose(
        cartesian["pz"], np.sqrt(cartesian["e"] ** 2 - cartesian["mass"] ** 2), rtol=1e-6, atol=1e-3
    )


def test_same_seed_same_events() -> None:
    assert simulate().sha256 == simulate().sha256
    assert simulate().sha256 != simulate(seed=2).sha256


@pytest.mark.parametrize(("low", "high"), [("min_p", "max_p"), ("min_m", "max_m")])
def test_ranges_upside_down(low: str, high: str) -> None:
    with pytest.raises(BadInput, match=rf"{low}=70.0 lies above {high}=50.0; exchange them"):
        simulate(**{low: "70", high: "50"})
