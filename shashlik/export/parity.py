"""Compare two computations of the same predictions: the registered model and its ONNX graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["AGREEING", "Disagrees", "Parity", "compare", "demand", "tolerances", "within"]

#: Share of events in which every output must agree. Below 1, as a fit that does not converge in single
#: precision amplifies rounding, as much between two batch sizes of one network as between two runtimes.
AGREEING = 0.995
#: Tolerances relative to the value, and to the largest value of the output, by type of the output.
TOLERANCES = {"float32": (1e-4, 1e-5), "float64": (1e-6, 1e-9)}


class Disagrees(RuntimeError):
    """Two computations of one prediction differ. Its text is the single line shown to the user."""


@dataclass(frozen=True)
class Parity:
    """Agreement of one output.

    Parameters
    ----------
    output : str
    agreeing : float
        Share of events within the tolerance.
    median, worst : float
        Median and maximum of the absolute differences where both are finite, in the unit of the output.
    """

    output: str
    agreeing: float
    median: float
    worst: float


def tolerances(kind: str) -> tuple[float, float]:
    """Return the tolerances relative to a value, and to the largest value, for a numeric type."""
    return TOLERANCES[kind]


def within(
    found: NDArray[np.floating], wanted: NDArray[np.floating], kind: str, share: float = 1.0
) -> NDArray[np.bool_]:
    """Test where two predictions agree, shape (events,); two non-finite values agree too.

    Parameters
    ----------
    found, wanted : ndarray, shape (events,)
    kind : {"float32", "float64"}
        Type in which the predictions were computed.
    share : float
        Share of the tolerance that is allowed.

    Examples
    --------
    >>> actual = np.array([1.0, 2.00001, np.nan])
    >>> within(actual, np.array([1.1, 2.0, np.nan]), "float32").tolist()
    [False, True, True]
    """
    relative, absolute = tolerances(kind)
    numbers = np.isfinite(wanted)
    room = share * absolute * np.max(np.abs(wanted[numbers]), initial=0.0)
    with np.errstate(invalid="ignore"):
        close = np.abs(found - wanted) <= share * relative * np.abs(wanted) + room
    return np.where(numbers, close & np.isfinite(found), ~np.isfinite(found))


def compare(
    found: Mapping[str, NDArray[np.floating]],
    wanted: Mapping[str, NDArray[np.floating]],
    kinds: Mapping[str, str],
) -> tuple[Parity, ...]:
    """Compare every expected output with the actual one."""
    compared = []
    for name, values in wanted.items():
        difference = np.abs(found[name] - values)
        difference = difference[np.isfinite(difference)]
        agreeing = float(np.mean(within(found[name], values, kinds[name])))
        compared.append(
            Parity(
                name,
                agreeing,
                float(np.median(difference)) if len(difference) else np.nan,
                float(np.max(difference, initial=0.0)),
            )
        )
    return tuple(compared)


def demand(compared: tuple[Parity, ...], what: str) -> None:
    """Raise an error unless all outputs agree in enough events.

    Raises
    ------
    Disagrees
        With the name of the worst output.
    """
    worst = min(compared, key=lambda parity: parity.agreeing)
    if not worst.agreeing >= AGREEING:
        raise Disagrees(
            f"{what} gives other values of {worst.output!r} than the registered model in "
            f"{1 - worst.agreeing:.2%} of the events, by up to {worst.worst:.3g}; "
            f"{1 - AGREEING:.1%} may differ"
        )
