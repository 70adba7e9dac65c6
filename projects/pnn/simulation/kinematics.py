"""Four-vectors of many particles at once, and decays of one into two.

A four-vector is an array whose first axis is (E, px, py, pz) in GeV; further axes are particles and events.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["Vectors", "angles", "boosted", "breit_wigner", "decay", "distance", "from_angles", "mass"]

Vectors = NDArray[np.float64]


def from_angles(
    pt: NDArray[np.floating], eta: NDArray[np.floating], phi: NDArray[np.floating], mass: NDArray[np.floating]
) -> Vectors:
    """Return four-vectors from transverse momentum, pseudo-rapidity, azimuth and mass."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.stack([np.sqrt(mass * mass + pt * pt + pz * pz), px, py, pz])


def mass(vectors: Vectors) -> NDArray[np.float64]:
    """Return the invariant mass; rounding below zero gives zero.

    Examples
    --------
    >>> leptons = from_angles(np.full(2, 45.0), np.zeros(2), np.array([0.0, np.pi]), np.zeros(2))
    >>> print(mass(leptons.sum(axis=1)).round(1))
    90.0
    """
    e, px, py, pz = vectors
    return np.sqrt(np.maximum(e * e - px * px - py * py - pz * pz, 0.0))


def angles(vectors: Vectors) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return transverse momentum, pseudo-rapidity and azimuth."""
    _, px, py, pz = vectors
    pt = np.hypot(px, py)
    return pt, np.arcsinh(pz / np.maximum(pt, 1e-9)), np.arctan2(py, px)


def distance(
    eta1: NDArray[np.floating],
    phi1: NDArray[np.floating],
    eta2: NDArray[np.floating],
    phi2: NDArray[np.floating],
) -> NDArray[np.floating]:
    """Return the distance in pseudo-rapidity and azimuth."""
    return np.hypot(eta1 - eta2, (phi1 - phi2 + np.pi) % (2.0 * np.pi) - np.pi)


def boosted(vectors: Vectors, parent: Vectors) -> Vectors:
    """Boost vectors from the rest frame of `parent` to the frame in which `parent` is given."""
    m = mass(parent)
    beta = parent[1:] / parent[0]
    gamma = parent[0] / m
    along = np.sum(beta * vectors[1:], axis=0)
    factor = gamma * gamma / (gamma + 1.0) * along + gamma * vectors[0]
    return np.concatenate([(gamma * (vectors[0] + along))[None], vectors[1:] + factor * beta])


def decay(
    parent: Vectors, first: NDArray[np.floating], second: NDArray[np.floating], rng: np.random.Generator
) -> tuple[Vectors, Vectors]:
    """Decay a particle isotropically into two particles with the masses `first` and `second`.

    Raises
    ------
    ValueError
        If the daughters are heavier than their parent.
    """
    m = mass(parent)
    if np.any(first + second > m):
        raise ValueError("a particle cannot decay into heavier ones")
    squared = (m * m - (first + second) ** 2) * (m * m - (first - second) ** 2)
    p = np.sqrt(np.maximum(squared, 0.0)) / (2.0 * m)
    cosine = rng.uniform(-1.0, 1.0, m.shape)
    phi = rng.uniform(-np.pi, np.pi, m.shape)
    sine = np.sqrt(1.0 - cosine * cosine)
    momentum = p * np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine])
    ones = np.concatenate([np.hypot(p, first)[None], momentum])
    others = np.concatenate([np.hypot(p, second)[None], -momentum])
    return boosted(ones, parent), boosted(others, parent)


def breit_wigner(
    peak: float, width: float, low: float, high: float, number: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw masses from the relativistic Breit-Wigner (in m^2, with a constant width) between two limits."""
    ends = np.arctan((np.array([low, high]) ** 2 - peak * peak) / (peak * width))
    return np.sqrt(peak * peak + peak * width * np.tan(rng.uniform(ends[0], ends[1], number)))
