"""The tail probability of a response: the share of the background that is at least as signal-like.

The file travels with the registered models. A response that is a probability depends on how well signal is
separated from background. Its tail probability under the background is uniform under every mass: a cut on it
has the same background efficiency everywhere. It is a rank among background events outside the training of
the method (split conformal prediction: H. Papadopoulos et al., ECML 2002, 345), so that for a new background
event it is at most p with probability p, for any method.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["ends", "tabulated", "tail_probability"]

#: The largest responses, up to this number, are all knots. Further knots differ by this factor in the share
#: of the background, which is linear in the response between them.
_RATIO, _SINGLE = 1.05, 20


def tabulated(responses: NDArray[np.floating], weights: NDArray[np.floating]) -> NDArray[np.float64]:
    """Tabulate tail probabilities under every mass from the responses of background events.

    Parameters
    ----------
    responses : ndarray, shape (events, masses)
        Finite responses.
    weights : ndarray, shape (events,)
        Weights of the events; only their ratios matter.

    Returns
    -------
    ndarray, shape (2, masses, knots)
        Responses, not decreasing, and the share of the background with at least that response. A new event
        counts in addition to those of the table: shares begin at 1 / (events + 1) and end at
        events / (events + 1).
    """
    events = len(responses)
    ranks = np.unique(_ranks(events)) - 1
    order = np.argsort(-responses, axis=0, kind="stable")
    falling = np.take_along_axis(responses, order, axis=0)
    shares = np.cumsum(weights[order], axis=0) / (weights.sum() * (events + 1) / events)
    # Events with equal responses share the largest rank among them.
    last_equal = np.stack(
        [np.searchsorted(-column, -column[ranks], side="right") - 1 for column in falling.T], axis=1
    )
    return np.stack([falling[ranks], np.take_along_axis(shares, last_equal, axis=0)]).swapaxes(1, 2)[
        :, :, ::-1
    ]


def _ranks(events: int) -> NDArray[np.integer]:
    """Return the ranks that become knots, from 1 to the number of events."""
    single = np.arange(1, min(_SINGLE, events) + 1)
    steps = np.geomspace(single[-1], events, int(np.log(events / single[-1]) / np.log(_RATIO)) + 2)
    return np.concatenate([single, steps.round().astype(int)])


def tail_probability(responses: NDArray[np.floating], table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the share of the background with at least these responses, strictly decreasing, between 0 and 1.

    Beyond the largest response of the table it decreases hyperbolically: events keep their order, and none
    gets much less than the table supports. Below the smallest it rises likewise.

    Parameters
    ----------
    responses : ndarray, shape (events, masses)
        NaN remains NaN.
    table : ndarray, shape (2, masses, knots)
        See `tabulated`.
    """
    tails = [_of_mass(*of_mass) for of_mass in zip(responses.T, *table, strict=True)]
    return np.stack(tails, axis=1)


def ends(knots: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distance beyond the smallest, and the largest, knot at which a share has halved.

    Parameters
    ----------
    knots : ndarray, shape (..., knots)
        Responses, not decreasing.

    Returns
    -------
    low, high : ndarray, shape (...)
        Range of the outermost knots, about `_SINGLE` events; 1 if they are equal.
    """
    last = min(_SINGLE, knots.shape[-1]) - 1
    reach = knots[..., 1] - knots[..., 0], knots[..., -1] - knots[..., -1 - last]
    low, high = (np.where(span > 0, span, 1.0) for span in reach)
    return low, high


def _of_mass(
    responses: NDArray[np.floating], knots: NDArray[np.float64], shares: NDArray[np.float64]
) -> NDArray[np.float64]:
    low, high = ends(knots)
    above, below = np.maximum(responses - knots[-1], 0.0), np.maximum(knots[0] - responses, 0.0)
    # Beyond the outermost knots np.interp is constant.
    fallen = np.interp(responses, knots, shares) / (1.0 + above / high)
    return fallen + (1.0 - fallen) * below / (low + below)
