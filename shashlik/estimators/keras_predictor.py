"""Predict with a Keras network of columns; this file is part of the registered model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

__all__ = ["answers", "graph", "load"]

#: Events in one call of the network.
_BATCH = 4096


def answers(
    model: keras.Model, columns: Mapping[str, Any], inputs: Sequence[str], outputs: Sequence[str]
) -> dict[str, NDArray[np.floating]]:
    """Predict all events with a network.

    The network is called directly: ``model.predict`` would round the inputs of a double-precision network to
    single precision.

    Parameters
    ----------
    model : keras.Model
        Network that maps an array of shape (events, inputs) to one of shape (events, outputs).
    columns : mapping of str to array
        Flat columns, of any type that numpy takes, or lists of one length for all events.
    inputs, outputs : sequence of str
        Names of the network's columns, in the order of the network.
    """
    values = _stacked(model, columns, inputs)
    parts = [
        keras.ops.convert_to_numpy(model(values[first : first + _BATCH], training=False))
        for first in range(0, max(len(values), 1), _BATCH)
    ]
    predicted = np.concatenate(parts)
    return {name: np.ascontiguousarray(predicted[:, index]) for index, name in enumerate(outputs)}


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """Load a function from input columns to predictions.

    Parameters
    ----------
    files : mapping of str to str
        Paths of ``network.keras``, a model of built-in layers, and ``columns.json``, its inputs and outputs.
    """
    model, inputs, outputs, _ = _opened(files)
    return lambda columns: answers(model, columns, inputs, outputs)


def graph(files: Mapping[str, str]) -> tuple[keras.Model, Callable[..., Any], dict[str, dict[str, Any]]]:
    """Load the parts of an export: network with named outputs, preparation of inputs, meaning of columns.

    Units are those of the columns, which the task knows. Outputs that are not columns have theirs in the
    file.

    Parameters
    ----------
    files : mapping of str to str
        As for `load`.
    """
    model, inputs, outputs, descriptions = _opened(files)
    vector = keras.Input(model.input.shape[1:], dtype=model.input.dtype, name="columns")
    predicted = model(vector)
    network = keras.Model(vector, {name: predicted[:, index] for index, name in enumerate(outputs)})

    def prepare(columns: Mapping[str, Any]) -> tuple[dict[str, NDArray[np.floating]], NDArray[np.bool_]]:
        values = _stacked(model, columns, inputs)
        return {"columns": values}, np.ones(len(values), dtype=bool)

    meaning = {name: descriptions.get(name, {"of": [name]}) for name in outputs}
    return network, prepare, {"columns": {"of": inputs}} | meaning


def _opened(files: Mapping[str, str]) -> tuple[keras.Model, list[str], list[str], dict[str, Any]]:
    facts = json.loads(Path(files["columns.json"]).read_text())
    model = keras.models.load_model(files["network.keras"], compile=False)
    return model, facts["inputs"], facts["outputs"], facts.get("told", {})


def _stacked(model: keras.Model, columns: Mapping[str, Any], inputs: Sequence[str]) -> NDArray[np.floating]:
    """Stack columns side by side, in the type of the network; a column may hold lists of one length.

    Raises
    ------
    ValueError
        When the columns do not hold as many numbers per event as the network takes.
    """
    values = np.column_stack([np.asarray(columns[name], dtype=model.input.dtype) for name in inputs])
    if values.shape[1] != model.input.shape[1]:
        raise ValueError(f"{values.shape[1]} numbers an event; the network takes {model.input.shape[1]}")
    return values
