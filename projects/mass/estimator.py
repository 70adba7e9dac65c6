"""The network of the task as an estimator: one architecture, or the search among all of them."""

from __future__ import annotations

from functools import partial

from projects.mass.minimal import Search
from projects.mass.networks import DEFAULT, FAMILY
from projects.regression import Regression
from projects.task import Estimator

__all__ = ["network"]


def network(choice: str, basis: str, inputs: tuple[str, ...], trainings: int, simulated: int) -> Estimator:
    """The estimator called ``network``, not yet fitted.

    Parameters
    ----------
    choice : str
        A key of `FAMILY`, ``default`` or ``search``.
    basis : {"cartesian", "polar"}
        Meaning of the inputs.
    inputs : tuple of str
        The four columns.
    trainings : int
        Trainings of each architecture in a search.
    simulated : int
        Events to simulate for the training instead of those given; 0: those given.
    """
    if choice == "search":
        return Search(basis, inputs, trainings, simulated)
    architecture = FAMILY[DEFAULT if choice == "default" else choice]
    return Regression(inputs, ("mass",), partial(architecture.train, basis), simulated=simulated)
