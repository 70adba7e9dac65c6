"""What a detector makes of partons and leptons: smeared, merged and tagged jets, and leptons that are seen.

The numbers are those of a general-purpose detector at the LHC, rounded. Arrays of jets have the shape
(events, jets); a jet that is not there has no transverse momentum.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.pnn.simulation.kinematics import Vectors, angles, distance, from_angles, mass

__all__ = ["BOTTOM", "CHARM", "LIGHT", "TAG", "Jets", "Leptons", "jets", "leptons"]

LIGHT, CHARM, BOTTOM = 0, 1, 2
#: Radius of a jet, and how near a lepton it is not one.
RADIUS = 0.4
#: Jets and leptons are seen within this pseudo-rapidity, and from these transverse momenta (GeV) on.
ETA, JET_PT, LEPTON_PT = 2.4, 20.0, 8.0
#: A jet whose discriminant exceeds this is tagged: 70 % of b jets, 14 % of c jets, 1.5 % of others.
TAG = 3.1
#: Mean discriminant of light, charm and b jets; it scatters by 1.
_MEANS = np.array([0.0, 1.1, 2.72])


@dataclass(frozen=True)
class Jets:
    """Jets as they are measured, arrays of shape (events, jets).

    Parameters
    ----------
    vectors : ndarray, shape (4, events, jets)
        Zero where there is none.
    tag : ndarray
        How much it looks like a b jet; minus infinity where there is none.
    """

    vectors: Vectors
    tag: NDArray[np.floating]


@dataclass(frozen=True)
class Leptons:
    """The leading and trailing lepton, arrays of shape (events, 2); no transverse momentum: not seen."""

    vectors: Vectors


def leptons(true: Vectors, electron: NDArray[np.bool_], rng: np.random.Generator) -> Leptons:
    """Two leptons of one flavour, the leading one first.

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
    seen = (np.abs(eta) < ETA) & (pt > LEPTON_PT) & (rng.random(pt.shape) < efficiency)
    vectors = from_angles(pt, eta, phi, np.zeros_like(pt)) * seen
    order = np.argsort(-pt, axis=1)
    return Leptons(np.take_along_axis(vectors, order[None], axis=2))


def jets(
    partons: Vectors,
    flavour: NDArray[np.integer],
    near: Leptons,
    rng: np.random.Generator,
    massive: bool = False,
) -> Jets:
    """Jets of partons: smeared, merged where they are close, tagged, in the order of their momentum.

    Parameters
    ----------
    partons : ndarray, shape (4, events, partons)
        Zero where there is none.
    flavour : ndarray of int, shape (events, partons)
        `LIGHT`, `CHARM` or `BOTTOM`.
    near : Leptons
        Jets near a lepton are dropped: it is counted already.
    rng : numpy.random.Generator
    massive : bool
        Whether these are jets of particles with a mass of their own; a parton gets one.
    """
    vectors, flavour = _merged(_smeared(partons, flavour, rng, massive), flavour)
    pt, eta, phi = angles(vectors)
    seen = (pt > JET_PT) & (np.abs(eta) < ETA)
    lepton_pt, lepton_eta, lepton_phi = angles(near.vectors)
    for index in range(lepton_pt.shape[1]):
        close = distance(eta, phi, lepton_eta[:, index, None], lepton_phi[:, index, None]) < RADIUS
        seen &= ~(close & (lepton_pt[:, index, None] > 0))
    # Tracks of hard jets are crowded and of soft ones few: b jets are tagged best in between.
    worse = 0.35 * np.abs(np.log(np.maximum(pt, 1.0) / 90.0)) * (flavour != LIGHT)
    tag = _MEANS[flavour] - worse + rng.standard_normal(pt.shape)
    order = np.argsort(-pt * seen, axis=1)
    vectors = np.take_along_axis(vectors * seen, order[None], axis=2)
    return Jets(vectors, np.take_along_axis(np.where(seen, tag, -np.inf), order, axis=1))


def _smeared(
    partons: Vectors, flavour: NDArray[np.integer], rng: np.random.Generator, massive: bool
) -> Vectors:
    """Jets of partons as measured: response with a tail for neutrinos in b jets, direction, a mass."""
    pt, eta, phi = angles(partons)
    true = mass(partons)
    there = pt > 0
    width = np.hypot(np.hypot(5.0 / np.maximum(pt, 3.0), 1.1 / np.sqrt(np.maximum(pt, 1.0))), 0.05)
    response = np.maximum(1.0 + width * rng.standard_normal(pt.shape), 0.05)
    # What leaves the cone, and the neutrinos of the semileptonic decays of b and c.
    response *= 1.0 - rng.exponential(0.05, pt.shape)
    semileptonic = rng.random(pt.shape) < np.choose(flavour, [0.0, 0.15, 0.30])
    response *= 1.0 - semileptonic * rng.beta(1.5, 4.0, pt.shape)
    pt = pt * np.maximum(response, 0.02)
    spread = 0.02 + 0.6 / np.maximum(pt, 5.0)
    eta = eta + spread * rng.standard_normal(pt.shape)
    phi = phi + spread * rng.standard_normal(pt.shape)
    own = 0.0 if massive else pt * 0.11 * np.exp(0.45 * rng.standard_normal(pt.shape))
    return from_angles(pt, np.clip(eta, -7, 7), phi, np.hypot(own, true)) * there


def _merged(vectors: Vectors, flavour: NDArray[np.integer]) -> tuple[Vectors, NDArray[np.integer]]:
    """Partons nearer than the radius are one jet; it looks like the heaviest flavour in it."""
    number = flavour.shape[1]
    pairs = [(one, other) for one in range(number) for other in range(one + 1, number)]
    pt, eta, phi = angles(vectors)
    # Only events in which anything is close are gone through pair by pair, for a merged jet is another jet.
    first, second = np.array(pairs).T
    near = distance(eta[:, first], phi[:, first], eta[:, second], phi[:, second]) < RADIUS
    rows = np.flatnonzero((near & (pt[:, first] > 0) & (pt[:, second] > 0)).any(axis=1))
    some, kind = vectors[:, rows], flavour[rows]
    for one, other in pairs:
        pt, eta, phi = angles(some[:, :, [one, other]])
        close = distance(eta[:, 0], phi[:, 0], eta[:, 1], phi[:, 1]) < RADIUS
        close &= (pt > 0).all(axis=1)
        some[:, close, one] += some[:, close, other]
        some[:, close, other] = 0.0
        kind[close, one] = np.maximum(kind[close, one], kind[close, other])
    vectors, flavour = vectors.copy(), flavour.copy()
    vectors[:, rows], flavour[rows] = some, kind
    return vectors, flavour
