"""Efficiency that gives simulated events the spectra of the real sample.

Among all efficiencies that give the model's spectra the required moments, this one changes them least: the
exponential of a sum of the functions whose means are prescribed (maximum entropy, E. T. Jaynes, Phys. Rev.
106 (1957) 620). `projects.clas12.simulation.moments` fits its coefficients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import polar, q_squared

__all__ = ["COEFFICIENTS", "functions", "probability"]

#: Coefficients of `functions`, printed by ``python -m projects.clas12.simulation.moments 150000
#: --calibrate``.
COEFFICIENTS: tuple[float, ...] = (
    -4.7504,
    -72.4831,
    -0.3,
    1.3068,
    12.612,
    4.0337,
    69.2958,
    -0.3516,
    0.1144,
    0.4557,
    -0.1105,
    -0.003,
    -0.0478,
    -0.0045,
)
#: Logarithm of the weight beyond which an event is always accepted, from the same calibration.
CEILING = 5.406


def functions(electron: NDArray[np.floating], proton: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the functions of the efficiency, shape (n, 14), for generated momenta of shape (n, 3).

    Logarithms of both momenta and of Q^2, both polar angles, and their squares, relative to the centre of the
    sample; first harmonics of both azimuths.
    """
    (e, theta_e, phi_e), (p, theta_p, phi_p) = polar(electron), polar(proton)
    first = np.stack(
        [np.log(e) - 1.71, theta_e - 0.258, np.log(p), theta_p - 0.485, np.log(q_squared(electron)) - 1.26]
    )
    harmonics = np.stack([np.sin(phi_e), np.cos(phi_e), np.sin(phi_p), np.cos(phi_p)])
    return np.concatenate([first, first**2, harmonics]).T


def probability(
    electron: NDArray[np.floating], proton: NDArray[np.floating], weight: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the probability that events of the generator's `weight` enter the sample, shape (n,)."""
    logarithm = np.log(weight) + functions(electron, proton) @ np.array(COEFFICIENTS) - CEILING
    return np.exp(np.minimum(logarithm, 0.0))
