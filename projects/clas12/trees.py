"""Predictions of a random forest stored as arrays; travels with `projects.clas12.kinematics`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import features, momenta, shift_of_missing_mass_squared

__all__ = ["load", "mean_of_trees", "tree_answers"]


def mean_of_trees(forest: Mapping[str, NDArray], values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the mean over trees of the leaf value of each event, shape (n,).

    Parameters
    ----------
    forest : mapping of str to ndarray
        ``root`` has the first node of every tree; ``feature`` (negative in a leaf), ``threshold``, ``left``,
        ``right`` and ``value`` have one entry per node. An event goes left if feature <= threshold.
    values : ndarray, shape (n, features)
    """
    values = values.astype(np.float32)  # as scikit-learn compares
    events = np.arange(len(values))
    total = np.zeros(len(values))
    for root in forest["root"]:
        node = np.full(len(values), root)
        while (inner := forest["feature"][node] >= 0).any():
            feature = np.maximum(forest["feature"][node], 0)
            below = values[events, feature] <= forest["threshold"][node]
            node = np.where(inner, np.where(below, forest["left"][node], forest["right"][node]), node)
        total += forest["value"][node]
    return total / len(forest["root"])


def tree_answers(
    forest: Mapping[str, NDArray], columns: Mapping[str, Any]
) -> dict[str, NDArray[np.floating]]:
    """Predict dlogp, and dMM2 in GeV^2, of every event."""
    electron, proton = momenta(columns, "e"), momenta(columns, "p")
    dlogp = mean_of_trees(forest, features(electron, proton))
    return {"dlogp": dlogp, "dmm2": shift_of_missing_mass_squared(electron, proton, dlogp)}


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """Load a function from columns to predictions; ``forest.npz`` contains the arrays."""
    with np.load(files["forest.npz"]) as file:
        forest = dict(file)
    return lambda columns: tree_answers(forest, columns)
