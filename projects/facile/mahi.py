"""CMS's classical energies of HCAL hits: Method 0, a sum of slices, and MAHI, a fit of pulses.

MAHI minimises chi^2 of the charges above pedestal over non-negative amplitudes of pulses that begin in
several crossings, and of a flat pedestal. The covariance includes the noise and the effect of the pulses'
timing on their shape, which grows with the amplitudes; so covariance and amplitudes are updated in turn. If a
single pulse explains the slices, no other is fitted. Written from published descriptions of the method. The
file travels with registered models, joined with `projects.facile.pulse` and `projects.facile.noise`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from projects.facile.noise import covariance
from projects.facile.pulse import SIGNAL, SLICES, distortions, template

__all__ = [
    "COLUMNS",
    "CONTAINED",
    "WINDOW",
    "answers",
    "fit",
    "load",
    "method_0",
    "nnls",
    "pulses",
]

#: Columns that both methods use.
COLUMNS = ("raw", "ped", "inNoiseADC", "inNoisePhoto", "inPedAvg", "lambda", "darkCurrent", "gain")
#: Slices that Method 0 sums, and the share of a pulse in them.
WINDOW = slice(SIGNAL, SIGNAL + 2)
CONTAINED = float(template()[WINDOW].sum())
#: Spread of arrival times that the fit allows, ns.
_TIMING = 2.5
#: Largest number of iterations of covariance and amplitudes, and the change of chi^2 at which they stop.
_TURNS, _SETTLED = 20, 1e-3
#: A hit whose single pulse has at most this chi^2 is fitted with that pulse only.
_SWITCH = 15.0


def method_0(charge: NDArray[np.floating], gain: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return energies in GeV, (n,): the charge above pedestal, (n, 8), in two slices, times the gain."""
    return charge[:, WINDOW].sum(axis=1) / CONTAINED * gain


