"""QIE11, the charge integrator and encoder of CMS's HCAL: 8-bit floating-point codes of charges.

Two bits are the range, six the mantissa. A range has four sub-ranges, whose steps grow by two each, and every
range repeats the previous one with steps eight times as large, so that the step is always about 1 % of a
large charge. Nominal values of QIE10 and QIE11: 16, 20, 21 and 7 codes in the sub-ranges, the smallest step
3.1 fC. On the chip neighbouring ranges overlap slightly, here they join.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["EDGES", "LSB", "charge", "code", "noise", "step"]

#: Smallest step, fC.
LSB = 3.1
#: Codes of the sub-ranges of a range; their steps are 1, 2, 4 and 8 of the range's smallest.
_CODES = (16, 20, 21, 7)
_RANGES = 4

_MANTISSA = np.repeat([1.0, 2.0, 4.0, 8.0], _CODES)
#: Steps of the 256 codes, and their edges, fC.
_STEPS = LSB * np.concatenate([8.0**exponent * _MANTISSA for exponent in range(_RANGES)])
EDGES = np.concatenate([[0.0], np.cumsum(_STEPS)])


def code(charges: ArrayLike) -> NDArray[np.int64]:
    """Return codes 0 to 255 of charges in fC, any shape; the last code at either end for those beyond."""
    return np.clip(np.searchsorted(EDGES, charges, side="right") - 1, 0, len(_STEPS) - 1)


def charge(codes: ArrayLike) -> NDArray[np.floating]:
    """Return the charges in fC of codes: the middle of their steps."""
    return (EDGES[:-1] + 0.5 * _STEPS)[np.asarray(codes)]


def step(codes: ArrayLike) -> NDArray[np.floating]:
    """Return the charge in fC between the edges of codes."""
    return _STEPS[np.asarray(codes)]


def noise(codes: ArrayLike) -> NDArray[np.floating]:
    """Return the standard deviation in fC of a charge that is uniform in the step of its code."""
    return step(codes) / np.sqrt(12.0)
