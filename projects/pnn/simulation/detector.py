"""Detector response to partons and leptons: smeared, merged and tagged jets, and detected leptons.

The numbers are those of a general-purpose detector at the LHC, rounded. Arrays of jets have the shape
(events, jets); an absent jet has no transverse momentum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.pnn.simulation.kinematics import Vectors, angles, distance, from_angles, mass

__all__ = ["BOTTOM", "CHARM", "LIGHT", "TAG", "Jets", "Leptons", "jets", "leptons"]

LIGHT, CHARM, BOTTOM = 0, 1, 2
#: Radius of a jet, and the distance to a lepton below which a jet is dropped.
RADIUS = 0.4
#: Acceptance of jets and leptons in pseudo-rapidity, and smallest transverse momenta (GeV).
ETA, JET_PT, LEPTON_PT = 2.4, 20.0, 8.0
#: A jet whose discriminant exceeds this is tagged: 70 % of b jets, 14 % of c jets, 1.5 % of others.
TAG = 3.1
#: Mean discriminant of light, charm and b jets; it scatters by 1.
_MEANS = np.array([0.0, 1.1, 2.72])


@dataclass(frozen=True)
class Jets:
    """Measured jets, arrays of shape (events, jets).

    Parameters
    ----------
    vectors : ndarray, shape (4, events, jets)
        Zero for absent jets.
    tag : ndarray
        Discriminant of b jets; minus infinity for absent jets.
    """

    vectors: Vectors
    tag: NDArray[np.floating]


@dataclass(frozen=True)
class Leptons:
    """Leading and trailing lepton, arrays of shape (events, 2); zero transverse momentum: not detected."""

    vectors: Vectors


def leptons(true: Vectors, electron: NDArray[np.bool_], rng: np.random.Generator) -> Leptons:
    """Measure two leptons of one flavour, the leading one first.

    Parameters
    ----------
    true : ndarray, shape (4, events, 2)
    electron : ndarray of bool, shape (events,)
        Whether they are electrons; muons otherwise.
    rng : numpy.random.Generator
    """
    pt, eta, phi = angles(true)
    resolution = np.where(
        electron[:, None], np.hypot(0.02, 0.15 / np.sqrt(np.maximum(pt, 1.0))), 0.01 + 1e-4 * pt
    )
    pt = pt * np.maximum(1.0 + resolution * rng.standard_normal(pt.shape), 0.1)
    efficiency = np.where(electron[:, None], 0.80, 0.93) * -np.expm1(-pt / 7.0)
    detected = (np.abs(eta) < ETA) & (pt > LEPTON_PT) & (rng.random(pt.shape) < efficiency)
    vectors = from_angles(pt, eta, phi, np.zeros_like(pt)) * detected
    order = np.argsort(-pt, axis=1)
    return Leptons(np.take_along_axis(vectors, order[None], axis=2))


def jets(
    partons: Vectors,
    flavour: NDArray[np.integer],
    near: Leptons,
    rng: np.random.Generator,
    massive: bool = False,
) -> Jets:
    """Measure jets of partons: smear, merge close ones, tag, sort by momentum.

    Parameters
    ----------
    partons : ndarray, shape (4, events, partons)
        Zero for absent partons.
    flavour : ndarray of int, shape (events, partons)
        `LIGHT`, `CHARM` or `BOTTOM`.
    near : Leptons
        Jets near a lepton are dropped as duplicates.
    rng : numpy.random.Generator
    massive : bool
        Whether these are jets of particles, which have their own mass; a parton gets one.
    """
    vectors, flavour = _merged(_smeared(partons, flavour, rng, massive), flavour)
    pt, eta, phi = angles(vectors)
    detected = (pt > JET_PT) & (np.abs(eta) < ETA)
    lepton_pt, lepton_eta, lepton_phi = angles(near.vectors)
    for index in range(lepton_pt.shape[1]):
        close = distance(eta, phi, lepton_eta[:, index, None], lepton_phi[:, index, None]) < RADIUS
        detected &= ~(close & (lepton_pt[:, index, None] > 0))
    # b tagging is best at intermediate momentum: hard jets have crowded tracks, soft jets few.
    worse = 0.35 * np.abs(np.log(np.maximum(pt, 1.0) / 90.0)) * (flavour != LIGHT)
    tag = _MEANS[flavour] - worse + rng.standard_normal(pt.shape)
    order = np.argsort(-pt * detected, axis=1)
    vectors = np.take_along_axis(vectors * detected, order[None], axis=2)
    return Jets(vectors, np.take_along_axis(np.where(detected, tag, -np.inf), order, axis=1))


def _smeared(
    partons: Vectors, flavour: NDArray[np.integer], rng: np.random.Generator, massive: bool
) -> Vectors:
    """Smear jets of partons: response with a tail for neutrinos in b jets, direction, a mass."""
    pt, eta, phi = angles(partons)
    true = mass(partons)
    present = pt > 0
    width = np.hypot(np.hypot(5.0 / np.maximum(pt, 3.0), 1.1 / np.sqrt(np.maximum(pt, 1.0))), 0.05)
    response = np.maximum(1.0 + width * rng.standard_normal(pt.shape), 0.05)
    # Energy outside the cone, and the neutrinos of the semileptonic decays of b and c.
    response *= 1.0 - rng.exponential(0.05, pt.shape)
    semileptonic = rng.random(pt.shape) < np.choose(flavour, [0.0, 0.15, 0.30])
    response *= 1.0 - semileptonic * rng.beta(1.5, 4.0, pt.shape)
    pt = pt * np.maximum(response, 0.02)
    spread = 0.02 + 0.6 / np.maximum(pt, 5.0)
    eta = eta + spread * rng.standard_normal(pt.shape)
    phi = phi + spread * rng.standard_normal(pt.shape)
    jet_mass = 0.0 if massive else pt * 0.11 * np.exp(0.45 * rng.standard_normal(pt.shape))
    return from_angles(pt, np.clip(eta, -7, 7), phi, np.hypot(jet_mass, true)) * present


def _merged(vectors: Vectors, flavour: NDArray[np.integer]) -> tuple[Vectors, NDArray[np.integer]]:
    """Merge partons closer than the radius to one jet, with the heaviest flavour of them."""
    number = flavour.shape[1]
    pairs = [(i, j) for i in range(number) for j in range(i + 1, number)]
    pt, eta, phi = angles(vectors)
    # Only events with close partons are processed pair by pair, because a merged jet is another jet.
    first, second = np.array(pairs).T
    near = distance(eta[:, first], phi[:, first], eta[:, second], phi[:, second]) < RADIUS
    rows = np.flatnonzero((near & (pt[:, first] > 0) & (pt[:, second] > 0)).any(axis=1))
    close_events, kind = vectors[:, rows], flavour[rows]
    for i, j in pairs:
        pt, eta, phi = angles(close_events[:, :, [i, j]])
        close = distance(eta[:, 0], phi[:, 0], eta[:, 1], phi[:, 1]) < RADIUS
        close &= (pt > 0).all(axis=1)
        close_events[:, close, i] += close_events[:, close, j]
        close_events[:, close, j] = 0.0
        kind[close, i] = np.maximum(kind[close, i], kind[close, j])
    vectors, flavour = vectors.copy(), flavour.copy()
    vectors[:, rows], flavour[rows] = close_events, kind
    return vectors, flavour
