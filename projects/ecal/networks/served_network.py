"""Predictions of a saved photon network; travels with every registered network (numpy and Keras)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from projects.ecal.fits.corrections import flat_cells
from projects.ecal.windows.placement import Windows, windows
from projects.ecal.windows.whole_image import Image, image

__all__ = ["answers", "graph", "load", "tensors"]

#: Batch size of the graph for a window and for the whole image; limited by memory.
_BATCH = {False: 2048, True: 256}
#: Up to this many events are faster without a compiled graph, which takes seconds to build.
_FEW = 256
#: Unit and meaning of the graph's inputs and, without the photon's number, of its outputs.
_MEANING = {
    "cells": ("GeV", "energies of the cells of the image, [iy][ix], 0 where a cell is absent"),
    "corner": ("cm", "x and y of the centre of the image's lower-left cell"),
    "x": ("cm", "position at the front face"),
    "y": ("cm", "position at the front face"),
    "e": ("GeV", "energy"),
    "sx": ("cm", "half of the central 68 % of the error of x"),
    "sy": ("cm", "half of the central 68 % of the error of y"),
    "se": ("GeV", "half of the central 68 % of the error of e"),
    "chi2": ("", "chi-square of the fit of the showers to the cells"),
    "photons": ("", "number of photons found; one more than answered for any number more"),
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
    """Predict all events with the graph; NaN for unusable events.

    Parameters
    ----------
    model : keras.Model
        Maps ``cells`` and ``corner`` to named outputs.
    offsets, x, y, energy : ndarray
        Flat cells in the form of `projects.ecal.windows.placement.windows`.
    threshold : float
        Cells at or below this energy (GeV) are absent, as in the training.
    cluster, larger : str
        Cells that belong to an event and treatment of large clusters, see
        `projects.ecal.windows.placement.windows`.
    """
    inputs, usable = tensors(model, offsets, x, y, energy, threshold, cluster, larger)
    if len(usable) <= _FEW:
        outputs = model(list(inputs.values()), training=False)
    else:
        outputs = model.predict(list(inputs.values()), batch_size=_BATCH[_whole(model)], verbose=0)
    columns = {name: np.array(values, dtype=np.float64) for name, values in outputs.items()}
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
    """Return inputs of the graph by name, shape (events, ...), and usable events; as for `answers`."""
    size = _shape(model)[0]
    placed: Windows | Image
    if _whole(model):
        placed = image(offsets, x, y, energy, threshold)
    else:
        placed = windows(offsets, x, y, energy, size, threshold, cluster=cluster, larger=larger)
    corner = np.stack([placed.x0, placed.y0], axis=1).astype(np.float32)
    return {"cells": placed.energy, "corner": corner}, placed.usable


def _shape(model: keras.Model) -> tuple[int, int]:
    """Return the numbers of rows and columns of the graph's cells."""
    (cells,) = (tensor for tensor in model.inputs if tensor.name == "cells")
    return cells.shape[1], cells.shape[2]


def _whole(model: keras.Model) -> bool:
    """Return whether the input is the image of the whole shashlik part, which is not square, or a window."""
    rows, columns = _shape(model)
    return rows != columns


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.float64]]]:
    """Load the function that predicts from columns ``cell_x, cell_y, cell_e``, one sequence per event.

    Parameters
    ----------
    files : mapping
        ``network``: path of the saved graph; ``threshold``: path of a text file with the threshold in GeV;
        ``cluster``, optional: path of a text file with the arguments `cluster` and `larger` of `answers`.
    """
    model, options = _opened(files)
    return lambda columns: answers(model, *flat_cells(columns), *options)


def graph(files: Mapping[str, str]) -> tuple[keras.Model, Callable[..., Any], dict[str, dict[str, str]]]:
    """Return the graph, a function from columns to its inputs, and its documented columns, for export.

    Parameters
    ----------
    files : mapping
        As for `load`.
    """
    model, options = _opened(files)
    meaning = {}
    for name in (*(tensor.name for tensor in model.inputs), *model.output):
        number = "" if name in _MEANING else name.lstrip("sxye")
        unit, words = _MEANING[name.removesuffix(number)]
        photon = ""
        if number and "x2" in model.output:
            photon = " of the most energetic photon" if number == "1" else f" of photon {number} by energy"
        meaning[name] = {"unit": unit, "meaning": words + photon}
    return model, lambda columns: tensors(model, *flat_cells(columns), *options), meaning


def _opened(files: Mapping[str, str]) -> tuple[keras.Model, tuple[Any, ...]]:
    """Load the graph and the arguments of `answers` and `tensors` that follow the cells."""
    model = keras.models.load_model(files["network"], compile=False)
    with open(files["threshold"], encoding="ascii") as stream:
        threshold = float(stream.read())
    words: list[str] = []
    if "cluster" in files:
        with open(files["cluster"], encoding="ascii") as stream:
            words = stream.read().split()
    return model, (threshold, *words)
