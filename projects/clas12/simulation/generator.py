"""Generated events of e p -> e p M, M a pi0 or an eta that decays into two photons.

Every event is drawn from a flat proposal with the weight of a simple model: virtual photon flux (L. N. Hand,
Phys. Rev. 129 (1963) 1834), a power of Q^2 and an exponential in t. All other properties of the real sample
are left to `projects.clas12.simulation.detector`, whose efficiency is tuned to its moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import BEAM, PROTON, energy, missing, vector

__all__ = ["Generated", "propose"]

#: Limits of the proposal: Q^2 and -t in GeV^2 (logarithmic), Bjorken's x, and those of the sample: W, E'.
Q2, T, XB = (1.0, 12.0), (0.06, 4.5), (0.06, 0.8)
LEAST_W, LEAST_ENERGY = 2.0, 1.8
#: Power of 1/Q^2 and slope in t (1/GeV^2) of the cross section.
POWER, SLOPE = 1.5, 1.0


@dataclass(frozen=True)
class Generated:
    """Proposed events.

    Parameters
    ----------
    electron, proton : ndarray, shape (n, 3)
        Momenta in GeV.
    weight : ndarray, shape (n,)
        Cross section times proposal volume, in arbitrary units.
    mass : float
        Mass of the meson, GeV.
    """

    electron: NDArray[np.floating]
    proton: NDArray[np.floating]
    weight: NDArray[np.floating]
    mass: float

    def select(self, rows: NDArray[np.bool_]) -> Generated:
        """Select events by `rows`."""
        return Generated(self.electron[rows], self.proton[rows], self.weight[rows], self.mass)

    def photons(self, rng: np.random.Generator) -> NDArray[np.floating]:
        """Draw momenta of the meson's two photons in GeV, shape (n, 2, 3)."""
        return _decay(rng, *missing(self.electron, self.proton), self.mass)


def propose(rng: np.random.Generator, number: int, mass: float) -> Generated:
    """Propose events inside phase space, about a third of `number`; those outside are dropped.

    Parameters
    ----------
    rng : numpy.random.Generator
    number : int
        Number of proposals.
    mass : float
        Mass of the meson, GeV.
    """
    logs = rng.uniform(np.log(Q2[0]), np.log(Q2[1]), number), rng.uniform(np.log(T[0]), np.log(T[1]), number)
    q2, minus_t = np.exp(logs[0]), np.exp(logs[1])
    xb = rng.uniform(*XB, number)
    nu = q2 / (2.0 * PROTON * xb)
    scattered = BEAM - nu
    w2 = PROTON**2 + 2.0 * PROTON * nu - q2
    half = q2 / (4.0 * BEAM * np.maximum(scattered, 1e-9))  # sin^2(theta / 2)
    momentum = np.sqrt(nu**2 + q2)
    struck = PROTON + minus_t / (2.0 * PROTON)
    p = np.sqrt(struck**2 - PROTON**2)
    # The meson's mass fixes the angle between proton and virtual photon.
    cosine = (mass**2 - w2 - PROTON**2 + 2.0 * (nu + PROTON) * struck) / (2.0 * momentum * p)
    allowed = (scattered > LEAST_ENERGY) & (w2 > LEAST_W**2) & (half < 1.0) & (np.abs(cosine) <= 1.0)
    q2, xb, minus_t, nu, half, momentum, p, cosine = (
        array[allowed] for array in (q2, xb, minus_t, nu, half, momentum, p, cosine)
    )
    azimuth, around = rng.uniform(-np.pi, np.pi, (2, len(q2)))
    electron = vector(BEAM - nu, 2.0 * np.arcsin(np.sqrt(half)), azimuth)
    virtual = np.array([0.0, 0.0, BEAM]) - electron
    proton = _around(virtual / momentum[:, None], p, np.arccos(cosine), around)
    weight = _flux(q2, xb, nu) * q2**-POWER * np.exp(-SLOPE * minus_t) * q2 * minus_t
    return Generated(electron, proton, weight, mass)


def _flux(q2: NDArray, xb: NDArray, nu: NDArray) -> NDArray:
    """Return Hand's flux of virtual photons in dQ^2 dx, without its constants."""
    y, small = nu / BEAM, q2 / (4.0 * BEAM**2)
    transverse = 1.0 - (1.0 - y - small) / (1.0 - y + y**2 / 2.0 + small)
    return q2 * (1.0 - xb) / xb**3 / transverse


def _around(axis: NDArray, length: NDArray, theta: NDArray, phi: NDArray) -> NDArray:
    """Return vectors of given length and angles about unit vectors, shape (n, 3)."""
    local = vector(length, theta, phi)
    across = np.cross(np.array([0.0, 1.0, 0.0]), axis)
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    up = np.cross(axis, across)
    return local[:, :1] * across + local[:, 1:2] * up + local[:, 2:] * axis


def _decay(rng: np.random.Generator, momentum: NDArray, meson_energy: NDArray, mass: float) -> NDArray:
    """Decay the meson to two photons, isotropic in its rest frame; laboratory momenta, shape (n, 2, 3)."""
    number = len(meson_energy)
    direction = vector(
        np.full(number, mass / 2.0),
        np.arccos(rng.uniform(-1.0, 1.0, number)),
        rng.uniform(-np.pi, np.pi, number),
    )
    boost, gamma = momentum / mass, energy(momentum, mass) / mass
    along = np.sum(direction * boost, axis=1, keepdims=True)
    first = direction + boost * (along / (gamma[:, None] + 1.0) + mass / 2.0)
    return np.stack([first, momentum - first], axis=1)
