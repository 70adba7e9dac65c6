"""The tail probability of a response: how much of the background looks at least as much like signal.

The file travels with the registered models. A response that is a probability falls where signal is told
better from background. Its tail probability under the background is uniform under every mass: a cut on it
keeps the same share of the background everywhere. It is a rank among background events that the method did
not learn from (split conformal prediction: H. Papadopoulos et al., ECML 2002, 345), so that of a new
background event is at most p with probability p, whatever the method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ends", "tabulated", "tail_probability"]

#: Every one of the largest responses is a knot, so many; from there on knots lie a factor in the share of the
#: background apart, between which it is linear in the response.
_RATIO, _SINGLE = 1.05, 20


def tabulated(responses: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Tail probabilities of some responses under every mass, from those of background events.

    Parameters
    ----------
    responses : ndarray, shape (events, masses)
        Finite.
    weights : ndarray, shape (events,)
        Of the events; only their ratios count.

    Returns
    -------
    ndarray, shape (2, masses, knots)
        Responses, not decreasing, and the share of the background that has at least that response. A new
        event counts beside those of the table: shares begin at 1 / (events + 1) and end at
        events / (events + 1).
    """
    events = len(responses)
    ranks = np.unique(_ranks(events)) - 1
    order = np.argsort(-responses, axis=0, kind="stable")
    falling = np.take_along_axis(responses, order, axis=0)
    shares = np.cumsum(weights[order], axis=0) / (weights.sum() * (events + 1) / events)
    # Events with equal responses are all at least as high as each of them.
    place = np.stack([np.searchsorted(-one, -one[ranks], side="right") - 1 for one in falling.T], axis=1)
    return np.stack([falling[ranks], np.take_along_axis(shares, place, axis=0)]).swapaxes(1, 2)[:, :, ::-1]


def _ranks(events: int) -> NDArray[np.integer]:
    """Ranks that become knots, from 1 to the number of events."""
    single = np.arange(1, min(_SINGLE, events) + 1)
    steps = np.geomspace(single[-1], events, int(np.log(events / single[-1]) / np.log(_RATIO)) + 2)
    return np.concatenate([single, steps.round().astype(int)])


def tail_probability(responses: NDArray[np.floating], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the background with at least these responses, strictly falling with them, between 0 and 1.

    Beyond the largest response of the table it falls hyperbolically: events stay in their order, and none
    claims much more than what the table shows. Below the smallest it rises likewise.

    Parameters
    ----------
    responses : ndarray, shape (events, masses)
        NaN stays NaN.
    table : ndarray, shape (2, masses, knots)
        See `tabulated`.
    """
    found = [_of_mass(*one) for one in zip(responses.T, *table, strict=True)]
    return np.stack(found, axis=1)


def ends(knots: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far beyond the smallest, and the largest, knot a share has halved.

    Parameters
    ----------
    knots : ndarray, shape (..., knots)
        Responses, not decreasing.

    Returns
    -------
    low, high : ndarray, shape (...)
        Range of the outermost knots, about `_SINGLE` events; 1 where they are equal.
    """
    last = min(_SINGLE, knots.shape[-1]) - 1
    reach = knots[..., 1] - knots[..., 0], knots[..., -1] - knots[..., -1 - last]
    low, high = (np.where(one > 0, one, 1.0) for one in reach)
    return low, high


def _of_mass(
    responses: NDArray[np.floating], knots: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    low, high = ends(knots)
    above, below = np.maximum(responses - knots[-1], 0.0), np.maximum(knots[0] - responses, 0.0)
    # Beyond the outermost knots np.interp stays at their shares.
    fallen = np.interp(responses, knots, shares) / (1.0 + above / high)
    return fallen + (1.0 - fallen) * below / (low + below)
