"""Resolution of residuals: Gaussian core, robust width, rms and tails, each with its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri

from tracking.statistics.widths import CENTRAL, FEWEST, WINDOW, widths

__all__ = ["TAIL", "Resolution", "resolution"]

#: Values beyond this many core sigmas are the tail.
TAIL = 3.0

_DENSITY = np.exp(-0.5 * WINDOW**2) / np.sqrt(2 * np.pi)
_CONTENT = 2 * ndtr(WINDOW) - 1
# <z^2> and var(z^2) of a Gaussian inside the window: the information on mu and on sigma per value.
_ON_MU = 1 - 2 * WINDOW * _DENSITY / _CONTENT
_ON_SIGMA = 3 * _ON_MU - 2 * WINDOW**3 * _DENSITY / _CONTENT - _ON_MU**2


@dataclass(frozen=True)
class Resolution:
    """Resolution of one set of residuals, in the unit of the residual.

    Parameters
    ----------
    n : int
        Number of finite values.
    mu, mu_err, sigma, sigma_err : float
        Centre and width of the Gaussian core, errors from the covariance of the truncated likelihood.
    chi2 : float
        Pearson chi-squared of the core in bins of equal expected content inside its window.
    ndf : int
        Number of those bins minus 3. As the parameters come from the unbinned fit, the expected chi2 lies
        between ``ndf`` and ``ndf + 2`` (Chernoff and Lehmann 1954).
    q68, q68_err : float
        Half of the interval that holds the central 68.3 %, and its asymptotic error.
    rms : float
        Standard deviation of all finite values.
    tail, tail_err : float
        Fraction beyond 3 core sigmas of the core's centre (0.0027 for a Gaussian), with its binomial error.
    reason : str
        Reason for numbers that are NaN; empty if all are finite.
    """

    n: int
    mu: float = np.nan
    mu_err: float = np.nan
    sigma: float = np.nan
    sigma_err: float = np.nan
    chi2: float = np.nan
    ndf: int = 0
    q68: float = np.nan
    q68_err: float = np.nan
    rms: float = np.nan
    tail: float = np.nan
    tail_err: float = np.nan
    reason: str = ""


def resolution(values: ArrayLike) -> Resolution:
    """Measure the resolution of residuals of any shape, ignoring NaN and infinities.

    Parameters
    ----------
    values : array_like
        Residuals in one unit.

    Returns
    -------
    Resolution
        NaN with a reason if the values cannot be fitted; no exception is raised.
    """
    flat = np.asarray(values, dtype=np.float64).ravel()
    ordered = np.sort(flat[np.isfinite(flat)])
    n = len(ordered)
    if n == 0:
        return Resolution(0, reason="no finite value")
    if n < FEWEST:
        return Resolution(n, reason=f"{n} finite values, a fit needs {FEWEST}")
    if ordered[0] == ordered[-1]:
        return Resolution(n, rms=0.0, reason=f"all {n} values are equal")
    # Divided before squaring: a diverged fit may predict 1e200.
    largest = np.abs(ordered).max()
    rms = float(np.std(ordered / largest) * largest)
    fitted = widths(ordered, np.ones((1, n), dtype=np.uint8))
    mu, sigma, core, q68 = (float(a[0]) for a in (fitted.mu, fitted.sigma, fitted.n, fitted.q68))
    q68_err = _q68_error(ordered)
    if not np.isfinite(sigma):
        return Resolution(
            n, q68=q68, q68_err=q68_err, rms=rms, reason="no Gaussian core: too many equal values"
        )
    chi2, ndf = _chi_squared(ordered, mu, sigma)
    tail = float(np.mean(np.abs(ordered - mu) > TAIL * sigma))
    return Resolution(
        n=n,
        mu=mu,
        mu_err=float(sigma / np.sqrt(core * _ON_MU)),
        sigma=sigma,
        sigma_err=float(sigma / np.sqrt(core * _ON_SIGMA)),
        chi2=chi2,
        ndf=ndf,
        q68=q68,
        q68_err=q68_err,
        rms=rms,
        tail=tail,
        # Wilson's half-width: unlike sqrt(p(1-p)/n) it is not zero when no value lies in the tail.
        tail_err=float(np.sqrt(tail * (1 - tail) / n + 0.25 / n**2) / (1 + 1 / n)),
    )


def _q68_error(ordered: NDArray[np.floating]) -> float:
    """Estimate the error of q68 from the density at its two quantiles (bandwidth: Hall and Sheather 1988)."""
    n, p = len(ordered), (1 - CENTRAL) / 2
    at = ndtri(p)
    density = np.exp(-0.5 * at**2) / np.sqrt(2 * np.pi)
    bandwidth = (1.5 * ndtri(0.975) ** 2 * density**2 / ((2 * at**2 + 1) * n)) ** (1 / 3)
    bandwidth = min(bandwidth, 0.9 * p)
    below, above = (
        np.subtract(*np.quantile(ordered, (q + bandwidth, q - bandwidth))) / (2 * bandwidth)
        for q in (p, 1 - p)
    )
    variance = (p * (1 - p) * (below**2 + above**2) - 2 * p**2 * below * above) / n
    return float(np.sqrt(variance) / 2)


def _chi_squared(ordered: NDArray[np.floating], mu: float, sigma: float) -> tuple[float, int]:
    begin, end = mu - WINDOW * sigma, mu + WINDOW * sigma
    core = ordered[(ordered >= begin) & (ordered <= end)]
    bins = int(np.clip(len(core) // 20, 4, 40))
    inner = mu + sigma * ndtri(ndtr(-WINDOW) + _CONTENT * np.arange(1, bins) / bins)
    observed = np.diff(np.concatenate([[0], np.searchsorted(core, inner), [len(core)]]))
    expected = len(core) / bins
    return float(np.sum((observed - expected) ** 2) / expected), bins - 3
