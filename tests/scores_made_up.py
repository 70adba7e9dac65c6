"""Made-up classifiers with a parameter, whose areas are known in closed form."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from tracking.statistics.scores import Scores

#: Background has one normal variable for each hypothesis, a signal of hypothesis i is shifted in the i-th.
VALUES = np.array([300.0, 500.0, 900.0, 2000.0])
NAMES = tuple(f"m{value:.0f}" for value in VALUES)


def area(distance: float) -> float:
    """Area under the curve of two unit Gaussians at this distance."""
    return float(ndtr(distance / np.sqrt(2)))


def scores(
    distances: dict[str, float],
    background: int = 2000,
    signal: int = 400,
    seed: int = 0,
    common: float = 0.9,
    names: tuple[str, ...] = NAMES,
    lost: dict[str, float] | None = None,
) -> dict[str, Scores]:
    """Scores of classifiers that differ in how far they move the signal; what they err in is partly common.

    Parameters
    ----------
    distances : dict of str to float
        Between signal and background in units of the width, by classifier.
    background, signal : int
        Events, those of signal for each hypothesis.
    common : float
        Correlation of the responses of two classifiers.
    names : tuple of str
        Hypotheses.
    lost : dict of str to float
        Share of events without an answer, by classifier.
    """
    rng = np.random.default_rng(seed)
    number = len(names)
    own = np.concatenate([np.full(background, -1), np.repeat(np.arange(number), signal)])
    events = len(own)
    mine = own[:, None] == np.arange(number)
    asked = mine | (own < 0)[:, None]
    shared, weights = rng.normal(size=(events, number)), rng.uniform(0.5, 1.5, events)
    mass = np.where(own < 0, rng.exponential(400.0, events) + 250, VALUES[own] + 30 * rng.normal(size=events))
    found = {}
    for name, distance in distances.items():
        noise = np.sqrt(common) * shared + np.sqrt(1 - common) * rng.normal(size=(events, number))
        response = posterior(noise + distance * mine, distance)
        response[rng.uniform(size=events) < (lost or {}).get(name, 0.0)] = np.nan
        physical = np.where(own < 0, 5000.0 / background, 50.0 / signal)
        found[name] = Scores(
            response,
            asked,
            own >= 0,
            weights,
            physical,
            names,
            VALUES[:number],
            np.array(names) == "m900",
            {"m_hh": mass},
        )
    return found


def posterior(x: NDArray[np.floating], distance: float) -> NDArray[np.floating]:
    """Probability of signal at equal numbers of both, from the ratio of the two densities."""
    return 1 / (1 + np.exp(-distance * (x - distance / 2)))
