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

#: Columns that a correction sees; of the electron it only needs to say what MM^2 becomes.
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
    """Published correction dp in GeV for momenta in GeV and polar angles in rad, shape (n,)."""
    t = np.degrees(theta)
    angle = np.stack([np.ones_like(t), t, t * t])
    momentum = np.where(central, p, 1.0 / p)
    found = [
        np.einsum("cn,cn->n", np.array(table) @ angle, np.stack([np.ones_like(p), momentum, momentum**2]))
        for table in (_FORWARD, _BARREL_FIT)
    ]
    return np.where(central, found[1], found[0])


def powers() -> list[tuple[int, ...]]:
    """Exponents of 1/p, theta and phi in the polynomial's terms."""
    return [one for one in product(range(_DEGREE + 1), repeat=3) if sum(one) <= _DEGREE]


def terms(p: NDArray, theta: NDArray, phi: NDArray) -> NDArray[np.floating]:
    """The polynomial's terms, shape (n, 20)."""
    bases = (1.0 / p, theta, phi)
    return np.stack(
        [np.prod([base**n for base, n in zip(bases, one, strict=True)], axis=0) for one in powers()], axis=1
    )


def polynomial(
    coefficients: Mapping[str, Any], p: NDArray, theta: NDArray, phi: NDArray, central: NDArray[np.bool_]
) -> NDArray[np.floating]:
    """dp in GeV from the coefficients of both detectors, ``forward`` and ``central``."""
    found = terms(p, theta, phi)
    return np.where(central, found @ coefficients["central"], found @ coefficients["forward"])


def answers(
    form: str, coefficients: Mapping[str, Any], columns: Mapping[str, Any]
) -> dict[str, NDArray[np.floating]]:
    """dlogp, and dMM2 in GeV^2, of every event.

    Parameters
    ----------
    form : {"raw", "iguana", "polynomial"}
    coefficients : mapping
        Of the polynomial.
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
    dlogp = np.log1p(np.maximum(gained / p, -0.9))  # whatever a polynomial does far from where it was fitted
    return {"dlogp": dlogp, "dmm2": shift_of_missing_mass_squared(electron, proton, dlogp)}


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """A function from `COLUMNS` to predictions; ``correction.json`` says which correction it is."""
    facts = json.loads(Path(files["correction.json"]).read_text())
    return lambda columns: answers(facts["form"], facts["coefficients"], columns)
