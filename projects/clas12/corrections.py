"""Classical corrections of a proton's momentum: none, the published one, a polynomial.

The file travels with registered models, joined with `projects.clas12.kinematics`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import CENTRAL, momenta, polar, shift_of_missing_mass_squared

__all__ = ["COLUMNS", "answers", "iguana", "load", "polynomial", "powers", "terms"]

#: Input columns of a correction; the electron is only needed for the change of MM^2.
COLUMNS = ("ex", "ey", "ez", "px", "py", "pz", "status")
#: Highest total degree of the polynomial in 1/p, theta and phi.
_DEGREE = 3
#: iguana's coefficients for fall 2018, inbending: rows A, B, C, each quadratic in theta in degrees; forward
#: dp = A + B/p + C/p^2, central dp = A + B p + C p^2, in GeV.
_FORWARD = (
    (0.0099626, -0.0002414, -2.0e-6),
    (-0.01428267, 0.00042833, 1.081e-5),
    (0.01197102, -0.00055673, 7.85e-6),
)
_BARREL_FIT = (
    (-0.2383991, 0.0124992, -0.0001646),
    (0.60123885, -0.03128464, 0.00041314),
    (-0.44080146, 0.02209857, -0.00028224),
)


def iguana(p: NDArray, theta: NDArray, central: NDArray[np.bool_]) -> NDArray[np.floating]:
    """Return the published correction dp in GeV for momenta in GeV and polar angles in rad, shape (n,)."""
    t = np.degrees(theta)
    angle = np.stack([np.ones_like(t), t, t * t])
    momentum = np.where(central, p, 1.0 / p)
    dp = [
        np.einsum("cn,cn->n", np.array(table) @ angle, np.stack([np.ones_like(p), momentum, momentum**2]))
        for table in (_FORWARD, _BARREL_FIT)
    ]
    return np.where(central, dp[1], dp[0])


def powers() -> list[tuple[int, ...]]:
    """Return the exponents of 1/p, theta and phi in the polynomial's terms."""
    return [exponents for exponents in product(range(_DEGREE + 1), repeat=3) if sum(exponents) <= _DEGREE]


def terms(p: NDArray, theta: NDArray, phi: NDArray) -> NDArray[np.floating]:
    """Return the polynomial's terms, shape (n, 20)."""
    bases = (1.0 / p, theta, phi)
    return np.stack(
        [
            np.prod([base**n for base, n in zip(bases, exponents, strict=True)], axis=0)
            for exponents in powers()
        ],
        axis=1,
    )


def polynomial(
    coefficients: Mapping[str, Any], p: NDArray, theta: NDArray, phi: NDArray, central: NDArray[np.bool_]
) -> NDArray[np.floating]:
    """Return dp in GeV from the coefficients of both detectors, ``forward`` and ``central``."""
    basis = terms(p, theta, phi)
    return np.where(central, basis @ coefficients["central"], basis @ coefficients["forward"])


def answers(
    form: str, coefficients: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[str, NDArray[np.floating]]:
    """Predict dlogp, and dMM2 in GeV^2, of every event.

    Parameters
    ----------
    form : {"raw", "iguana", "polynomial"}
    coefficients : mapping
        Coefficients of the polynomial.
    columns : mapping of str to array
        `COLUMNS`.
    """
    electron, proton = momenta(columns, "e"), momenta(columns, "p")
    p, theta, phi = polar(proton)
    central = np.asarray(columns["status"]) >= CENTRAL
    if form == "iguana":
        gained = iguana(p, theta, central)
    elif form == "polynomial":
        gained = polynomial(coefficients, p, theta, phi, central)
    else:
        gained = np.zeros_like(p)
    dlogp = np.log1p(np.maximum(gained / p, -0.9))  # a polynomial may diverge far from its training events
    return {"dlogp": dlogp, "dmm2": shift_of_missing_mass_squared(electron, proton, dlogp)}


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """Load a function from `COLUMNS` to predictions; ``correction.json`` contains the kind of correction."""
    facts = json.loads(Path(files["correction.json"]).read_text())
    return lambda columns: answers(facts["form"], facts["coefficients"], columns)
