"""Keras network from flat columns to flat columns as an estimator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from shashlik.estimators import keras_predictor, portable, training
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["Regression", "columns", "training_events"]


def columns(sample: Sample, names: tuple[str, ...]) -> NDArray[np.float64]:
    """Stack columns side by side, shape (events, names), or more where some hold lists of one length.

    Raises
    ------
    BadInput
        When the sample lacks one of the columns.
    """
    _present(sample, names)
    return np.column_stack([np.asarray(sample[name], dtype=np.float64) for name in names])


def _present(sample: Sample, names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in sample]
    if missing:
        raise BadInput(
            f"{sample.source}: the column {missing[0]!r} is needed; there are: {', '.join(sample.columns)}"
        )


def training_events(train: Sample, bench: Bench, simulated: int) -> Sample:
    """Simulate `simulated` training events; for 0, or without a simulation, return the sample."""
    return bench.simulate(simulated, bench.seed) if simulated and bench.simulate else train


@dataclass(frozen=True)
class Regression:
    """Network that predicts columns of the sample from other columns of it.

    Parameters
    ----------
    inputs : tuple of str
        Flat input columns.
    targets : tuple of str
        Flat target columns, which also name the predictions. With `examples` only names.
    train : callable
        ``train(inputs, truth, bench) -> keras.Model`` with arrays of shape (events, columns). The model
        consists of built-in layers and ``keras.ops`` and contains every scaling, so that its file is
        complete.
    name : str
        Name in metrics and tables.
    simulated : int
        Number of events to simulate for the training; 0: train on the sample.
    told : mapping of str to mapping
        ``unit`` and ``meaning`` of targets that are not columns.
    examples : callable, optional
        ``examples(sample) -> (inputs, truth)``, for a network that trains on some of the events, or on
        targets that are not columns.
    model : keras.Model, optional
        The trained network; None before `fit`.
    """

    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    train: Callable[[NDArray[np.float64], NDArray[np.float64], Bench], keras.Model]
    name: str = "network"
    simulated: int = 0
    told: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    examples: Callable[[Sample], tuple[NDArray[Any], NDArray[Any]]] | None = None
    model: keras.Model | None = None

    def fit(self, train: Sample, bench: Bench) -> Regression:
        """Return a copy with a network trained on the events of `train`."""
        training.prepare(bench.seed)
        train = training_events(train, bench, self.simulated)
        _present(train, self.inputs)
        inputs, truth = (
            self.examples(train)
            if self.examples
            else (columns(train, self.inputs), columns(train, self.targets))
        )
        return replace(self, model=self.train(inputs, truth, bench))

    @property
    def trained(self) -> keras.Model:
        """The trained network."""
        if self.model is None:
            raise ValueError(f"{self.name} has not been fitted")
        return self.model

    def predict(self, sample: Sample) -> Predictions:
        """Predict every event with the network."""
        _present(sample, self.inputs)
        return keras_predictor.answers(self.trained, sample.columns, self.inputs, self.targets)

    def portable(self, folder: Path) -> Portable:
        """Write the network as a Keras file, with the module that reads it."""
        folder.mkdir(parents=True, exist_ok=True)
        network, facts = folder / "network.keras", folder / "columns.json"
        self.trained.save(network)
        facts.write_text(
            json.dumps({"inputs": self.inputs, "outputs": self.targets, "told": dict(self.told)}) + "\n"
        )
        return Portable(
            portable.join([keras_predictor], folder),
            {network.name: network, facts.name: facts},
            (f"keras=={keras.__version__}", f"tensorflow=={tf.__version__}", f"numpy=={np.__version__}"),
            self.inputs,
        )
