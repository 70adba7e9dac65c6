"""The digitisation and the pulse: identities, and the facts that are published of them."""

from __future__ import annotations

import numpy as np
import pytest

from projects.facile import pulse
from projects.facile.simulation import qie


def test_codes_and_charges_are_inverse() -> None:
    codes = np.arange(256)
    np.testing.assert_array_equal(qie.code(qie.charge(codes)), codes)
    np.testing.assert_array_equal(qie.code(qie.EDGES[:-1]), codes)
    assert (np.diff(qie.charge(codes)) > 0).all()


def test_the_chip() -> None:
    """3.1 fC at the bottom, steps of 1, 2, 4, 8 in a range, eight times as large in the next one; 17 bits."""
    steps = qie.step(np.arange(256)) / qie.LSB
    np.testing.assert_allclose(steps[[0, 15, 16, 35, 36, 56, 57, 63]], [1, 1, 2, 2, 4, 4, 8, 8])
    np.testing.assert_allclose(steps[64:], 8 * steps[:-64])
    assert 2**16 < qie.EDGES[-1] / qie.LSB < 2**17
    large = np.arange(80, 256)
    assert (qie.step(large) / qie.charge(large) < 0.06).all(), "relative to the charge a step stays small"


def test_charges_beyond_the_ends() -> None:
    assert qie.code([-50.0, 0.0, 1e9]).tolist() == [0, 0, 255]


def test_quantisation_is_uniform_noise() -> None:
    """What is lost of charges spread over many steps has the stated standard deviation."""
    charges = np.random.default_rng(1).uniform(2e4, 3e4, 50_000)
    codes = qie.code(charges)
    missed = (charges - qie.charge(codes)) / qie.noise(codes)
    assert np.mean(missed) == pytest.approx(0.0, abs=0.02)
    assert np.std(missed) == pytest.approx(1.0, abs=0.01)


def test_template_has_the_published_fractions() -> None:
    np.testing.assert_allclose(pulse.template(), [0, 0, 0, 0.594, 0.284, 0.080, 0.029, 0.013], atol=1e-12)


@pytest.mark.parametrize("crossing", [-3, -1, 0, 2, 4])
def test_crossings_shift_by_slices(crossing: int) -> None:
    wanted = np.zeros(8)
    for place, fraction in enumerate(pulse.FRACTIONS):
        if 0 <= pulse.SIGNAL + crossing + place < 8:
            wanted[pulse.SIGNAL + crossing + place] = fraction
    np.testing.assert_allclose(pulse.template(0.0, crossing), wanted, atol=1e-12)


def test_a_shifted_pulse_keeps_its_charge() -> None:
    delays = np.linspace(-4.0, 0.0, 9)
    np.testing.assert_allclose(pulse.template(delays).sum(axis=-1), 1.0, atol=1e-12)
    late = pulse.template(np.array([0.0, 5.0]))
    assert late[1, 3] < late[0, 3]
    assert late[1, 4] > late[0, 4]
    np.testing.assert_allclose(pulse.template(25.0), pulse.template(0.0, 1), atol=1e-12)


def test_distortions_are_derivatives() -> None:
    """Of a small shift, to both sides; of a large one the two differ."""
    late, early = pulse.distortions(1e-3)
    np.testing.assert_allclose(late, -early, atol=1e-6)
    assert not np.allclose(*np.abs(pulse.distortions(2.5)), atol=1e-3)
    slope = (pulse.template(1e-3) - pulse.template(-1e-3)) / 2.0
    np.testing.assert_allclose(late, slope, atol=1e-6)
