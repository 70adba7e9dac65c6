"""Residuals of one estimator on one sample, event by event: the input of every statistic.

Rows are events; the second axis holds the objects of an event (two for a photon pair, one for a proton). The
bootstrap draws rows, so that objects of one event stay together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Binning", "Quantity", "Residuals"]


@dataclass(frozen=True)
class Quantity:
    """Evaluated quantity, for example the x position of a photon.

    Parameters
    ----------
    name : str
        Short name used in metric keys, ``network/x/sigma``.
    unit : str
        Unit of the residual; empty for a relative one.
    label : str
        Matplotlib text of the residual, e.g. ``"$x - x_{true}$"``.
    wish : float or None
        Target resolution, drawn as a line and checked by the gate.
    """

    name: str
    unit: str
    label: str
    wish: float | None = None


@dataclass(frozen=True)
class Binning:
    """Bins of a true variable in which the resolution is evaluated.

    Parameters
    ----------
    name : str
        Key of the variable in `Residuals.variables`.
    unit : str
        Unit of the edges.
    label : str
        Matplotlib text of the axis.
    edges : tuple of float
        Increasing bin edges; a bin contains its lower edge.
    log : bool
        Whether the axis is drawn logarithmically.
    """

    name: str
    unit: str
    label: str
    edges: tuple[float, ...]
    log: bool = False


@dataclass(frozen=True)
class Residuals:
    """Residuals of one estimator on every object of every event.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (events, objects)
        Prediction minus truth per quantity (relative if the quantity is relative); NaN without a prediction.
    variables : mapping of str to ndarray, shape (events, objects)
        True variables for the binnings, finite for every object; outside all bins where one has no meaning.
    failed : ndarray of bool, shape (events, objects)
        Objects with a grossly wrong prediction, as defined by the task. An object without a prediction lowers
        the efficiency and is not a failure.
    real : ndarray of bool, shape (events, objects), optional
        Objects that exist, for events with different numbers of objects; all of them by default. The others
        are not evaluated: their values are NaN.
    """

    values: Mapping[str, NDArray[np.floating]]
    variables: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    failed: NDArray[np.bool_] | None = None
    real: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shapes = {name: array.shape for name, array in {**self.values, **self.variables}.items()}
        for name in ("failed", "real"):
            if getattr(self, name) is not None:
                shapes[name] = getattr(self, name).shape
        if len(set(shapes.values())) != 1 or any(len(shape) != 2 for shape in shapes.values()):
            raise ValueError(f"residuals need one shape (events, objects) for all arrays; got {shapes}")

    @property
    def shape(self) -> tuple[int, int]:
        """Number of events, and of objects in each event."""
        events, objects = next(iter(self.values.values())).shape
        return events, objects

    @property
    def present(self) -> NDArray[np.bool_]:
        """Mask of the existing objects, shape (events, objects)."""
        return np.ones(self.shape, dtype=bool) if self.real is None else self.real

    @property
    def answered(self) -> NDArray[np.bool_]:
        """Mask of the objects with a finite prediction in every quantity, shape (events, objects)."""
        return np.logical_and.reduce([np.isfinite(array) for array in self.values.values()])
