"""Pulse of a charge deposit in the time slices; travels with registered models.

It is defined by its integral: the share of the charge that has arrived by a time, a monotone curve through
the shares of the slices. It can therefore be shifted by any time while the slices still add up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

__all__ = ["FRACTIONS", "SIGNAL", "SLICE", "SLICES", "distortions", "template"]

#: Time slices of a hit, the slice in which the triggered crossing begins, and their length in ns.
SLICES, SIGNAL, SLICE = 8, 3, 25.0
#: Charge of a barrel pulse in its slices, from the mean slices of the original study's sample.
FRACTIONS = (0.594, 0.284, 0.080, 0.029, 0.013)
#: Start of the pulse in its first slice, ns: light first travels from the tile.
_START = 5.0

_ARRIVED = PchipInterpolator(
    [_START, *(SLICE * np.arange(1, len(FRACTIONS) + 1))], np.concatenate([[0.0], np.cumsum(FRACTIONS)])
)
_END = SLICE * len(FRACTIONS)


def template(delay: ArrayLike = 0.0, crossing: int = 0) -> NDArray[np.floating]:
    """Return the share of the charge in each slice, shape (..., 8).

    Parameters
    ----------
    delay : array_like, shape (...)
        Delay of the pulse in ns, positive for a late one.
    crossing : int
        Bunch crossings after the triggered one.
    """
    edges = SLICE * (np.arange(SLICES + 1) - SIGNAL - crossing)
    times = edges - np.asarray(delay, dtype=np.float64)[..., None]
    return np.diff(_ARRIVED(np.clip(times, _START, _END)), axis=-1)


def distortions(spread: float, crossing: int = 0) -> NDArray[np.floating]:
    """Return the template's changes for a delay of `spread` ns, and for the same advance, shape (2, 8)."""
    return template(np.array([spread, -spread]), crossing) - template(0.0, crossing)
