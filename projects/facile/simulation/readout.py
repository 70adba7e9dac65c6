"""Read-out of energies as charges: photo-electrons, pulses, noise, QIE11."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.facile.noise import CORRELATION, PER_ELECTRON
from projects.facile.pulse import SLICE, SLICES, template
from projects.facile.simulation import qie
from projects.facile.simulation.generator import CROSSINGS, Hits

__all__ = ["SAMPLING", "Digits", "digitised", "floor"]

#: Relative fluctuation of the light of a hit of 1 GeV; it falls with the root of the energy.
SAMPLING = 0.21
#: Pedestal, the code 18 of QIE11, its spread between channels and its width, 5 of the smallest steps; fC.
_PEDESTAL, _BETWEEN, _WIDTH = 65.1, 3.0, 15.5
#: Mean dark current, uA, and its relative spread between channels.
_DARK, _DARK_SPREAD = 0.055, 0.3
#: Spread of arrival times, and delay of a pulse without charge, ns; the charge that halves the delay, fC.
_JITTER, _SLEW, _SLEW_CHARGE = 1.5, 2.0, 1000.0


@dataclass(frozen=True)
class Digits:
    """Read-out of a channel; arrays of shape (n, 8) for slices, (n,) otherwise.

    Parameters
    ----------
    raw : ndarray
        Charge in fC, pedestal included, as encoded by QIE11.
    pedestal : ndarray
        Mean pedestal of each slice, fC.
    width : ndarray, shape (n,)
        Standard deviation of the pedestal, fC.
    dark_current : ndarray, shape (n,)
        uA.
    adc_noise : ndarray
        Noise of the steps of QIE11, fC.
    """

    raw: NDArray[np.floating]
    pedestal: NDArray[np.floating]
    width: NDArray[np.floating]
    dark_current: NDArray[np.floating]
    adc_noise: NDArray[np.floating]


def floor(energy: NDArray[np.floating], gain: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the relative resolution of an energy in GeV by sampling and photo-electrons only."""
    return np.sqrt((SAMPLING**2 + gain * PER_ELECTRON) / energy)


def digitised(rng: np.random.Generator, hits: Hits, pile_up: NDArray[np.floating]) -> Digits:
    """Digitise hits together with the pile-up of all crossings.

    Parameters
    ----------
    hits : Hits
    pile_up : ndarray, shape (n, crossings)
        Energies in GeV in each of `CROSSINGS`.
    """
    number = len(hits.energy)
    light = np.zeros((number, SLICES))
    for crossing, energy in [(0, hits.energy), *zip(CROSSINGS, pile_up.T, strict=True)]:
        rows = np.flatnonzero(energy)
        light[rows] += _pulses(rng, energy[rows], hits.gain[rows], crossing)
    dark_current = _DARK * rng.lognormal(-0.5 * _DARK_SPREAD**2, _DARK_SPREAD, number)
    electrons = rng.poisson((light + SLICE * dark_current[:, None]) / PER_ELECTRON)
    # Four capacitors alternate.
    capacitors = rng.normal(_PEDESTAL, _BETWEEN, (number, 4))
    pedestal = np.tile(capacitors, SLICES // 4)
    width = np.full(number, _WIDTH)
    codes = qie.code(PER_ELECTRON * electrons + pedestal + width[:, None] * _correlated(rng, number))
    return Digits(qie.charge(codes), pedestal, width, dark_current, qie.noise(codes))


def _pulses(
    rng: np.random.Generator, energy: NDArray[np.floating], gain: NDArray[np.floating], crossing: int
) -> NDArray[np.floating]:
    """Draw the mean charge in fC of deposits in one crossing, each with its own light and arrival time."""
    shape = energy / SAMPLING**2  # a gamma variate: never below zero, also where fluctuations are large
    charge = rng.standard_gamma(shape) / shape * energy / gain
    delay = _JITTER * rng.standard_normal(len(energy)) + _SLEW / (1.0 + charge / _SLEW_CHARGE)
    return charge[:, None] * template(delay, crossing)


def _correlated(rng: np.random.Generator, number: int) -> NDArray[np.floating]:
    """Draw unit noise that only neighbouring slices share, by `CORRELATION`; shape (number, 8)."""
    # A moving average of two: the product of its weights is the correlation, the sum of their squares 1.
    first, second = (
        0.5 * (np.sqrt(1.0 + 2.0 * CORRELATION) + sign * np.sqrt(1.0 - 2.0 * CORRELATION)) for sign in (1, -1)
    )
    white = rng.standard_normal((number, SLICES + 1))
    return first * white[:, 1:] + second * white[:, :-1]
