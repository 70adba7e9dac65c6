"""Noise of the slices as in CMS's reconstruction; travels with registered models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.facile.pulse import SLICE, SLICES

__all__ = ["CORRELATION", "PER_ELECTRON", "covariance", "photo_noise"]

#: Charge of a photo-electron, fC.
PER_ELECTRON = 57.5
#: Correlation of the pedestal's noise in neighbouring slices.
CORRELATION = 0.26


def photo_noise(charge: NDArray[np.floating], width: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the photo-electron noise in fC of charges above pedestal; none within the pedestal's width."""
    return np.where(charge > width, np.sqrt(np.maximum(charge, 0.0) * PER_ELECTRON), 0.0)


def covariance(columns: Mapping[str, Any]) -> NDArray[np.floating]:
    """Return the covariance in fC^2 of the slices of hits whose pulses are on time, shape (n, 8, 8).

    On the diagonal the steps of QIE11, photo-electrons, the pedestal's width, and the dark current's
    electrons with their cross-talk; next to it the share of the width that neighbours have in common; and
    everywhere the width again, which is the uncertainty of the pedestal.

    Parameters
    ----------
    columns : mapping of str to array
        ``inNoiseADC``, ``inNoisePhoto``, ``inPedAvg``, ``lambda`` and ``darkCurrent``.
    """
    step, photo, pedestal, crosstalk, current = (
        np.asarray(columns[name], dtype=np.float64)
        for name in ("inNoiseADC", "inNoisePhoto", "inPedAvg", "lambda", "darkCurrent")
    )
    dark = current * SLICE * PER_ELECTRON / (1.0 - crosstalk) ** 3
    variance = step**2 + photo**2 + (dark + pedestal)[:, None]
    beside = CORRELATION * (np.eye(SLICES, k=1) + np.eye(SLICES, k=-1)) + 1.0
    return variance[:, :, None] * np.eye(SLICES) + pedestal[:, None, None] * beside
