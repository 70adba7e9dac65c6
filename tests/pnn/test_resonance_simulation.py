"""Decays, detector and candidates against what they must be, and the shapes of the original study."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from projects.pnn.schema import FEATURES, MASSES, SIGNAL
from projects.pnn.selection import preselected
from projects.pnn.simulation import events as simulation
from projects.pnn.simulation.background import PROCESSES, background
from projects.pnn.simulation.candidates import candidates
from projects.pnn.simulation.detector import BOTTOM, LIGHT, TAG, Jets, Leptons, jets
from projects.pnn.simulation.kinematics import (
    angles,
    boosted,
    breit_wigner,
    decay,
    distance,
    from_angles,
    mass,
)
from projects.pnn.simulation.signal import HIGGS_MASS, signal


@given(st.floats(200, 3000), st.floats(0, 90), st.floats(0, 90), st.floats(-4, 4), st.integers(0, 2**31))
@settings(max_examples=30, deadline=None)
def test_a_decay_keeps_four_momentum(m: float, first: float, second: float, eta: float, seed: int) -> None:
    ones = np.ones(50)
    parent = from_angles(100 * ones, eta * ones, 0.3 * ones, m * ones)
    one, other = decay(parent, first * ones, second * ones, np.random.default_rng(seed))
    np.testing.assert_allclose(one + other, parent, rtol=1e-9, atol=1e-6)
    # A mass is a small difference of large squares.
    room = 1e-7 * parent[0].max()
    np.testing.assert_allclose(mass(one) ** 2, first**2, atol=room * parent[0].max())
    np.testing.assert_allclose(mass(other) ** 2, second**2, atol=room * parent[0].max())


def test_a_decay_at_rest_is_isotropic_and_has_its_momentum() -> None:
    number = 40_000
    parent = np.zeros((4, number))
    parent[0] = HIGGS_MASS
    one, _ = decay(parent, np.full(number, 91.0), np.full(number, 20.0), np.random.default_rng(1))
    p = np.sqrt(np.sum(one[1:] ** 2, axis=0))
    wanted = np.sqrt((125.09**2 - 111.0**2) * (125.09**2 - 71.0**2)) / (2 * 125.09)
    np.testing.assert_allclose(p, wanted)
    cosine = one[3] / p
    # Mean and variance of a uniform cosine, five standard errors.
    assert abs(cosine.mean()) < 5 / np.sqrt(3 * number)
    assert abs((cosine**2).mean() - 1 / 3) < 5 * np.sqrt(4 / 45 / number)
    with pytest.raises(ValueError, match="heavier"):
        decay(parent[:, :1], np.array([100.0]), np.array([30.0]), np.random.default_rng(1))


def test_a_boost_leaves_the_mass_and_moves_rest_to_the_parent() -> None:
    rng = np.random.default_rng(2)
    parent = from_angles(
        rng.uniform(1, 900, 100), rng.normal(size=100), rng.uniform(-3, 3, 100), np.full(100, 50.0)
    )
    rest = np.stack([np.full(100, 50.0), *np.zeros((3, 100))])
    np.testing.assert_allclose(boosted(rest, parent), parent, rtol=1e-9, atol=1e-9)
    pt, eta, phi = angles(parent)
    np.testing.assert_allclose(from_angles(pt, eta, phi, mass(parent)), parent, rtol=1e-6)


def test_azimuth_wraps() -> None:
    assert distance(0.0, np.pi - 0.1, 0.0, -np.pi + 0.1) == pytest.approx(0.2)


def test_breit_wigner_has_its_quantiles() -> None:
    """In m^2 half of an unbounded one lies above the peak, a quarter beyond peak times width above it."""
    drawn = breit_wigner(91.19, 2.5, 0.0, 5000.0, 100_000, np.random.default_rng(3)) ** 2
    assert np.mean(drawn > 91.19**2) == pytest.approx(0.5, abs=0.02)
    assert np.mean(drawn > 91.19**2 + 91.19 * 2.5) == pytest.approx(0.25, abs=0.02)


def test_partons_of_the_signal_have_the_mass_of_x_and_of_both_higgs() -> None:
    leptons, partons, flavour = signal(np.full(300, 700.0), np.random.default_rng(4))
    bb, zz = partons[:, :, :2].sum(axis=2), leptons.sum(axis=2) + partons[:, :, 2:4].sum(axis=2)
    np.testing.assert_allclose(mass(bb), HIGGS_MASS, rtol=1e-6)
    np.testing.assert_allclose(mass(zz), HIGGS_MASS, rtol=1e-6)
    np.testing.assert_allclose(mass(bb + zz), 700.0, rtol=1e-6)
    assert (flavour[:, :2] == BOTTOM).all()
    leptonic = mass(leptons.sum(axis=2))
    # One Z is near its peak, and each is the leptonic one in half of the events.
    assert 0.4 < np.mean(leptonic > 60) < 0.6


@pytest.mark.parametrize("code", PROCESSES)
def test_leptons_of_the_background(code: int) -> None:
    leptons, _, _ = background(PROCESSES[code], 400, np.random.default_rng(code))
    found = mass(leptons.sum(axis=2))
    low, high = (10, 50) if PROCESSES[code].low_mass else (50, 200)
    assert ((found > low - 1e-6) & (found < high + 1e-6)).all()


def test_close_partons_become_one_jet_of_the_heavier_flavour() -> None:
    number = 400
    ones = np.ones(number)
    far = [from_angles(100 * ones, eta * ones, phi * ones, 0 * ones) for eta, phi in ((0.0, 0.0), (0.1, 0.1))]
    partons = np.stack([*far, from_angles(80 * ones, -1 * ones, 2 * ones, 0 * ones)], axis=2)
    flavour = np.tile([LIGHT, BOTTOM, LIGHT], (number, 1))
    nobody = Leptons(np.zeros((4, number, 2)))
    found = jets(partons, flavour, nobody, np.random.default_rng(5))
    there = np.isfinite(found.tag)
    assert (there.sum(axis=1) == 2).mean() > 0.95
    leading = found.tag[:, 0]
    assert np.mean(leading > TAG) > 0.2  # a b jet's efficiency, which no light jet has
    assert np.mean(found.tag[:, 1] > TAG) < 0.02


def test_candidates_are_the_best_tagged_jets_and_the_pair_nearest_to_the_z() -> None:
    """Made by hand: jets 2 and 4 are tagged, 0 and 3 make the mass of the Z, 1 is one too many."""
    pt = np.array([[60.0, 40.0, 55.0, 91.1876**2 / 240.0, 30.0]])
    eta = np.array([[0.0, 1.8, 0.5, 0.0, -0.5]])
    phi = np.array([[0.0, 1.0, 2.0, np.pi, -2.0]])
    vectors = from_angles(pt, eta, phi, np.zeros_like(pt))
    leptons = Leptons(
        from_angles(
            np.array([[50.0, 20.0]]), np.array([[0.1, -0.2]]), np.array([[1.0, -1.0]]), np.zeros((1, 2))
        )
    )
    columns = candidates(leptons, Jets(vectors, np.array([[0.1, 0.2, 4.0, 0.3, 3.0]])))
    assert columns["Zjet_cand_mass"][0] == pytest.approx(91.1876, rel=1e-6)
    assert columns["leading_Hbb_pt"][0] == pytest.approx(55.0)
    assert columns["trailing_Hbb_pt"][0] == pytest.approx(30.0)
    assert columns["leading_jet_pt"][0] == pytest.approx(60.0)
    assert columns["ngood_bjets"][0] == 1 + (TAG < 3.0)
    whole = vectors[:, 0, [0, 2, 3, 4]].sum(axis=1) + leptons.vectors[:, 0].sum(axis=1)
    assert columns["HH_cand_mass"][0] == pytest.approx(mass(whole[:, None])[0])
    # With three jets the candidates share the worse b jet.
    few = candidates(leptons, Jets(vectors[:, :, :3], np.array([[0.1, 3.0, 4.0]])))
    assert few["trailing_Hbb_pt"][0] == pytest.approx(40.0)
    assert {round(float(few[name][0])) for name in ("leading_jet_pt", "trailing_jet_pt")} == {60, 40}


def test_counts_add_up_and_have_the_shares_of_the_study() -> None:
    for events in (50, 12_345, 150_000):
        found = simulation.counts(events)
        assert sum(found.values()) == events
    total = simulation.counts(1_000_000)
    # 8 716 to 18 404 to 4 808 a half at 260, 750 and 3000 GeV.
    ratio = total[SIGNAL, 750] / total[SIGNAL, 260]
    assert ratio == pytest.approx(18404 / 8716, rel=0.01)
    assert total[SIGNAL, 3000] / total[SIGNAL, 260] == pytest.approx(4808 / 8716, rel=0.01)


def test_shares_that_pass_the_preselection() -> None:
    """58.8 % of the signal and 57.7 % of the background of the original study's files; ours within 2.5 %."""
    everything = simulation.simulate(5000, 6, selected=False)
    passed = preselected(everything.columns)
    for of_signal, wanted in ((True, 0.588), (False, 0.577)):
        ours = passed[(everything["process"] == SIGNAL) == of_signal]
        error = np.sqrt(wanted * (1 - wanted) / len(ours))
        assert ours.mean() == pytest.approx(wanted, abs=0.025 + 2 * error)
    chosen = simulation.simulate(500, 7)
    assert preselected(chosen.columns).all()
    assert set(chosen["res_mass"]) <= {0.0, *map(float, MASSES)}
    assert all(np.isfinite(chosen[name]).all() for name in FEATURES)


def test_expected_events_do_not_depend_on_how_many_are_simulated() -> None:
    few, many = (simulation.simulate(number, 8) for number in (600, 2400))
    for of_signal in (True, False):
        sums = [
            sample["weight_central"][(sample["process"] == SIGNAL) == of_signal].sum()
            for sample in (few, many)
        ]
        assert sums[0] == pytest.approx(sums[1], rel=0.25)


def test_pythia_writes_the_same_columns() -> None:
    pytest.importorskip("pythia8mc")
    pytest.importorskip("fastjet")
    from projects.pnn.simulation import pythia

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulation, "counts", lambda events: {(SIGNAL, 600): events})
        patch.setattr(pythia, "CHUNK", 8)
        made = pythia.simulate(1, 9, selected=False)
    assert tuple(made.columns) == tuple(simulation.simulate(50, 9).columns)
    assert (made["res_mass"] == 600).all()
