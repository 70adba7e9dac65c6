"""Networks as a method: the parameterised ensemble, one network per mass, and networks without the mass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from projects.pnn.ensemble.importance import importance
from projects.pnn.ensemble.one_cycle import Cycle, Suggestion
from projects.pnn.ensemble.stacked_networks import served
from projects.pnn.ensemble.stacked_step import Events, Member
from projects.pnn.ensemble.training import Trained, find_rates, train
from projects.pnn.halves import Half, folds, scales
from projects.pnn.predictor import matrix, network_responses
from projects.pnn.schema import FEATURES, MASSES
from shashlik.estimators import training
from shashlik.task.estimator import Bench, Nested

__all__ = ["Committee", "Ensemble", "Singles"]

REQUIREMENTS = (f"keras=={keras.__version__}", f"tensorflow=={tf.__version__}")


@dataclass(frozen=True)
class Committee:
    """Networks trained on a half.

    Parameters
    ----------
    model : keras.Model
        Network with its input pipeline.
    trained : Trained
        Training history of its members.
    average : ndarray, shape (members,)
        Weights of the members.
    found : Suggestion or None
        Result of the learning-rate finder.
    events : int
        Training events of a member per epoch.
    importance : (values, errors)
        Importance of each input, see `projects.pnn.ensemble.importance`; empty if not computed.
    """

    model: keras.Model
    trained: Trained
    average: NDArray[np.floating]
    found: Suggestion | None
    events: int
    importance: tuple[NDArray[np.floating], NDArray[np.floating]] = (np.empty(0), np.empty(0))

    def responses(self, columns: Mapping[str, Any]) -> NDArray[np.floating]:
        """Compute the responses; see `projects.pnn.cross_fit.Learned`."""
        return network_responses(self.model, matrix(columns, FEATURES), MASSES)

    def write(self, folder: Path, parity: str) -> dict[str, Path]:
        """Write the networks as a Keras file."""
        path = folder / f"{parity}.keras"
        self.model.save(path)
        return {path.name: path}

    def facts(self) -> dict[str, Any]:
        """Return no facts: everything is in the file."""
        return {}

    def nested(self, parity: str) -> list[Nested]:
        """Return the members as runs of their own."""
        trained = self.trained
        return [
            Nested(
                f"{parity} {index}",
                {"half": parity, "member": index, "events": self.events},
                {
                    "loss": float(trained.least[index]),
                    "weight": float(self.average[index]),
                    "best_sub_epoch": float(trained.best[index] + 1),
                },
                {"training/loss": trained.training[index], "training/val_loss": trained.losses[index]},
            )
            for index in range(len(self.average))
        ]


@dataclass(frozen=True)
class Ensemble:
    """Members that differ by their initial weights and their validation fold.

    Their responses are averaged with weights proportional to the inverse of their validation loss.

    Parameters
    ----------
    members : int
    cycle : Cycle
        A rate of 0 uses the suggestion of the finder.
    width, depth : int
        Width and number of the hidden layers.
    parameterised : bool
        Whether the mass is an input.
    find : bool
        Whether to run the learning-rate finder and compute the importance of inputs.
    number : int
        Number of folds; fold i validates member i.
    """

    members: int = 10
    cycle: Cycle = field(default_factory=Cycle)
    width: int = 25
    depth: int = 3
    parameterised: bool = True
    find: bool = False
    number: int = 10
    kind: str = "networks"
    requirements: tuple[str, ...] = REQUIREMENTS
    columns: tuple[str, ...] = ()

    def learn(self, half: Half, stage: str, bench: Bench) -> Committee:
        """Train the ensemble on a half; see `projects.pnn.cross_fit.Method`."""
        training.prepare(bench.seed)
        inputs = half.features
        if self.parameterised:
            inputs = np.concatenate([inputs, half.masses[:, None]], axis=1)
        mean, deviation = scales(inputs)
        events = Events(((inputs - mean) / deviation).astype(np.float32), half.signal, half.weights)
        fold = folds(half, self.number, np.random.default_rng((bench.seed, 1)))
        members = [
            Member(np.flatnonzero(fold != index % self.number), np.flatnonzero(fold == index % self.number))
            for index in range(self.members)
        ]
        shape, cycle = (self.width, self.depth), self.cycle
        suggestion = None
        if self.find or not cycle.low or not cycle.high:
            suggestion = find_rates(events, members, shape, cycle, bench.seed)
            low, high = cycle.low or suggestion.low, cycle.high or suggestion.high
            cycle = Cycle(**{**vars(cycle), "low": min(low, high), "high": high})
        trained = train(stage, events, members, shape, cycle, bench)
        average = 1.0 / trained.least
        average /= average.sum()
        model = served(trained.stack, mean, deviation, average)
        committee = Committee(model, trained, average, suggestion, len(members[0].train))
        if not self.find:
            return committee
        matters = importance(trained.stack, events, members, np.random.default_rng((bench.seed, 2)))
        return replace(committee, importance=matters)


@dataclass(frozen=True)
class Singles:
    """One network per mass, trained on the signal of that mass and all background.

    Parameters
    ----------
    cycle : Cycle
    width, depth : int
        Width and number of the hidden layers.
    """

    cycle: Cycle = field(default_factory=Cycle)
    width: int = 25
    depth: int = 3
    kind: str = "networks"
    requirements: tuple[str, ...] = REQUIREMENTS
    columns: tuple[str, ...] = ()

    def learn(self, half: Half, stage: str, bench: Bench) -> Committee:
        """Train the networks on a half; see `projects.pnn.cross_fit.Method`."""
        training.prepare(bench.seed)
        mean, deviation = scales(half.features)
        # Signal of a mass and background have equal sums of weights.
        weights = np.where(half.signal, half.weights, 1.0 / np.count_nonzero(~half.signal))
        scaled = ((half.features - mean) / deviation).astype(np.float32)
        fold = folds(half, 10, np.random.default_rng((bench.seed, 1)))
        members = []
        for mass in MASSES:
            usable = ~half.signal | (half.masses == mass)
            members.append(Member(np.flatnonzero(usable & (fold != 0)), np.flatnonzero(usable & (fold == 0))))
        trained = train(
            stage, Events(scaled, half.signal, weights), members, (self.width, self.depth), self.cycle, bench
        )
        number = int(np.mean([len(member.train) for member in members]))
        model = served(trained.stack, mean, deviation, None)
        return Committee(model, trained, np.ones(len(MASSES)), None, number)
