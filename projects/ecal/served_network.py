"""Predictions of a saved network of photons; travels with every registered one (numpy and Keras)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from projects.ecal.corrections import flat_cells
from projects.ecal.windows import windows

__all__ = ["answers", "graph", "load", "tensors"]

#: Events in one call of the graph.
_BATCH = 2048
#: Unit and meaning of what enters the graph and, without the photon's number, of what leaves it.
_MEANING = {
    "cells": ("GeV", "energies of the cells of the window, [iy][ix], 0 where a cell is absent"),
    "corner": ("cm", "x and y of the centre of the window's lower-left cell"),
    "x": ("cm", "position at the front face"),
    "y": ("cm", "position at the front face"),
    "e": ("GeV", "energy"),
    "sx": ("cm", "half of the central 68 % of the error of x"),
    "sy": ("cm", "half of the central 68 % of the error of y"),
    "se": ("GeV", "half of the central 68 % of the error of e"),
    "chi2": ("", "chi-square of the fit of the showers to the cells"),
}


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
    inputs, usable = tensors(model, offsets, x, y, energy, threshold, cluster, larger)
    found = model.predict(list(inputs.values()), batch_size=_BATCH, verbose=0)
    columns = {name: np.asarray(values, dtype=np.float64) for name, values in found.items()}
    for values in columns.values():
        values[~usable | ~np.isfinite(values)] = np.nan
    return columns


def tensors(
    model: keras.Model,
    offsets: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    energy: NDArray[Any],
    threshold: float,
    cluster: str = "all",
    larger: str = "cut",
) -> tuple[dict[str, NDArray[np.float32]], NDArray[np.bool_]]:
    """Inputs of the graph by name, shape (events, ...), and which events can be used; as for `answers`."""
    size = model.input_shape["cells"][1] if isinstance(model.input_shape, dict) else model.input_shape[0][1]
    placed = windows(offsets, x, y, energy, size, threshold, cluster=cluster, larger=larger)
    corner = np.stack([placed.x0, placed.y0], axis=1).astype(np.float32)
    return {"cells": placed.energy, "corner": corner}, placed.usable


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.float64]]]:
    """The function that predicts from columns ``cell_x, cell_y, cell_e``, one sequence an event.

    Parameters
    ----------
    files : mapping
        ``network``: path of the saved graph; ``threshold``: path of a text file with the threshold in GeV;
        ``cluster``, if there: path of a text file with the two words of `answers`.
    """
    model, how = _opened(files)
    return lambda columns: answers(model, *flat_cells(columns), *how)


def graph(files: Mapping[str, str]) -> tuple[keras.Model, Callable[..., Any], dict[str, dict[str, str]]]:
    """What an export needs: the graph, what makes its inputs of columns, and what its numbers mean.

    Parameters
    ----------
    files : mapping
        As for `load`.
    """
    model, how = _opened(files)
    meaning = {}
    for name in (*(one.name for one in model.inputs), *model.output):
        number = name[-1] if name[-1] in "12" and name != "chi2" else ""
        unit, words = _MEANING[name.removesuffix(number)]
        pair = "x2" in model.output
        which = (
            {"1": " of the more energetic photon", "2": " of the other photon"}.get(number) if pair else ""
        )
        meaning[name] = {"unit": unit, "meaning": words + (which or "")}
    return model, lambda columns: tensors(model, *flat_cells(columns), *how), meaning


def _opened(files: Mapping[str, str]) -> tuple[keras.Model, tuple[Any, ...]]:
    """The graph, and what `answers` and `tensors` take behind the cells."""
    model = keras.models.load_model(files["network"], compile=False)
    with open(files["threshold"], encoding="ascii") as stream:
        threshold = float(stream.read())
    words: list[str] = []
    if "cluster" in files:
        with open(files["cluster"], encoding="ascii") as stream:
            words = stream.read().split()
    return model, (threshold, *words)
