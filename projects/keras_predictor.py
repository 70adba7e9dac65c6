"""Predicts with a Keras network of flat columns; the file travels with the registered model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

__all__ = ["load"]


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, np.ndarray]]:
    """A function from input columns to predictions.

    Parameters
    ----------
    files : mapping of str to str
        Paths of ``network.keras``, a model of built-in layers, and ``columns.json``, its inputs and outputs.
    """
    model = keras.models.load_model(files["network.keras"], compile=False)
    facts = json.loads(Path(files["columns.json"]).read_text())

    def predict(columns: Mapping[str, Any]) -> dict[str, np.ndarray]:
        kind = model.input.dtype
        inputs = np.stack([np.asarray(columns[name], dtype=kind) for name in facts["inputs"]], axis=1)
        outputs = model.predict(inputs, batch_size=4096, verbose=0)
        return {name: outputs[:, index] for index, name in enumerate(facts["outputs"])}

    return predict
