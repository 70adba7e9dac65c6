"""Baselines of the network: no correction, the published one, a polynomial, a random forest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.clas12 import corrections, events, kinematics, trees
from projects.clas12.corrections import COLUMNS, terms
from projects.clas12.kinematics import FEATURES, polar
from shashlik.estimators import portable
from shashlik.exceptions import BadInput
from shashlik.task.definition import Finding
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["SEED_IMPORTANCES", "Classical", "Forest", "examples"]

_NUMPY = (f"numpy=={np.__version__}",)
#: Importances of the features in the original study's random forest.
SEED_IMPORTANCES = dict(zip(FEATURES, (0.096, 0.055, 0.064, 0.136, 0.328, 0.067, 0.098, 0.156), strict=True))


def examples(sample: Sample) -> events.Events:
    """Return the training events: those with a pi0. Events with an eta are excluded from training."""
    particles = events.of(sample)
    if particles.eta.all():
        raise BadInput(f"{sample.source}: there is no event with a pi0 to train on")
    return particles.select(~particles.eta)


@dataclass(frozen=True)
class Classical:
    """A correction in closed form, or a polynomial of 1/p, theta and phi for each of both detectors.

    Parameters
    ----------
    name : {"raw", "iguana", "polynomial"}
    coefficients : mapping of str to list
        Coefficients of the fitted polynomial.
    """

    name: str
    coefficients: dict[str, Any] = field(default_factory=dict)

    def fit(self, train: Sample, bench: Bench) -> Classical:
        """Fit the polynomial by least squares of dp; return the other corrections unchanged."""
        if self.name != "polynomial":
            return self
        training = examples(train)
        p, theta, phi = polar(training.proton)
        gained = polar(training.true_proton)[0] - p
        fitted = {}
        for name, rows in (("forward", ~training.central), ("central", training.central)):
            basis = terms(p[rows], theta[rows], phi[rows])
            enough = len(basis) > basis.shape[1]
            solution = np.linalg.lstsq(basis, gained[rows])[0] if enough else np.zeros(basis.shape[1])
            fitted[name] = solution.tolist()
        return replace(self, coefficients=fitted)

    def predict(self, sample: Sample) -> Predictions:
        """Predict dlogp and dmm2 of every event."""
        return corrections.answers(self.name, self.coefficients, sample.columns)

    def portable(self, folder: Path) -> Portable:
        """Write the correction with its coefficients."""
        module = portable.join([kinematics, corrections], folder)
        facts = folder / "correction.json"
        facts.write_text(json.dumps({"form": self.name, "coefficients": self.coefficients}) + "\n")
        return Portable(module, {facts.name: facts}, _NUMPY, COLUMNS)


@dataclass(frozen=True)
class Forest:
    """The original study's random forest: all eight features, including the electron's.

    Parameters
    ----------
    count : int
        Number of trees.
    arrays : mapping of str to ndarray
        The fitted trees, see `projects.clas12.trees.mean_of_trees`.
    importances : tuple of float
        By feature; their sum is 1.
    """

    count: int
    arrays: dict[str, NDArray[Any]] = field(default_factory=dict)
    importances: tuple[float, ...] = ()
    name: str = "forest"

    def fit(self, train: Sample, bench: Bench) -> Forest:
        """Grow the trees on both standardised targets; only their dlogp is used."""
        from sklearn.ensemble import RandomForestRegressor  # here, because it takes a second to load

        training = examples(train)
        targets = training.targets
        middle, spread = targets.mean(axis=0), targets.std(axis=0)
        grown = RandomForestRegressor(self.count, random_state=bench.seed, n_jobs=2)
        grown.fit(training.features, (targets - middle) / spread)
        parts = [tree.tree_ for tree in grown.estimators_]
        roots = np.cumsum([0] + [part.node_count for part in parts])[:-1]
        arrays = {
            "root": roots,
            "feature": np.concatenate([part.feature for part in parts]).astype(np.int16),
            "threshold": np.concatenate([part.threshold for part in parts]),
            "left": np.concatenate(
                [part.children_left + root for part, root in zip(parts, roots, strict=True)]
            ),
            "right": np.concatenate(
                [part.children_right + root for part, root in zip(parts, roots, strict=True)]
            ),
            "value": np.concatenate([part.value[:, 0, 0] for part in parts]) * spread[0] + middle[0],
        }
        return replace(self, arrays=arrays, importances=tuple(map(float, grown.feature_importances_)))

    def predict(self, sample: Sample) -> Predictions:
        """Predict dlogp and dmm2 of every event."""
        return trees.tree_answers(self.arrays, sample.columns)

    def portable(self, folder: Path) -> Portable:
        """Write the trees as arrays."""
        module = portable.join([kinematics, trees], folder)
        file = folder / "forest.npz"
        np.savez_compressed(file, allow_pickle=False, **self.arrays)
        return Portable(module, {file.name: file}, _NUMPY, COLUMNS[:-1])

    def finding(self) -> Finding:
        """Report importances next to the original study's."""
        order = sorted(zip(FEATURES, self.importances, strict=True), key=lambda entry: -entry[1])
        lines = ["| feature | importance | original study |", "|---|---:|---:|"]
        lines += [f"| {name} | {share:.1%} | {SEED_IMPORTANCES[name]:.1%} |" for name, share in order]
        figure = Figure(figsize=(6.5, 4), layout="constrained")
        axes = figure.add_subplot()
        places = np.arange(len(order))[::-1]
        axes.barh(places + 0.2, [share for _, share in order], 0.38, label="this forest", color="#0072B2")
        original = [SEED_IMPORTANCES[name] for name, _ in order]
        axes.barh(places - 0.2, original, 0.38, label="original study", color="0.7")
        axes.set_yticks(places, [name for name, _ in order])
        axes.set_xlabel("importance")
        axes.legend(frameon=False)
        return Finding("\n".join(lines), figure)
