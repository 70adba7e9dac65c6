"""Resolution against energy: sigma(E) = a/sqrt(E) (+) b/E (+) c, (+) the sum in quadrature.

In the squares A = a^2, B = b^2, C = c^2 the variance A/E + B/E^2 + C is linear, so least squares on the
variances has an exact solution with A, B and C not negative. With so few terms the constrained minimum is
found by trying every set of free terms while the others are zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from shashlik.statistics import Residuals, resolution

__all__ = ["EDGES", "TERMS", "EnergyTerms", "Points", "fit", "points"]

#: Names of a, b and c.
TERMS = ("stochastic", "noise", "constant")
#: Bins of the true energy, GeV.
EDGES = tuple(float(edge) for edge in np.geomspace(2.0, 200.0, 13))
#: Fewest residuals of a bin, which give its width to some 7 %.
_FEWEST = 100


@dataclass(frozen=True)
class Points:
    """Widths in bins of energy.

    Parameters
    ----------
    inverse, inverse2 : ndarray, shape (bins,)
        Mean of 1/E (1/GeV) and of 1/E^2 in each bin: the variance of a bin follows from its mean powers.
    sigma, error : ndarray, shape (bins,)
        Core width and its error, in the unit of the quantity.
    """

    inverse: NDArray[np.float64]
    inverse2: NDArray[np.float64]
    sigma: NDArray[np.float64]
    error: NDArray[np.float64]


@dataclass(frozen=True)
class EnergyTerms:
    """The fitted terms, in the unit of the quantity times GeV^(1/2), GeV and 1.

    Parameters
    ----------
    values, errors : ndarray, shape (3,)
        a, b, c. A term at its limit is 0; its error is the value at which chi2, minimised over the other
        terms, has risen by 1.
    covariance : ndarray, shape (3, 3)
        Covariance of the terms that are not at their limit; 0 for the others.
    limited : ndarray of bool, shape (3,)
        Terms at their limit.
    chi2 : float
    ndf : int
        Bins less free terms.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    covariance: NDArray[np.float64]
    limited: NDArray[np.bool_]
    chi2: float
    ndf: int

    def __call__(self, energy: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the width at the given energies (GeV)."""
        a, b, c = self.values
        return np.sqrt(a**2 / energy + b**2 / energy**2 + c**2)


def points(residuals: Residuals, quantity: str) -> Points:
    """Return core widths of `quantity` in bins of the variable ``energy``; omit bins with few photons."""
    energy = residuals.variables["energy"].ravel()
    values = residuals.values[quantity].ravel()
    rows = []
    for low, high in pairwise(EDGES):
        inside = (energy >= low) & (energy < high) & np.isfinite(values)
        core = resolution(values[inside])
        if inside.sum() >= _FEWEST and core.sigma > 0 and core.sigma_err > 0:
            inverse = 1.0 / energy[inside]
            rows.append((inverse.mean(), np.square(inverse).mean(), core.sigma, core.sigma_err))
    return Points(*np.array(rows, dtype=float).reshape(-1, 4).T)


def fit(measured: Points) -> EnergyTerms | None:
    """Fit the three terms by least squares; return None if there are fewer bins than terms.

    Notes
    -----
    The error of a variance sigma^2 is 2 sigma times that of sigma. Errors of the terms follow from those of
    their squares, a = sqrt(A).
    """
    if len(measured.sigma) < len(TERMS):
        return None
    weight = 1.0 / (2.0 * measured.sigma * measured.error)
    design = np.stack([measured.inverse, measured.inverse2, np.ones_like(measured.sigma)], axis=1)
    design = design * weight[:, None]
    variances = np.square(measured.sigma) * weight
    # Equal column norms, so that the normal equations are well conditioned.
    scale = 1.0 / np.linalg.norm(design, axis=0)
    squares, chi2 = _smallest(design * scale, variances)
    free = squares > 0
    covariance = np.zeros((3, 3))
    submatrix = (design * scale)[:, free]
    covariance[np.ix_(free, free)] = np.linalg.inv(submatrix.T @ submatrix)
    values = np.sqrt(squares * scale)
    slope = np.where(free, scale / (2.0 * np.where(free, values, 1.0)), 0.0)
    covariance *= slope[:, None] * slope
    errors = np.sqrt(np.diag(covariance))
    for term in np.flatnonzero(~free):
        errors[term] = np.sqrt(_rise(design * scale, variances, int(term), chi2) * scale[term])
    return EnergyTerms(values, errors, covariance, ~free, chi2, len(variances) - int(free.sum()))


def _smallest(
    design: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Return the non-negative coefficients (terms,) of the smallest chi2, and that chi2."""
    terms = design.shape[1]
    best, least = np.zeros(terms), float(variances @ variances)
    for number in range(1, terms + 1):
        for subset in combinations(range(terms), number):
            squares = np.linalg.lstsq(design[:, subset], variances, rcond=None)[0]
            chi2 = float(np.square(design[:, subset] @ squares - variances).sum())
            if (squares > 0).all() and chi2 < least:
                best, least = np.zeros(terms), chi2
                best[list(subset)] = squares
    return best, least


def _rise(design: NDArray[np.float64], variances: NDArray[np.float64], term: int, least: float) -> float:
    """Return the coefficient of `term` at which chi2 has risen by 1, with the other terms refitted."""
    remainder = np.delete(design, term, axis=1)

    def above(value: float) -> float:
        return _smallest(remainder, variances - value * design[:, term])[1] - least - 1.0

    # With at least this curvature, a parabola reaches the rise by here.
    high = 1.0
    while above(high) < 0:
        high *= 2.0
    return float(brentq(above, 0.0, high))
