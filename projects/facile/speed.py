"""Time per event of a network against the batch size."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.facile.networks import COLUMNS
from projects.facile.simulation.events import simulate
from shashlik.estimators.regression import columns
from shashlik.exceptions import BadInput
from shashlik.export.onnx_graph import convert
from shashlik.figures import MARKERS, OTHERS, tidy
from shashlik.task.definition import Finding

__all__ = ["BATCHES", "measured", "nanoseconds"]

#: Batch sizes.
BATCHES = (1, 10, 100, 1000, 10_000, 100_000)
#: Measurement of the original study on one CPU: batch size and ns per event.
_STUDY = (10_000, 500.0)
#: A measurement repeats calls for this many seconds, up to this many calls, and uses the fastest.
_ENOUGH, _MOST = 0.15, 50

Ask = Callable[[NDArray[np.float32]], Any]


def measured(model: keras.Model) -> Finding:
    """Measure the time per event for each way to run a network from `COLUMNS`, as table, figure and numbers.

    ``network/ns_<way>`` are those of batches of 10 000. ONNX Runtime has one thread, and is omitted if it is
    not installed.
    """
    hits = simulate(2000, 1)
    inputs = columns(hits, COLUMNS).astype(np.float32)
    timings = {name: nanoseconds(ask, inputs) for name, ask in _ways(model).items()}
    lines = [
        f"| events in a call | {' | '.join(f'{name} (ns an event)' for name in timings)} |",
        "|---:|" + "---:|" * len(timings),
        *(
            f"| {batch} | {' | '.join(f'{times[batch]:.0f}' for times in timings.values())} |"
            for batch in BATCHES
        ),
    ]
    numbers = {f"network/ns_{name.replace(' ', '_')}": times[_STUDY[0]] for name, times in timings.items()}
    return Finding("\n".join(lines), _figure(timings), numbers)


def nanoseconds(ask: Ask, few: NDArray[np.float32]) -> dict[int, float]:
    """Measure the time per event in ns for every one of `BATCHES`, made of the same few events."""
    fastest = {}
    for batch in BATCHES:
        events = np.resize(few, (batch, few.shape[1]))
        ask(events)
        times: list[float] = []
        while not times or (len(times) < _MOST and sum(times) < _ENOUGH):
            begin = time.perf_counter()
            ask(events)
            times.append(time.perf_counter() - begin)
        fastest[batch] = 1e9 * min(times) / batch
    return fastest


def _ways(model: keras.Model) -> dict[str, Ask]:
    compiled = tf.function(lambda events: model(events, training=False), reduce_retracing=True)
    ways: dict[str, Ask] = {
        "keras predict": lambda events: model.predict(events, batch_size=len(events), verbose=0),
        "keras call": lambda events: keras.ops.convert_to_numpy(model(events, training=False)),
        "tf function": lambda events: compiled(tf.constant(events)).numpy(),
    }
    session = _session(model)
    if session is not None:
        ways["onnx runtime"] = lambda events: session.run(None, {"columns": events})
    return ways


def _session(model: keras.Model) -> Any:
    """Load the network in ONNX Runtime, on one thread; None if its packages are missing."""
    vector = keras.Input(model.input.shape[1:], name="columns")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        try:
            convert(keras.Model(vector, {"energy": model(vector)}), path)
        except BadInput:
            return None
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _figure(timings: dict[str, dict[int, float]]) -> Figure:
    figure = Figure(figsize=(6.5, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for (name, times), colour, marker in zip(timings.items(), OTHERS, MARKERS, strict=False):
        axes.plot(list(times), list(times.values()), color=colour, marker=marker, markersize=4, label=name)
    axes.plot(*_STUDY, "k*", markersize=9, label="original study")
    axes.set(xscale="log", yscale="log", xlabel="events in a call", ylabel="time an event (ns)")
    axes.legend(fontsize=8, frameon=False)
    tidy(axes)
    return figure
