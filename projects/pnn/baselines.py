"""Baselines without a network: windows on masses, and boosted trees with the mass as an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from projects.pnn.halves import Half
from projects.pnn.predictor import matrix, tree_responses, window_responses
from projects.pnn.schema import FEATURES, MASSES
from shashlik.task.estimator import Bench

__all__ = ["Trees", "Windows", "WindowsLearned"]


@dataclass(frozen=True)
class WindowsLearned:
    """Centres and half widths by column, one value per mass."""

    windows: Mapping[str, tuple[list[float], list[float]]]

    def responses(self, columns: Mapping[str, Any]) -> NDArray[np.floating]:
        """Return the responses; see `projects.pnn.cross_fit.Learned`."""
        return window_responses(columns, self.windows)

    def write(self, folder: Path, parity: str) -> dict[str, Path]:
        """Write no files: the windows are facts."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Return the windows."""
        return {"windows": self.windows}


@dataclass(frozen=True)
class Windows:
    """A window on the mass of X, alone or with a window on that of H -> bb.

    Its centre is the median of the signal, its half width contains 68.3 %; between the masses of the
    training, both are interpolated in the logarithm of the mass.

    Parameters
    ----------
    variables : tuple of str
        Columns: ``HH_cand_mass``, and features.
    """

    variables: tuple[str, ...]
    kind: str = "windows"
    requirements: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns besides the networks' own; see `projects.pnn.cross_fit.Method`."""
        return self.variables

    def learn(self, half: Half, stage: str, bench: Bench) -> WindowsLearned:
        """Fit the windows to a half; see `projects.pnn.cross_fit.Method`."""
        signal_masses = np.unique(half.masses[half.signal])
        windows = {}
        for name in self.variables:
            values = half.hh_mass if name == "HH_cand_mass" else half.features[:, FEATURES.index(name)]
            shares = [
                np.quantile(values[half.signal & (half.masses == mass)], [0.1585, 0.5, 0.8415])
                for mass in signal_masses
            ]
            low, middle, high = np.array(shares).T
            at = np.log(MASSES), np.log(signal_masses)
            windows[name] = (
                np.interp(*at, middle).tolist(),
                np.interp(*at, np.maximum(0.5 * (high - low), 1e-3)).tolist(),
            )
        return WindowsLearned(windows)


@dataclass(frozen=True)
class _TreesLearned:
    trees: Mapping[str, NDArray[Any]]

    def responses(self, columns: Mapping[str, Any]) -> NDArray[np.floating]:
        return tree_responses(self.trees, matrix(columns, FEATURES), MASSES)

    def write(self, folder: Path, parity: str) -> dict[str, Path]:
        path = folder / f"{parity}.npz"
        with path.open("wb") as stream:
            np.savez(stream, **dict[str, Any](self.trees))
        return {path.name: path}

    def facts(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Trees:
    """Gradient-boosted trees of scikit-learn on the features and the mass, stored as plain arrays.

    Parameters
    ----------
    number : int
        Number of trees.
    leaves : int
        Leaves per tree.
    rate : float
        Learning rate.
    """

    number: int = 200
    leaves: int = 31
    rate: float = 0.1
    kind: str = "trees"
    requirements: tuple[str, ...] = (f"numba=={numba.__version__}",)
    columns: tuple[str, ...] = ()

    def learn(self, half: Half, stage: str, bench: Bench) -> _TreesLearned:
        """Train the trees on a half; see `projects.pnn.cross_fit.Method`."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        model = HistGradientBoostingClassifier(
            max_iter=self.number,
            max_leaf_nodes=self.leaves,
            learning_rate=self.rate,
            early_stopping=False,
            random_state=bench.seed % 2**32,
        )
        inputs = np.concatenate([half.features, half.masses[:, None]], axis=1).astype(np.float64)
        # OpenMP threads wait by spinning: on a busy machine two take many times as long as one.
        with threadpool_limits(limits=1, user_api="openmp"):
            model.fit(inputs, half.signal, sample_weight=half.weights / half.weights.mean())
        return _TreesLearned(_arrays(model))


def _arrays(model: Any) -> dict[str, NDArray[Any]]:
    """Convert a fitted model of scikit-learn to arrays of shape (trees, nodes)."""
    nodes = [trees[0].nodes for trees in model._predictors]
    shape = len(nodes), max(map(len, nodes))
    arrays: dict[str, NDArray[Any]] = {
        "feature": np.full(shape, -1, np.int32),
        "threshold": np.zeros(shape),
        "left": np.zeros(shape, np.int32),
        "right": np.zeros(shape, np.int32),
        "value": np.zeros(shape),
    }
    for index, tree in enumerate(nodes):
        inner = tree["is_leaf"] == 0
        arrays["feature"][index, : len(tree)][inner] = tree["feature_idx"][inner]
        for name, field in (
            ("threshold", "num_threshold"),
            ("left", "left"),
            ("right", "right"),
            ("value", "value"),
        ):
            arrays[name][index, : len(tree)] = tree[field]
    return arrays | {"start": np.array(float(np.ravel(model._baseline_prediction)[0]))}
