"""The pulse that a deposit of charge leaves in the time slices; travels with registered models.

It is known by its integral: the share of the charge that has come after a time, a monotone curve through the
shares of the slices. So it can be shifted by any time and the slices still add up.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import PchipInterpolator

__all__ = ["FRACTIONS", "SIGNAL", "SLICE", "SLICES", "distortions", "template"]

#: Time slices of a hit, the one in which the triggered crossing begins, and their length in ns.
SLICES, SIGNAL, SLICE = 8, 3, 25.0
#: Charge of a barrel pulse in its slices, from the mean slices of the original study's sample.
FRACTIONS = (0.594, 0.284, 0.080, 0.029, 0.013)
#: When the pulse starts in its first slice, ns: light must come from the tile, so not at once.
_START = 5.0

_ARRIVED = PchipInterpolator(
    [_START, *(SLICE * np.arange(1, len(FRACTIONS) + 1))], np.concatenate([[0.0], np.cumsum(FRACTIONS)])
)
_END = SLICE * len(FRACTIONS)


def template(delay: ArrayLike = 0.0, crossing: int = 0) -> NDArray[np.floating]:
    """Share of the charge in each slice, shape (..., 8).

    Parameters
    ----------
    delay : array_like, shape (...)
        Of the pulse in ns, positive for a late one.
    crossing : int
        Bunch crossings after the triggered one.
    """
    edges = SLICE * (np.arange(SLICES + 1) - SIGNAL - crossing)
    times = edges - np.asarray(delay, dtype=np.float64)[..., None]
    return np.diff(_ARRIVED(np.clip(times, _START, _END)), axis=-1)


def distortions(spread: float, crossing: int = 0) -> NDArray[np.floating]:
    """How the template changes when it comes `spread` ns late, and as much early, shape (2, 8)."""
    return template(np.array([spread, -spread]), crossing) - template(0.0, crossing)
