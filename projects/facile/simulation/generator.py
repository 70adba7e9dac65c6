"""Hits of charged pions in the towers of HCAL, and the pile-up in the same towers.

The spectra are tuned by hand to the moments of the slices, see `projects.facile.simulation.moments`: a power
law for the energies of a pion's hits, a compound Poisson process for pile-up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["CROSSINGS", "LAST_BARREL", "LEAST", "Hits", "hits", "pile_up"]

#: Edges in pseudorapidity of the towers abs(ieta) = 1 to 29.
_TOWERS = np.array([*(0.087 * np.arange(21)), 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.853, 3.0])
#: The last tower of the barrel.
LAST_BARREL = 16
#: Share of hits in the depths of barrel and endcap.
_DEPTHS = ((0.31, 0.30, 0.23, 0.16), (0.27, 0.29, 0.18, 0.12, 0.09, 0.04, 0.01))
#: Gains in barrel and endcap, GeV/fC: of most channels, of the others, whose share follows, and the relative
#: spread within both groups.
_GAINS = ((4.85e-4, 8.5e-4, 0.18, 0.2), (4.65e-4, 1.75e-3, 0.2, 0.15))
#: Smallest energy of a hit, GeV, and the power with which the spectrum falls up to the pion's energy.
LEAST, _POWER = 0.2, 1.4
#: Transverse momenta, the highest momentum, GeV, and interactions in a crossing.
_TRANSVERSE, _MOMENTUM, _INTERACTIONS = (1.0, 100.0), 220.0, (30.0, 110.0)

#: Crossings with simulated pile-up. The original sample has no more: its last slice is too low for it.
CROSSINGS = range(-3, 4)
#: Pile-up hits of a tower for one interaction, and their mean energy in GeV, at the end of the barrel. The
#: energies are gamma distributed.
_OCCUPANCY, _SOFT, _SHAPE = 8.0e-3, 0.42, 0.3
#: Growth of both with pseudorapidity.
_MORE, _HARDER = 1.1, 1.1


@dataclass(frozen=True)
class Hits:
    """Hits of pions; every array has shape (n,).

    Parameters
    ----------
    ieta, iphi, depth : ndarray of int
        The tower, and its read-out layer.
    pt : ndarray
        Transverse momentum of the pion, GeV.
    energy : ndarray
        Energy of the hit, GeV.
    gain : ndarray
        Energy per charge in the tower, GeV/fC.
    interactions : ndarray
        Mean number of interactions in a crossing.
    """

    ieta: NDArray[np.int64]
    iphi: NDArray[np.int64]
    depth: NDArray[np.int64]
    pt: NDArray[np.floating]
    energy: NDArray[np.floating]
    gain: NDArray[np.floating]
    interactions: NDArray[np.floating]


def hits(rng: np.random.Generator, number: int) -> Hits:
    """Draw hits of pions of uniform transverse momentum and pseudorapidity."""
    eta = rng.uniform(0.0, _TOWERS[-1], number)
    tower = np.searchsorted(_TOWERS, eta, side="right")
    endcap = tower > LAST_BARREL
    pt = rng.uniform(_TRANSVERSE[0], np.minimum(_TRANSVERSE[1], _MOMENTUM / np.cosh(eta)))
    depth, gain = np.empty(number, dtype=np.int64), np.empty(number)
    for rows, shares, (most, others, share, spread) in zip((~endcap, endcap), _DEPTHS, _GAINS, strict=True):
        some = np.count_nonzero(rows)
        depth[rows] = rng.choice(len(shares), some, p=shares) + 1
        gain[rows] = np.where(rng.random(some) < share, others, most) * rng.lognormal(0.0, spread, some)
    low, high = (np.power(limit, 1.0 - _POWER) for limit in (LEAST, pt * np.cosh(eta)))
    return Hits(
        ieta=np.where(rng.random(number) < 0.5, -tower, tower),
        iphi=rng.integers(1, 73, number),
        depth=depth,
        pt=pt,
        energy=np.power(low + rng.random(number) * (high - low), 1.0 / (1.0 - _POWER)),
        gain=gain,
        interactions=rng.uniform(*_INTERACTIONS, number),
    )


def pile_up(rng: np.random.Generator, tower: Hits) -> NDArray[np.floating]:
    """Draw the energies in GeV that the interactions of each of `CROSSINGS` deposit, shape (n, crossings).

    Towers further forward have more hits of higher energy; layers further back have fewer. A sum of gamma
    variates is a gamma variate, so only the number of hits must be drawn in addition.
    """
    eta = _TOWERS[np.abs(tower.ieta)] - _TOWERS[LAST_BARREL]
    occupancy = _OCCUPANCY * np.exp(_MORE * eta - (tower.depth - 1) / 3.0)
    number = rng.poisson((occupancy * tower.interactions)[:, None], (len(eta), len(CROSSINGS)))
    energy = _SOFT * np.exp(_HARDER * eta)
    return rng.standard_gamma(_SHAPE * number) / _SHAPE * energy[:, None]
