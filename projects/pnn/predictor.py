"""Predictions of a method of the search; the file travels with the registered model.

A method is trained twice, on events with even and with odd numbers. Each event is predicted by the part
trained on the other half; an event that fails the preselection has no prediction. The tail probability of its
response comes from the other quarter of its own half: events used neither for training nor for the
prediction.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.pnn.selection import PRESELECTION, preselected
from projects.pnn.tail_probability import ends, tail_probability

__all__ = [
    "PARITIES",
    "QUARTERS",
    "Respond",
    "answers",
    "graph",
    "load",
    "matrix",
    "network_responses",
    "quarter",
    "responses",
    "tree_responses",
    "window_responses",
]

#: Maps columns of some events to responses, shape (events, masses).
Respond = Callable[[Mapping[str, Any]], NDArray[np.floating]]
#: Training halves of a method, in the order of its parts.
PARITIES = ("even", "odd")
#: Quarters of the events, see `quarter`.
QUARTERS = 4
#: Events in one call of a network.
_BATCH = 512


def quarter(columns: Mapping[str, Any]) -> NDArray[np.integer]:
    """Return event numbers modulo four: 0 and 2 form one half, 1 and 3 the other."""
    return np.asarray(columns["event"]) % QUARTERS


def responses(
    columns: Mapping[str, Any], masses: Sequence[float], parts: Sequence[Respond]
) -> NDArray[np.float64]:
    """Compute responses to all events under every mass, (events, masses); NaN if the preselection fails.

    Parameters
    ----------
    columns : mapping of str to array
        Flat columns of a file.
    masses : sequence of float
        Masses of the hypotheses.
    parts : sequence of Respond
        Trained on even and on odd events.
    """
    passed, odd = preselected(columns), np.asarray(columns["event"]) % 2 == 1
    response = np.full((len(odd), len(masses)), np.nan)
    for part, other_half in zip(parts, (odd, ~odd), strict=True):
        rows = np.flatnonzero(passed & other_half)
        if len(rows):
            response[rows] = part({name: np.asarray(column)[rows] for name, column in columns.items()})
    return response


def answers(
    columns: Mapping[str, Any],
    masses: Sequence[float],
    parts: Sequence[Respond],
    tables: Sequence[NDArray[np.float64]],
) -> dict[str, NDArray[np.floating]]:
    """Predict response ``m260`` and tail probability ``p260`` per mass; NaN if the preselection fails.

    Parameters
    ----------
    columns, masses, parts
        See `responses`.
    tables : sequence of ndarray
        Tail probabilities of each `quarter`, see `projects.pnn.tail_probability.tabulated`.
    """
    response, event_quarter = responses(columns, masses, parts), quarter(columns)
    tails = np.full_like(response, np.nan)
    for number, table in enumerate(tables):
        tails[event_quarter == number] = tail_probability(response[event_quarter == number], table)
    return {
        f"{letter}{mass:g}": values[:, index].copy()
        for letter, values in (("m", response), ("p", tails))
        for index, mass in enumerate(masses)
    }


def matrix(columns: Mapping[str, Any], names: Sequence[str]) -> NDArray[np.float32]:
    """Stack columns side by side in single precision."""
    return np.stack([np.asarray(columns[name], dtype=np.float32) for name in names], axis=1)


def network_responses(
    model: Any, features: NDArray[np.float32], masses: Sequence[float]
) -> NDArray[np.float64]:
    """Compute responses of a network to every event under every mass, shape (events, masses).

    Parameters
    ----------
    model : keras.Model
        Maps features and a mass to a response; or features to one response per mass, or to one for all.
    features : ndarray, shape (events, features)
    masses : sequence of float
        GeV.
    """
    events, number = len(features), len(masses)
    parameterised = model.input.shape[1] == features.shape[1] + 1
    parts = []
    for start in range(0, events, _BATCH):
        batch = features[start : start + _BATCH]
        if parameterised:
            mass = np.tile(np.asarray(masses, np.float32), len(batch))[:, None]
            outputs = np.asarray(model(np.concatenate([np.repeat(batch, number, axis=0), mass], axis=1)))
            parts.append(outputs.reshape(len(batch), number))
        else:
            outputs = np.asarray(model(batch))
            parts.append(np.broadcast_to(outputs, (len(batch), number)))
    return np.concatenate(parts).astype(np.float64) if parts else np.empty((0, number))


def window_responses(columns: Mapping[str, Any], windows: Mapping[str, Any]) -> NDArray[np.float64]:
    """Return the negative distance of an event from the centre of a window, in its half widths.

    With several variables the window is an ellipse. An event passes a window of n half widths if this exceeds
    -n.

    Parameters
    ----------
    columns : mapping of str to array
    windows : mapping of str to (centres, half widths)
        By column, each with one value per mass.
    """
    squared = 0.0
    for name, (centres, widths) in windows.items():
        values = np.asarray(columns[name], dtype=float)[:, None]
        squared = squared + ((values - np.asarray(centres)) / np.asarray(widths)) ** 2
    return -np.sqrt(squared)


def tree_responses(
    trees: Mapping[str, NDArray[Any]], features: NDArray[np.float32], masses: Sequence[float]
) -> NDArray[np.float64]:
    """Compute responses of boosted trees to features and a mass, shape (events, masses).

    Parameters
    ----------
    trees : mapping of str to ndarray
        ``feature``, ``threshold``, ``left``, ``right``, ``value``, shape (trees, nodes); a leaf has the
        feature -1. ``start``: the sum before the first tree.
    features : ndarray, shape (events, features)
    masses : sequence of float
    """
    names = ("feature", "threshold", "left", "right", "value")
    arrays = (trees[name] for name in names)
    logits = _walk()(*arrays, features.astype(np.float64), np.asarray(masses, dtype=np.float64))
    return 1.0 / (1.0 + np.exp(-(logits + float(trees["start"]))))


@cache
def _walk() -> Any:
    """Return the compiled walk through all trees; compilation happens at the first call."""
    import numba

    @numba.njit
    def summed(feature, threshold, left, right, value, rows, masses):
        sums = np.zeros((len(rows), len(masses)))
        last = rows.shape[1]
        for event in range(len(rows)):
            for hypothesis in range(len(masses)):
                total = 0.0
                for tree in range(len(feature)):
                    node = 0
                    while feature[tree, node] >= 0:
                        index = feature[tree, node]
                        x = masses[hypothesis] if index == last else rows[event, index]
                        node = left[tree, node] if x <= threshold[tree, node] else right[tree, node]
                    total += value[tree, node]
                sums[event, hypothesis] = total
        return sums

    return summed


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """Load a function from columns to predictions.

    Parameters
    ----------
    files : mapping of str to str
        Paths of ``facts.json``, with the kind of method, its masses and columns, of ``tails.npz``, with a
        table for each quarter, and of the method's own files.
    """
    facts = json.loads(Path(files["facts.json"]).read_text())
    parts, tables = [_opened(files, facts, parity) for parity in PARITIES], _tables(files)
    return lambda columns: answers(columns, facts["masses"], parts, tables)


def _tables(files: Mapping[str, str]) -> list[NDArray[np.float64]]:
    with np.load(files["tails.npz"]) as file:
        return [file[str(number)] for number in range(QUARTERS)]


def _opened(files: Mapping[str, str], facts: Mapping[str, Any], parity: str) -> Respond:
    names, masses = facts["features"], facts["masses"]
    if facts["kind"] == "windows":
        return lambda columns: window_responses(columns, facts["windows"][parity])
    if facts["kind"] == "trees":
        with np.load(files[f"{parity}.npz"]) as file:
            trees = dict(file)
        return lambda columns: tree_responses(trees, matrix(columns, names), masses)
    import keras

    model = keras.models.load_model(files[f"{parity}.keras"], compile=False)
    return lambda columns: network_responses(model, matrix(columns, names), masses)


def graph(files: Mapping[str, str]) -> tuple[Any, Callable[..., Any], dict[str, dict[str, Any]]]:
    """Return a network of both halves with two outputs per mass, for export, and the function for its inputs.

    Its second input is the event number modulo four, which selects the half for an event, see `answers`.
    """
    import keras
    from keras import ops

    facts = json.loads(Path(files["facts.json"]).read_text())
    names, masses = facts["features"], facts["masses"]
    columns = keras.Input((len(names),), name="columns")
    number = keras.Input((1,), name="quarter")
    half_responses = []
    for parity in PARITIES:
        model = keras.models.load_model(files[f"{parity}.keras"], compile=False)
        model.name = f"learned_from_{parity}"
        for layer in model.layers:
            if getattr(layer, "activation", None) is keras.activations.sigmoid:
                layer.activation = _sigmoid
        if model.input.shape[1] == len(names) + 1:
            # Every event under every mass, as one long table.
            mass = ops.ones_like(columns[:, :1]) * np.asarray(masses, np.float32)
            repeated = keras.layers.RepeatVector(len(masses))(columns)
            table = ops.concatenate([repeated, ops.expand_dims(mass, -1)], axis=2)
            half_response = ops.reshape(model(ops.reshape(table, (-1, len(names) + 1))), (-1, len(masses)))
        else:
            half_response = model(columns) * np.ones((1, len(masses)), np.float32)
        half_responses.append(half_response)
    # The distance from 2 is 1 for 1 and 3, but not for 0.
    odd = ops.abs(ops.abs(number - 2.0) - 1.0) < 0.5
    response = ops.where(odd, *half_responses)
    tails = ops.zeros_like(response)
    for index, table in enumerate(_tables(files)):
        tails = ops.where(ops.abs(number - index) < 0.5, _tail_in_graph(response, table), tails)
    outputs = {
        f"{letter}{mass:g}": values[:, index]
        for letter, values in (("m", response), ("p", tails))
        for index, mass in enumerate(masses)
    }
    exported = keras.Model([columns, number], outputs)

    def prepare(events: Mapping[str, Any]) -> tuple[dict[str, NDArray[np.floating]], NDArray[np.bool_]]:
        event_quarter = quarter(events).astype(np.float32)[:, None]
        return {"columns": matrix(events, names), "quarter": event_quarter}, preselected(events)

    meaning: dict[str, dict[str, Any]] = {
        "columns": {"of": names},
        "quarter": {"unit": "", "meaning": "event number modulo 4"},
    }
    none = f"none unless {', '.join(PRESELECTION)} pass"
    for mass in masses:
        text = f"response under the hypothesis of {mass:g} GeV; {none}"
        meaning[f"m{mass:g}"] = {"unit": "", "meaning": text}
        text = f"share of the background with at least that response; {none}"
        meaning[f"p{mass:g}"] = {"unit": "", "meaning": text}
    return exported, prepare, meaning


def _sigmoid(logits: Any) -> Any:
    """Compute a sigmoid of small relative error, for ranks of small responses; ONNX Runtime's is 1e-7."""
    from keras import ops

    return 1.0 / (ops.exp(-logits) + 1.0)


def _tail_in_graph(response: Any, table: NDArray[np.float64]) -> Any:
    """Compute `tail_probability` in operations of a graph and single precision.

    Starting at the largest knot, the share between two knots is added in proportion to the part above the
    response, so that small shares are sums of few terms.
    """
    from keras import ops

    knots, shares = table
    steps = np.diff(knots, axis=-1)
    # Equal knots have equal shares.
    slopes = -np.diff(shares, axis=-1) / np.where(steps > 0, steps, 1.0)
    expanded = ops.expand_dims(response, -1)
    upper, most, slope = (values.astype(np.float32) for values in (knots[:, 1:], steps, slopes))
    share = ops.sum(ops.clip(-(expanded - upper), 0.0, most) * slope, axis=-1) + shares[:, -1].astype(
        np.float32
    )
    low, high = (values.astype(np.float32) for values in ends(knots))
    first, last = (knots[:, end].astype(np.float32) for end in (0, -1))
    above, below = ops.maximum(response - last, 0.0), ops.maximum(-(response - first), 0.0)
    fallen = share / (above / high + 1.0)
    return fallen + (1.0 - fallen) * below / (below + low)
