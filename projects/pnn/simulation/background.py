"""Z + jets at parton level, modelled on the four samples of the original study.

Leptons of low mass, and Z with 0, 1 and 2 hard partons; the other jets, at least three in total, are
radiation. Spectra are power laws with typical slopes. The simulation describes shapes, not cross sections:
the numbers of events expected in the data are given below.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.pnn.simulation.candidates import FEWEST_JETS, Z_MASS
from projects.pnn.simulation.detector import BOTTOM, CHARM, LIGHT
from projects.pnn.simulation.kinematics import Vectors, breit_wigner, decay, from_angles, mass

__all__ = ["PROCESSES", "Process", "background", "radiation"]

#: Largest number of partons, without the hard ones and the pair of a gluon that splits.
MOST = 6
#: Softest parton, GeV: softer ones do not become jets.
_SOFTEST = 16.0
#: Probabilities of parton flavours (single b quarks, and c), and of a gluon splitting to a pair of b.
_SINGLE = {BOTTOM: 0.05, CHARM: 0.08}
_SPLITS = 0.30


@dataclass(frozen=True)
class Process:
    """One of the samples.

    Parameters
    ----------
    name : str
    hard : int
        Partons of the matrix element.
    low_mass : bool
        Whether the leptons have a mass of 10 to 50 GeV instead of more.
    share : float
        Share of the simulated background.
    expected : float
        Events of the file in 35.9 /fb, roughly those of a two-lepton, three-jet, loose-tag selection.
    """

    name: str
    hard: int
    low_mass: bool
    share: float
    expected: float


#: By the code of the process in `projects.pnn.schema`.
PROCESSES = {
    1: Process("low mass", 1, True, 0.05, 30_000.0),
    2: Process("0 partons", 0, False, 0.12, 60_000.0),
    3: Process("1 parton", 1, False, 0.32, 130_000.0),
    4: Process("2 partons", 2, False, 0.51, 215_000.0),
}


def background(
    process: Process, number: int, rng: np.random.Generator
) -> tuple[Vectors, Vectors, NDArray[np.integer]]:
    """Simulate leptons and partons of `number` events, as in `projects.pnn.simulation.signal.signal`."""
    hard, hard_flavour = _partons(number, process.hard, np.full(number, process.hard), 60.0, 4.0, rng)
    soft = np.maximum(rng.poisson(2.2, number), FEWEST_JETS + 1 - process.hard)
    soft_partons, flavour = _partons(number, MOST, soft, 30.0, 4.5, rng)
    z_mass = _masses(process.low_mass, number, rng)
    # Half of the softer partons come from other collisions and do not recoil against the Z.
    recoil = hard.sum(axis=2) + (soft_partons * (rng.random(flavour.shape) < 0.5)).sum(axis=2)
    px, py = (-recoil[axis] + 7.0 * rng.standard_normal(number) for axis in (1, 2))
    rapidity = 1.15 * rng.standard_normal(number) + 0.25 * np.arcsinh(recoil[3] / 100.0)
    transverse = np.sqrt(z_mass * z_mass + px * px + py * py)
    z = np.stack([transverse * np.cosh(rapidity), px, py, transverse * np.sinh(rapidity)])
    partons, flavour = _split(
        np.concatenate([hard, soft_partons], axis=2), np.concatenate([hard_flavour, flavour], axis=1), rng
    )
    nothing = np.zeros(number)
    l1, l2 = decay(z, nothing, nothing, rng)
    return np.stack([l1, l2], axis=2), partons, flavour


def radiation(
    number: int, mean: float, scale: float, slope: float, rng: np.random.Generator
) -> tuple[Vectors, NDArray[np.integer]]:
    """Simulate radiated partons, at most `MOST` - 2 per event, with a Poisson-distributed number.

    Parameters
    ----------
    number : int
        Number of events.
    mean : float
        Mean of the number of partons.
    scale, slope : float
        Parameters of the spectrum, proportional to (1 + pt/scale)^-slope.
    rng : numpy.random.Generator

    Returns
    -------
    vectors : ndarray, shape (4, events, partons)
    flavour : ndarray of int, shape (events, partons)
    """
    return _partons(number, MOST - 2, rng.poisson(mean, number), scale, slope, rng)


def _partons(
    number: int, most: int, counts: NDArray[np.integer], scale: float, slope: float, rng: np.random.Generator
) -> tuple[Vectors, NDArray[np.integer]]:
    """Simulate massless partons; entries beyond an event's count are zero."""
    shape = (number, most)
    present = np.arange(most) < counts[:, None]
    pt = _SOFTEST + scale * (rng.random(shape) ** (-1.0 / (slope - 1.0)) - 1.0)
    eta = np.clip(1.5 * rng.standard_normal(shape), -5.0, 5.0)
    # Hard partons are more central.
    eta *= 1.0 / np.sqrt(1.0 + pt / 300.0)
    vectors = from_angles(np.minimum(pt, 1500.0), eta, rng.uniform(-np.pi, np.pi, shape), np.zeros(shape))
    uniform = rng.random(shape)
    flavour = np.select(
        [uniform < _SINGLE[BOTTOM], uniform < _SINGLE[BOTTOM] + _SINGLE[CHARM]], [BOTTOM, CHARM], LIGHT
    )
    return vectors * present, flavour


def _split(
    partons: Vectors, flavour: NDArray[np.integer], rng: np.random.Generator
) -> tuple[Vectors, NDArray[np.integer]]:
    """Split the hardest light parton of some events, a gluon, into two b quarks that are close together."""
    events = np.arange(len(flavour))
    pt = np.hypot(partons[1], partons[2]) * (flavour == LIGHT)
    gluon = np.argmax(pt, axis=1)
    splits = (rng.random(len(events)) < _SPLITS) & (pt[events, gluon] > 2 * _SOFTEST)
    parent = partons[:, events, gluon]
    # A virtual gluon: dm^2/m^2 from the threshold up to a few times its momentum.
    low, high = 12.0, np.maximum(2.5 * pt[events, gluon], 14.0)
    virtual = low * (high / low) ** rng.random(len(events))
    parent = np.concatenate([np.hypot(parent[0], virtual)[None], parent[1:]])
    bottom = np.full(len(events), 4.7)
    first, second = decay(parent, bottom, np.minimum(bottom, mass(parent) - bottom), rng)
    partons, flavour = partons.copy(), flavour.copy()
    partons[:, splits, gluon[splits]] = first[:, splits]
    flavour[splits, gluon[splits]] = BOTTOM
    more = np.where(splits, second, 0.0)[:, :, None]
    return np.concatenate([partons, more], axis=2), np.concatenate(
        [flavour, np.full((len(events), 1), BOTTOM)], axis=1
    )


def _masses(low_mass: bool, number: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw masses of the lepton pair: the Z and some continuum, or the continuum below."""
    low, high = (10.0, 50.0) if low_mass else (50.0, 200.0)
    # dm/m^2 between the limits.
    continuum = 1.0 / (1.0 / low + rng.random(number) * (1.0 / high - 1.0 / low))
    if low_mass:
        return continuum
    peak = breit_wigner(Z_MASS, 2.4955, low, high, number, rng)
    return np.where(rng.random(number) < 0.04, continuum, peak)
