"""Kinematics of e p -> e p X with a beam along z: pure functions of momenta, GeV and rad.

The file travels with registered models, so it needs only numpy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "BEAM",
    "CENTRAL",
    "ELECTRON",
    "ETA",
    "FEATURES",
    "PI0",
    "PROTON",
    "energy",
    "features",
    "missing",
    "missing_mass_squared",
    "momenta",
    "polar",
    "q_squared",
    "shift_of_missing_mass_squared",
    "transfer",
    "vector",
]

#: Momentum of the beam of fall 2018, GeV.
BEAM = 10.6041
#: Masses in GeV: CODATA, and Particle Data Group, Phys. Rev. D 110 (2024) 030001.
ELECTRON, PROTON, PI0, ETA = 0.000510999, 0.938272081, 0.1349768, 0.547862

#: Smallest status, as in REC::Particle, of a particle in the central detector; below it is forward.
CENTRAL = 4000
#: Inputs of the original study's network, in its order; angles in rad.
FEATURES = ("log eP", "theta_e", "phi_e", "log pP", "theta_p", "phi_p", "log Q2", "log(-t)")

Array = NDArray[np.floating]


def momenta(columns: Mapping[str, Any], name: str, suffix: str = "") -> Array:
    """Return momenta of shape (n, 3) from three columns, ``px``, ``py`` and ``pz`` for ``p``."""
    parts = [np.asarray(columns[f"{name}{axis}{suffix}"], dtype=np.float64) for axis in "xyz"]
    return np.stack(parts, axis=1)


def polar(momentum: Array) -> tuple[Array, Array, Array]:
    """Return magnitude, polar angle and azimuth of momenta, shape (..., 3); azimuths lie in -pi to pi."""
    x, y, z = np.moveaxis(momentum, -1, 0)
    across = np.hypot(x, y)
    return np.hypot(across, z), np.arctan2(across, z), np.arctan2(y, x)


def vector(magnitude: Array, theta: Array, phi: Array) -> Array:
    """Return momenta of shape (..., 3), the inverse of `polar`."""
    across = magnitude * np.sin(theta)
    return np.stack([across * np.cos(phi), across * np.sin(phi), magnitude * np.cos(theta)], axis=-1)


def energy(momentum: Array, mass: float) -> Array:
    """Return the energies of particles of one mass, shape (...)."""
    return np.sqrt(np.sum(np.square(momentum), axis=-1) + mass * mass)


def q_squared(electron: Array) -> Array:
    """Return Q^2 = -(k - k')^2, positive, from the scattered electron's momentum, shape (..., 3)."""
    incoming = np.array([0.0, 0.0, BEAM])
    lost = energy(incoming, ELECTRON) - energy(electron, ELECTRON)
    return np.sum(np.square(incoming - electron), axis=-1) - lost * lost


def transfer(proton: Array) -> Array:
    """Return t = (p' - p)^2, negative, from the proton's momentum: 2 m (m - E')."""
    return 2.0 * PROTON * (PROTON - energy(proton, PROTON))


def features(electron: Array, proton: Array) -> Array:
    """Return the `FEATURES` of reconstructed momenta, shape (n, 8)."""
    (e, theta_e, phi_e), (p, theta_p, phi_p) = polar(electron), polar(proton)
    q2, t = q_squared(electron), transfer(proton)
    return np.stack([np.log(e), theta_e, phi_e, np.log(p), theta_p, phi_p, np.log(q2), np.log(-t)], axis=1)


def missing(electron: Array, proton: Array) -> tuple[Array, Array]:
    """Return momentum, shape (..., 3), and energy of X."""
    incoming = np.array([0.0, 0.0, BEAM])
    missing_energy = energy(incoming, ELECTRON) + PROTON - energy(electron, ELECTRON) - energy(proton, PROTON)
    return incoming - electron - proton, missing_energy


def missing_mass_squared(electron: Array, proton: Array) -> Array:
    """Return MM^2 of X in GeV^2; it may be negative because of the resolution."""
    momentum, missing_energy = missing(electron, proton)
    return missing_energy * missing_energy - np.sum(np.square(momentum), axis=-1)


def shift_of_missing_mass_squared(electron: Array, proton: Array, dlogp: Array) -> Array:
    """Return the change of MM^2 when the proton's momentum is multiplied by exp(dlogp), in GeV^2.

    With the four-vector V of beam and target minus the scattered electron, MM^2 = V^2 + m^2 - 2 V p', so that
    only the last term changes, and no difference of large squares is needed.
    """
    incoming = np.array([0.0, 0.0, BEAM])
    momentum = incoming - electron
    remaining_energy = energy(incoming, ELECTRON) + PROTON - energy(electron, ELECTRON)
    gained = np.expm1(dlogp)
    squared = np.sum(np.square(proton), axis=-1)
    before = np.sqrt(squared + PROTON * PROTON)
    # E' - E = (p'^2 - p^2) / (E' + E)
    grown = squared * gained * (2.0 + gained)
    more = grown / (before + np.sqrt(squared + grown + PROTON * PROTON))
    return -2.0 * (remaining_energy * more - np.sum(momentum * proton, axis=-1) * gained)
