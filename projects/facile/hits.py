"""Checks of hit columns that are used in denominators and logarithms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["positive"]


def positive(sample: Sample, name: str) -> NDArray[np.float64]:
    """Return a flat column after checking that it is positive.

    Raises
    ------
    BadInput
        For a value that is not above zero.
    """
    values = np.asarray(sample[name], dtype=np.float64)
    wrong = values <= 0.0
    if wrong.any():
        raise BadInput(
            f"{sample.source}: {name}={values[wrong][0]:g} in {np.count_nonzero(wrong)} of {len(values)} "
            "hits; it must be above 0: remove such hits"
        )
    return values
