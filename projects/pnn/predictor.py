"""Responses of a method of the search for new events; the file travels with the registered model.

A method was learned twice, from events with even and from events with odd numbers. Each event is answered by
what was learned from the others; one that fails the preselection has no answer.
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

__all__ = ["PARITIES", "Respond", "answers", "graph", "load", "matrix", "network_responses", "tree_responses",
           "window_responses"]  # fmt: skip

#: From columns of some events to responses, shape (events, masses).
Respond = Callable[[Mapping[str, Any]], NDArray[np.floating]]
#: What a method was learned from, in the order of its parts.
PARITIES = ("even", "odd")
#: Events in one call of a network.
_BATCH = 512


def answers(
    columns: Mapping[str, Any], facts: Mapping[str, Any], parts: Sequence[Respond]
) -> dict[str, NDArray[np.floating]]:
    """Responses of all events, one output a mass, ``m260`` and so on; NaN where the preselection fails.

    Parameters
    ----------
    columns : mapping of str to array
        Flat columns of a file.
    facts : mapping
        ``masses``: those of the hypotheses.
    parts : sequence of Respond
        Learned from even and from odd events.
    """
    passed, odd = preselected(columns), np.asarray(columns["event"]) % 2 == 1
    found = np.full((len(odd), len(facts["masses"])), np.nan)
    for part, asked in zip(parts, (odd, ~odd), strict=True):
        rows = np.flatnonzero(passed & asked)
        if len(rows):
            found[rows] = part({name: np.asarray(column)[rows] for name, column in columns.items()})
    return {f"m{mass:g}": found[:, index].copy() for index, mass in enumerate(facts["masses"])}


def matrix(columns: Mapping[str, Any], names: Sequence[str]) -> NDArray[np.float32]:
    """Columns side by side in single precision."""
    return np.stack([np.asarray(columns[name], dtype=np.float32) for name in names], axis=1)


def network_responses(
    model: Any, features: NDArray[np.float32], masses: Sequence[float]
) -> NDArray[np.float64]:
    """Responses of a network to every event under every mass, shape (events, masses).

    Parameters
    ----------
    model : keras.Model
        From features and a mass to a response; or from features to one response a mass, or to one for all.
    features : ndarray, shape (events, features)
    masses : sequence of float
        GeV.
    """
    events, number = len(features), len(masses)
    parameterised = model.input.shape[1] == features.shape[1] + 1
    parts = []
    for start in range(0, events, _BATCH):
        few = features[start : start + _BATCH]
        if parameterised:
            mass = np.tile(np.asarray(masses, np.float32), len(few))[:, None]
            found = np.asarray(model(np.concatenate([np.repeat(few, number, axis=0), mass], axis=1)))
            parts.append(found.reshape(len(few), number))
        else:
            found = np.asarray(model(few))
            parts.append(np.broadcast_to(found, (len(few), number)))
    return np.concatenate(parts).astype(np.float64) if parts else np.empty((0, number))


def window_responses(columns: Mapping[str, Any], windows: Mapping[str, Any]) -> NDArray[np.float64]:
    """How far an event lies from the middle of a window, in its half widths, negative.

    With several variables it is an ellipse. An event passes a window of n half widths if this exceeds -n.

    Parameters
    ----------
    columns : mapping of str to array
    windows : mapping of str to (centres, half widths)
        By column, each with one value a mass.
    """
    squared = 0.0
    for name, (centres, widths) in windows.items():
        values = np.asarray(columns[name], dtype=float)[:, None]
        squared = squared + ((values - np.asarray(centres)) / np.asarray(widths)) ** 2
    return -np.sqrt(squared)


def tree_responses(
    trees: Mapping[str, NDArray[Any]], features: NDArray[np.float32], masses: Sequence[float]
) -> NDArray[np.float64]:
    """Responses of boosted trees to features and a mass, shape (events, masses).

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
    """The compiled walk through all trees; it is compiled when it is first asked for."""
    import numba

    @numba.njit
    def summed(feature, threshold, left, right, value, rows, masses):
        found = np.zeros((len(rows), len(masses)))
        last = rows.shape[1]
        for event in range(len(rows)):
            for place in range(len(masses)):
                total = 0.0
                for tree in range(len(feature)):
                    node = 0
                    while feature[tree, node] >= 0:
                        asked = feature[tree, node]
                        x = masses[place] if asked == last else rows[event, asked]
                        node = left[tree, node] if x <= threshold[tree, node] else right[tree, node]
                    total += value[tree, node]
                found[event, place] = total
        return found

    return summed


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.floating]]]:
    """A function from columns to responses.

    Parameters
    ----------
    files : mapping of str to str
        Paths of ``facts.json``, which says the kind of method, its masses and columns, and of what it reads.
    """
    facts = json.loads(Path(files["facts.json"]).read_text())
    parts = [_opened(files, facts, parity) for parity in PARITIES]
    return lambda columns: answers(columns, facts, parts)


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
    """What an export needs: a network of both halves with one output a mass, and what makes its inputs.

    Its second input is 1 for events with odd numbers, which the network learned from even ones answers.
    """
    import keras
    from keras import ops

    facts = json.loads(Path(files["facts.json"]).read_text())
    names, masses = facts["features"], facts["masses"]
    columns = keras.Input((len(names),), name="columns")
    odd = keras.Input((1,), name="odd")
    both = []
    for parity in PARITIES:
        model = keras.models.load_model(files[f"{parity}.keras"], compile=False)
        model.name = f"learned_from_{parity}"
        if model.input.shape[1] == len(names) + 1:
            # Every event under every mass, as one long table.
            mass = ops.ones_like(columns[:, :1]) * np.asarray(masses, np.float32)
            each = keras.layers.RepeatVector(len(masses))(columns)
            table = ops.concatenate([each, ops.expand_dims(mass, -1)], axis=2)
            found = ops.reshape(model(ops.reshape(table, (-1, len(names) + 1))), (-1, len(masses)))
        else:
            found = model(columns)
        both.append(found)
    chosen = ops.where(odd > 0.5, *both)
    outputs = {
        f"m{mass:g}": chosen[:, index if chosen.shape[1] > 1 else 0] for index, mass in enumerate(masses)
    }
    named = keras.Model([columns, odd], outputs)

    def prepare(given: Mapping[str, Any]) -> tuple[dict[str, NDArray[np.floating]], NDArray[np.bool_]]:
        parity = (np.asarray(given["event"]) % 2).astype(np.float32)[:, None]
        return {"columns": matrix(given, names), "odd": parity}, preselected(given)

    meaning: dict[str, dict[str, Any]] = {
        "columns": {"of": names},
        "odd": {"unit": "", "meaning": "1 for events with odd numbers"},
    }
    for mass in masses:
        text = f"response under the hypothesis of {mass:g} GeV; none unless {', '.join(PRESELECTION)} pass"
        meaning[f"m{mass:g}"] = {"unit": "", "meaning": text}
    return named, prepare, meaning
