"""Other networks as estimators of the task: one competitor, or the search among all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import keras

from projects.mass.minimal import Search
from projects.mass.networks import family
from shashlik.estimators.regression import Regression
from shashlik.task.estimator import Estimator

__all__ = ["competitor"]


def competitor(
    choice: str,
    basis: str,
    inputs: tuple[str, ...],
    products: Callable[[str, int], keras.Model],
    trainings: int,
    simulated: int,
) -> Estimator:
    """Return the estimator called ``network``, not yet fitted.

    Parameters
    ----------
    choice : str
        A key of `projects.mass.networks.family`, or ``search``.
    basis : {"cartesian", "polar"}
        Meaning of the inputs.
    inputs : tuple of str
        The four columns.
    products : callable
        The task's own network, which takes part: ``products(basis, count)``.
    trainings : int
        Trainings of each architecture in a search.
    Events to simulate for the training instead of the given ones; 0: the given ones.
        Events to simulate for the training instead of those given; 0: those given.
    """
    members = family(products)
    if choice == "search":
        return Search(members, basis, inputs, trainings, simulated)
    return Regression(inputs, ("mass",), partial(members[choice].train, basis), simulated=simulated)