def pulses(crossings: tuple[int, ...]) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the columns of the fit and their changes by timing.

    Returns
    -------
    shapes : ndarray, shape (8, pulses + 1)
        Templates of the crossings, the triggered one first, and the flat pedestal.
    changes : ndarray, shape (pulses, 2, 8)
        See `projects.facile.pulse.distortions`.
    """
    order = sorted(crossings, key=abs)
    shapes = [template(0.0, crossing) for crossing in order]
    changes = [distortions(_TIMING, crossing) for crossing in order]
    return np.stack([*shapes, np.ones(SLICES)], axis=1), np.stack(changes)


@njit(cache=True, error_model="numpy")
def _cholesky(a: NDArray, lower: NDArray, n: int) -> None:
    """Write L with a = L L^T into the first n rows and columns of `lower`."""
    for i in range(n):
        for j in range(i + 1):
            rest = a[i, j]
            for k in range(j):
                rest -= lower[i, k] * lower[j, k]
            # A column that depends on others gives a zero; its amplitude is then almost fixed.
            lower[i, j] = np.sqrt(max(rest, 1e-12 * a[i, i])) if i == j else rest / lower[j, j]


@njit(cache=True, error_model="numpy")
def _forward(lower: NDArray, b: NDArray, x: NDArray, n: int) -> None:
    """Solve L x = b."""
    for i in range(n):
        rest = b[i]
        for k in range(i):
            rest -= lower[i, k] * x[k]
        x[i] = rest / lower[i, i]


@njit(cache=True, error_model="numpy")
def _backward(lower: NDArray, b: NDArray, x: NDArray, n: int) -> None:
    """Solve L^T x = b; both may be one array."""
    for i in range(n - 1, -1, -1):
        rest = b[i]
        for k in range(i + 1, n):
            rest -= lower[k, i] * x[k]
        x[i] = rest / lower[i, i]


@njit(cache=True, error_model="numpy")
def _gather(a: NDArray, selection: NDArray, indices: NDArray, part: NDArray) -> int:
    """Write the selected rows and columns of a matrix, and their indices; return their number."""
    n = 0
    for j in range(len(selection)):
        if selection[j]:
            indices[n] = j
            n += 1
    for i in range(n):
        for j in range(n):
            part[i, j] = a[indices[i], indices[j]]
    return n


@njit(cache=True, error_model="numpy")
def nnls(a: NDArray, b: NDArray) -> NDArray:
    """Minimise abs(A x - y) over non-negative x, given a = A^T A, shape (m, m), and b = A^T y.

    Lawson and Hanson's active set: the variable with the largest gradient becomes free; if a free variable
    would become negative, the step ends at the first zero.
    """
    m = len(b)
    x, step = np.zeros(m), np.zeros(m)
    part, lower = np.zeros((m, m)), np.zeros((m, m))
    free, indices = np.zeros(m, dtype=np.bool_), np.zeros(m, dtype=np.int64)
    least = 1e-9 * np.max(np.abs(b))
    for _ in range(3 * m):
        largest, candidate = least, -1
        for j in range(m):
            gradient = b[j]
            for k in range(m):
                gradient -= a[j, k] * x[k]
            if not free[j] and gradient > largest:
                largest, candidate = gradient, j
        if candidate < 0:
            break
        free[candidate] = True
        stop = candidate
        while stop >= 0:
            n = _gather(a, free, indices, part)
            for i in range(n):
                step[i] = b[indices[i]]
            _cholesky(part, lower, n)
            _forward(lower, step, step, n)
            _backward(lower, step, step, n)
            share, stop = 1.0, -1
            for i in range(n):
                old = x[indices[i]]
                if step[i] <= 0.0 and old <= share * (old - step[i]):
                    share, stop = old / (old - step[i]) if old > 0.0 else 0.0, indices[i]
            for i in range(n):
                x[indices[i]] += share * (step[i] - x[indices[i]])
            if stop >= 0:
                x[stop] = 0.0
                free[stop] = False
    return x


@njit(cache=True, error_model="numpy")
def fit(
    charge: NDArray, noise: NDArray, shapes: NDArray, changes: NDArray
) -> tuple[NDArray, NDArray, NDArray]:
    """Fit amplitudes of pulses in hits.

    Parameters
    ----------
    charge : ndarray, shape (n, 8)
        Charge above pedestal, fC.
    noise : ndarray, shape (n, 8, 8)
        See `projects.facile.noise.covariance`.
    shapes, changes : ndarray
        See `pulses`; the pedestal's column is optional.

    Returns
    -------
    amplitudes : ndarray, shape (n, pulses + 1)
        fC; NaN if the covariance allows no fit.
    chi2 : ndarray, shape (n,)
    error : ndarray, shape (n,)
        Error of the first amplitude, fC; NaN if that is zero.
    """
    n, parameters = len(charge), shapes.shape[1]
    amplitudes, chi2, error = np.zeros((n, parameters)), np.zeros(n), np.full(n, np.nan)
    spread, lower = np.zeros((SLICES, SLICES)), np.zeros((SLICES, SLICES))
    white, residual = np.zeros((parameters, SLICES)), np.zeros(SLICES)
    square, right = np.zeros((parameters, parameters)), np.zeros(parameters)
    part, root, unit = (
        np.zeros((parameters, parameters)),
        np.zeros((parameters, parameters)),
        np.zeros(parameters),
    )
    indices = np.zeros(parameters, dtype=np.int64)
    for event in range(n):
        amplitude = np.zeros(parameters)
        last = np.inf
        for _ in range(_TURNS):
            spread[:] = noise[event]
            for p in range(len(changes)):
                if amplitude[p] > 0.0:
                    weight = 0.5 * amplitude[p] ** 2
                    for i in range(SLICES):
                        for j in range(i + 1):
                            spread[i, j] += weight * (
                                changes[p, 0, i] * changes[p, 0, j] + changes[p, 1, i] * changes[p, 1, j]
                            )
            _cholesky(spread, lower, SLICES)
            _forward(lower, charge[event], residual, SLICES)
            for p in range(parameters):
                _forward(lower, shapes[:, p], white[p], SLICES)
            for p in range(parameters):
                right[p] = np.sum(white[p] * residual)
                for q in range(p + 1):
                    square[p, q] = square[q, p] = np.sum(white[p] * white[q])
            amplitude = nnls(square, right)
            for p in range(parameters):
                residual -= white[p] * amplitude[p]
            chi2[event] = np.sum(residual**2)
            if abs(chi2[event] - last) < _SETTLED:
                break
            last = chi2[event]
        amplitudes[event] = amplitude if np.isfinite(chi2[event]) else np.full(parameters, np.nan)
        if amplitude[0] > 0.0:
            n = _gather(square, amplitude > 0.0, indices, part)  # the triggered pulse is the first
            _cholesky(part, root, n)
            unit[1:] = 0.0
            unit[0] = 1.0
            _forward(root, unit, unit, n)
            error[event] = np.sqrt(np.sum(unit[:n] ** 2))
    return amplitudes, chi2, error


def answers(
    method: str, crossings: tuple[int, ...], columns: Mapping[str, Any]
) -> dict[str, NDArray[np.floating]]:
    """Compute the energy of every hit, GeV.

    Parameters
    ----------
    method : {"m0", "mahi"}
    crossings : tuple of int
        Crossings in which pulses may begin, for MAHI.
    columns : mapping of str to array
        `COLUMNS`.
    """
    charge = np.asarray(columns["raw"], dtype=np.float64) - np.asarray(columns["ped"], dtype=np.float64)
    gain = np.asarray(columns["gain"], dtype=np.float64)
    if method == "m0":
        return {"energy": method_0(charge, gain)}
    noise, (shapes, changes) = covariance(columns), pulses(crossings)
    amplitudes, chi2, _ = fit(charge, noise, shapes[:, :1].copy(), changes[:1])
    amplitude = amplitudes[:, 0]
    multiple = chi2 > _SWITCH
    amplitude[multiple] = fit(charge[multiple], noise[multiple], shapes, changes)[0][:, 0]
    return {"energy": amplitude * gain}


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """Load a function from `COLUMNS` to predictions; ``method.json`` contains the method."""
    facts = json.loads(Path(files["method.json"]).read_text())
    return lambda columns: answers(facts["method"], tuple(facts["crossings"]), columns)
