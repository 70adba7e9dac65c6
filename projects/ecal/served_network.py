"""Predictions of a saved network of photons; travels with every registered one (numpy and Keras)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from projects.ecal.corrections import flat_cells
from projects.ecal.windows import windows

__all__ = ["answers", "load"]

#: Events in one call of the graph.
_BATCH = 2048


def answers(
    model: keras.Model,
    offsets: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    energy: NDArray[Any],
    threshold: float,
    cluster: str = "all",
    larger: str = "cut",
) -> dict[str, NDArray[np.float64]]:
    """Answers of the graph for all events, NaN where an event cannot be used.

    Parameters
    ----------
    model : keras.Model
        From ``cells`` and ``corner`` to named answers.
    offsets, x, y, energy : ndarray
        Flat cells as `projects.ecal.windows.windows` takes them.
    threshold : float
        Cells at or below this energy (GeV) are absent, as in the training.
    cluster, larger : str
        What belongs to an event and what becomes of large ones, see `projects.ecal.windows.windows`.
    """
    size = model.input_shape["cells"][1] if isinstance(model.input_shape, dict) else model.input_shape[0][1]
    placed = windows(offsets, x, y, energy, size, threshold, cluster=cluster, larger=larger)
    corner = np.stack([placed.x0, placed.y0], axis=1).astype(np.float32)
    found = model.predict([placed.energy, corner], batch_size=_BATCH, verbose=0)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}
    for values in columns.values():
        values[~placed.usable | ~np.isfinite(values)] = np.nan
    return columns


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.float64]]]:
    """The function that predicts from columns ``cell_x, cell_y, cell_e``, one sequence an event.

    Parameters
    ----------
    files : mapping
        ``network``: path of the saved graph; ``threshold``: path of a text file with the threshold in GeV;
        ``cluster``, if there: path of a text file with the two words of `answers`.
    """
    model = keras.models.load_model(files["network"], compile=False)
    with open(files["threshold"], encoding="ascii") as stream:
        threshold = float(stream.read())
    words: list[str] = []
    if "cluster" in files:
        with open(files["cluster"], encoding="ascii") as stream:
            words = stream.read().split()
    return lambda columns: answers(model, *flat_cells(columns), threshold, *words)
