"""Identities of the kinematics: nothing here is compared with numbers that the code itself made."""

from __future__ import annotations

import numpy as np
import pytest

from projects.clas12 import kinematics as k
from projects.clas12.simulation.generator import propose


@pytest.fixture(scope="module", params=[k.PI0, k.ETA], ids=["pi0", "eta"])
def made(request: pytest.FixtureRequest):
    return propose(np.random.default_rng(1), 20_000, request.param)


def test_four_momentum_is_conserved(made) -> None:
    """Beam and target become electron, proton and two photons, all on their mass shells."""
    photons = made.photons(np.random.default_rng(2))
    momentum = made.electron + made.proton + photons.sum(axis=1)
    np.testing.assert_allclose(momentum, np.broadcast_to([0, 0, k.BEAM], momentum.shape), atol=1e-9)
    total = k.energy(made.electron, k.ELECTRON) + k.energy(made.proton, k.PROTON)
    total += np.linalg.norm(photons, axis=2).sum(axis=1)
    # The generator takes the electron as massless.
    np.testing.assert_allclose(total, np.hypot(k.BEAM, k.ELECTRON) + k.PROTON, atol=1e-6)
    pairs = np.linalg.norm(photons, axis=2).sum(axis=1) ** 2 - np.sum(photons.sum(axis=1) ** 2, axis=1)
    np.testing.assert_allclose(pairs, made.mass**2, atol=1e-5)


def test_missing_mass_is_the_meson(made) -> None:
    np.testing.assert_allclose(k.missing_mass_squared(made.electron, made.proton), made.mass**2, atol=1e-5)


def test_photons_of_a_meson_at_rest_are_isotropic(made) -> None:
    """Boosted back, cosines are uniform: a moment of the boost that is wrong anywhere shows here."""
    gone, rest = k.missing(made.electron, made.proton)
    first = made.photons(np.random.default_rng(3))[:, 0]
    direction = gone / np.linalg.norm(gone, axis=1, keepdims=True)
    gamma, beta = rest / made.mass, np.linalg.norm(gone, axis=1) / rest
    along, energy = np.sum(first * direction, axis=1), np.linalg.norm(first, axis=1)
    cosine = gamma * (along - beta * energy) / (made.mass / 2)
    assert np.abs(cosine).max() < 1.001
    assert np.mean(cosine) == pytest.approx(0.0, abs=5 / np.sqrt(3 * len(cosine)))
    assert np.mean(cosine**2) == pytest.approx(1 / 3, abs=5 * 0.3 / np.sqrt(len(cosine)))


def test_transfer_and_q_squared_are_their_definitions(made) -> None:
    energy = k.energy(made.proton, k.PROTON)
    assert (k.transfer(made.proton) < 0).all()
    np.testing.assert_allclose(
        k.transfer(made.proton), (energy - k.PROTON) ** 2 - np.sum(made.proton**2, axis=1), atol=1e-12
    )
    e, theta, _ = k.polar(made.electron)
    np.testing.assert_allclose(k.q_squared(made.electron), 4 * k.BEAM * e * np.sin(theta / 2) ** 2, atol=1e-5)


def test_angles_and_vectors_are_inverse(made) -> None:
    np.testing.assert_allclose(k.vector(*k.polar(made.proton)), made.proton, atol=1e-12)


@pytest.mark.parametrize("dlogp", [-0.1, -1e-7, 0.0, 0.02, 0.3])
def test_shift_is_the_difference_of_two_masses(made, dlogp: float) -> None:
    shift = k.shift_of_missing_mass_squared(made.electron, made.proton, np.full(len(made.proton), dlogp))
    after = k.missing_mass_squared(made.electron, made.proton * np.exp(dlogp))
    np.testing.assert_allclose(shift, after - k.missing_mass_squared(made.electron, made.proton), atol=1e-11)
