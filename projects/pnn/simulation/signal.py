"""The signal at parton level: X -> HH -> bb ZZ* -> bb ll qq as a sequence of isotropic decays into two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from projects.pnn.simulation.background import radiation
from projects.pnn.simulation.candidates import Z_MASS
from projects.pnn.simulation.detector import BOTTOM, CHARM, LIGHT
from projects.pnn.simulation.kinematics import Vectors, breit_wigner, decay

__all__ = ["EXPECTED", "HIGGS_MASS", "signal"]

HIGGS_MASS, B_MASS = 125.09, 4.7
#: Width of the Z in GeV, and its decays to charm, bottom and lighter quarks (Particle Data Group 2024).
Z_WIDTH, Z_SHARES = 2.4955, {CHARM: 0.172, BOTTOM: 0.216}
#: Centre-of-mass energy of the beams, GeV.
_ENERGY = 13_000.0
#: X -> HH -> bb ZZ -> bb ll qq of 1 pb in 35.9 /fb: 2 x 0.582 x 0.0262 x 2 x 0.0673 x 0.699 (e and mu) of
#: them, for any mass.
EXPECTED = 35_900.0 * 2 * 0.582 * 0.0262 * 2 * 0.0673 * 0.699


def signal(
    masses: NDArray[np.floating], rng: np.random.Generator
) -> tuple[Vectors, Vectors, NDArray[np.integer]]:
    """Simulate leptons and partons of one event for each mass.

    Spins are ignored: a scalar has none, and the angles within H -> ZZ* have little effect behind the
    detector.

    Parameters
    ----------
    masses : ndarray, shape (events,)
        Mass of X, GeV; its width is narrow.
    rng : numpy.random.Generator

    Returns
    -------
    leptons : ndarray, shape (4, events, 2)
    partons : ndarray, shape (4, events, n)
        Two b, two quarks of the Z, and the radiation.
    flavour : ndarray of int, shape (events, n)
    """
    number = len(masses)
    recoil, extra = radiation(number, 2.0, 30.0, 4.5, rng)
    # Heavier X are more central: both partons carry at least m^2/s.
    reach = np.log(_ENERGY / masses)
    rapidity = np.clip(0.42 * reach * rng.standard_normal(number), -reach, reach)
    recoil_momentum = (recoil * (rng.random(extra.shape) < 0.5)).sum(axis=2)
    px, py = -recoil_momentum[1], -recoil_momentum[2]
    transverse = np.sqrt(masses * masses + px * px + py * py)
    x = np.stack([transverse * np.cosh(rapidity), px, py, transverse * np.sinh(rapidity)])
    higgs = np.full(number, HIGGS_MASS)
    first, second = decay(x, higgs, higgs, rng)
    bottom = np.full(number, B_MASS)
    b1, b2 = decay(first, bottom, bottom, rng)
    on, off = _z_masses(number, rng)
    swap = rng.random(number) < 0.5
    lepton_mass, quark_mass = np.where(swap, off, on), np.where(swap, on, off)
    leptonic, hadronic = decay(second, lepton_mass, quark_mass, rng)
    nothing = np.zeros(number)
    l1, l2 = decay(leptonic, nothing, nothing, rng)
    q1, q2 = decay(hadronic, nothing, nothing, rng)
    uniform = rng.random(number)
    # Shares of hadronic decays; a Z* too light for two b quarks has none of them.
    heavy = Z_SHARES[BOTTOM] * (quark_mass > 2 * B_MASS)
    quark = np.select([uniform < heavy, uniform < heavy + Z_SHARES[CHARM]], [BOTTOM, CHARM], LIGHT)
    partons = np.concatenate([np.stack([b1, b2, q1, q2], axis=2), recoil], axis=2)
    quarks = np.stack([np.full(number, BOTTOM), np.full(number, BOTTOM), quark, quark], axis=1)
    return np.stack([l1, l2], axis=2), partons, np.concatenate([quarks, extra], axis=1)


def _z_masses(number: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw masses of the two Z in H -> ZZ*: one near its peak, the other from the matrix element.

    dGamma/dm* is proportional to m*^3 beta (beta^2 + 12 mZ^2 m*^2 / mH^4) / ((m*^2 - mZ^2)^2 + mZ^2 Gamma^2),
    W.-Y. Keung and W. J. Marciano, Phys. Rev. D 30 (1984) 248, with beta the momentum in units of mH/2.
    """
    on = breit_wigner(Z_MASS, Z_WIDTH, 60.0, 112.0, number, rng)
    grid = np.linspace(1.0, HIGGS_MASS - Z_MASS - 0.01, 400)
    total = (HIGGS_MASS**2 - (Z_MASS + grid) ** 2) * (HIGGS_MASS**2 - (Z_MASS - grid) ** 2)
    beta = np.sqrt(np.maximum(total, 0.0)) / HIGGS_MASS**2
    density = grid**3 * beta * (beta**2 + 12 * (Z_MASS * grid) ** 2 / HIGGS_MASS**4)
    density /= (grid**2 - Z_MASS**2) ** 2 + (Z_MASS * Z_WIDTH) ** 2
    cumulative = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    off = np.interp(rng.random(number), cumulative / cumulative[-1], grid)
    # The table holds for a Z on its peak; any other mass leaves a different range.
    return on, np.minimum(off * (HIGGS_MASS - on) / (HIGGS_MASS - Z_MASS), HIGGS_MASS - on - 0.01)
