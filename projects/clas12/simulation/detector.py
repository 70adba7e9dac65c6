"""Response of CLAS12 to a generated event: acceptance, energy loss of the proton, resolution, selection.

Formulas of energy loss, resolution and selection are those of published analyses of fall 2018 (inbending).
Their free parameters, the constants with an underscore below, are tuned by hand to the moments of the real
sample, and the rest by `projects.clas12.simulation.efficiency`; `projects.clas12.simulation.moments` shows
the agreement.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import PI0, PROTON, polar, vector

__all__ = [
    "MM2_WINDOW",
    "band_edge",
    "central",
    "loss",
    "measured_electron",
    "measured_photons",
    "measured_proton",
    "sector",
    "seen",
    "selected",
]

Array = NDArray[np.floating]

#: MM^2 of selected events minus the meson's mass squared, as for the pi0, GeV^2.
MM2_WINDOW = (-0.3, 0.4)
#: Polar angle where half of the protons are in the central detector, and width of the transition, degrees.
_EDGE, _SOFT = 35.0, 0.8
#: Smallest momenta of protons, forward and central, GeV.
_SLOWEST = (0.35, 0.3)
#: Angle in degrees of the edge between the drift-chamber bands at 1 GeV, and its slope in ln p.
_BAND, _BEND = 25.0, 4.6
#: Share of the energy loss by which the loss of single protons fluctuates.
_STRAGGLING = 0.12
#: Energy loss in the central detector for beta = 1 at 90 degrees, GeV, and the resolution there at rest.
_BARREL, _SPREAD = 7e-3, 0.022
#: Angular resolution of protons relative to the formula.
_ANGULAR = 1.35


def sector(phi: Array) -> NDArray[np.int64]:
    """Return the sector 1 to 6 of an azimuth; sector 1 is centred at 0."""
    return np.rint(np.mod(phi, 2.0 * np.pi) / (np.pi / 3.0)).astype(np.int64) % 6 + 1


def _in_sector(theta: Array, phi: Array, gap: float) -> NDArray[np.bool_]:
    """Return whether a particle passes between the coils, with `gap` degrees over sin(theta) on each side."""
    local = np.mod(phi + np.pi / 6.0, np.pi / 3.0) - np.pi / 6.0
    return np.abs(local) < np.pi / 6.0 - np.radians(gap) / np.sin(theta)


def central(rng: np.random.Generator, theta: Array) -> NDArray[np.bool_]:
    """Draw whether protons of true polar angle `theta` are in the central detector."""
    inner = 1.0 / (1.0 + np.exp(-(np.degrees(theta) - _EDGE) / _SOFT))
    return rng.random(len(theta)) < inner


def seen(electron: Array, proton: Array, photons: Array, in_central: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Select events whose generated particles all hit the detector; shapes as in `Generated`."""
    _, theta, phi = polar(electron)
    accepted = (theta > np.radians(6.0)) & (theta < np.radians(35.0)) & _in_sector(theta, phi, 2.0)
    p, theta, phi = polar(proton)
    forward = (p > _SLOWEST[0]) & (theta > np.radians(6.0)) & _in_sector(theta, phi, 2.0)
    accepted &= np.where(in_central, p > _SLOWEST[1], forward)
    p, theta, phi = polar(photons)
    tagger = (theta > np.radians(2.5)) & (theta < np.radians(4.5)) & (p > 0.5)
    calorimeter = (theta > np.radians(5.0)) & (theta < np.radians(35.0)) & _in_sector(theta, phi, 1.0)
    return accepted & (tagger | (calorimeter & (p > 0.3))).all(axis=1)


def band_edge(p: Array) -> Array:
    """Return the polar angle in rad beyond which a forward proton of momentum `p` crosses more material."""
    return np.radians(_BAND + _BEND * np.log(p))


def loss(p: Array, theta: Array, in_central: NDArray[np.bool_]) -> Array:
    """Return the mean momentum loss in GeV of a proton reconstructed at `p`.

    Forward, it is the published parametrisation for the inner and the outer band of the drift chambers; in
    the central detector it has Bethe's dependence on velocity and path.
    """
    inner = np.exp(-2.739 - 3.932 * p) + 0.002907
    outer = np.exp(-1.2 - 4.228 * p) + 0.007502
    beta = p / np.hypot(p, PROTON)
    barrel = _BARREL / beta**3 / np.sin(theta)
    return np.where(in_central, barrel, np.where(theta > band_edge(p), outer, inner))


def _relative(p: Array, theta: Array) -> Array:
    """Return the forward resolution sigma_p / p."""
    t = np.degrees(theta)
    first = 0.0184291 - 0.0110083 * t + 0.00227667 * t**2 - 0.000140152 * t**3 + 3.07424e-6 * t**4
    return 0.02 * np.hypot(first * p, 0.02 * t)


def _smear_angles(
    rng: np.random.Generator, p: Array, theta: Array, phi: Array, scale: float
) -> tuple[Array, Array]:
    t = np.degrees(theta)
    over = np.radians(scale * np.sqrt(p**2 + PI0**2) / p**2)
    polar_angle = theta + 2.5 * (0.004 * t + 0.1) * over * rng.standard_normal(p.shape)
    azimuth = phi + 3.5 * np.maximum(0.85 - 0.015 * t, 0.1) * over * rng.standard_normal(p.shape)
    return np.abs(polar_angle), azimuth


def measured_electron(rng: np.random.Generator, electron: Array) -> Array:
    """Smear electrons to reconstructed momenta, shape (n, 3)."""
    p, theta, phi = polar(electron)
    angles = _smear_angles(rng, p, theta, phi, 1.0)
    return vector(p * (1.0 + _relative(p, theta) * rng.standard_normal(p.shape)), *angles)


def measured_proton(rng: np.random.Generator, proton: Array, in_central: NDArray[np.bool_]) -> Array:
    """Convert protons to reconstructed momenta, shape (n, 3): energy loss, then smearing."""
    p, theta, phi = polar(proton)
    mean = p
    for _ in range(20):  # the loss is a function of the remaining momentum
        mean = np.maximum(p - loss(mean, theta, in_central), 0.15)
    shape = _STRAGGLING**-2
    left = p - (p - mean) * rng.gamma(shape, 1.0 / shape, p.shape)
    spread = np.where(in_central, _SPREAD * np.hypot(1.0, p), _relative(p, theta))
    angles = _smear_angles(rng, p, theta, phi, _ANGULAR)
    return vector(np.maximum(left, 0.05) * np.exp(spread * rng.standard_normal(p.shape)), *angles)


def measured_photons(rng: np.random.Generator, photons: Array) -> Array:
    """Smear photons to reconstructed momenta, shape (n, 2, 3): 10 %/sqrt(E) and 4 mrad."""
    e, theta, phi = polar(photons)
    smeared = e * np.maximum(1.0 + 0.1 / np.sqrt(e) * rng.standard_normal(e.shape), 0.1)
    return vector(
        smeared,
        np.abs(theta + 0.004 * rng.standard_normal(e.shape)),
        phi + 0.004 / np.sin(theta) * rng.standard_normal(e.shape),
    )


def selected(proton: Array, mm2: Array, mass: float) -> NDArray[np.bool_]:
    """Select reconstructed events as in the analysis; its MM^2 window moves with the meson's mass."""
    p, theta, _ = polar(proton)
    low, high = (limit + mass**2 - PI0**2 for limit in MM2_WINDOW)
    in_window = (mm2 > low) & (mm2 < high)
    return in_window & (np.degrees(theta) < 44.106 - 6.625 * p + 1.438 * p**2)
