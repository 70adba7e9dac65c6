"""Keras training loop for all tasks, regression and classification.

Events stay in memory. A compiled pipeline draws and augments them, and each of its random choices is a
function of (seed, epoch, step). The state of a training therefore consists of its variables and the number of
finished epochs: a run that was killed continues from its checkpoint with exactly the batches that would have
followed.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm.auto import tqdm

from shashlik.task.estimator import Bench

__all__ = ["Diverged", "OneCycle", "Plan", "predict", "prepare", "train"]

#: So few steps are run one by one: a compiled loop over many takes longer to make than it saves.
_FEW_STEPS = 200
#: Minimum number of seconds between checkpoints.
CHECKPOINT_EVERY = 20.0
#: So many events are answered sooner without a compiled graph, which takes seconds to make.
_FEW = 16_384


class Diverged(RuntimeError):
    """The loss is no longer a number. Its text is the single line shown to the user."""


def prepare(seed: int) -> None:
    """Seed Keras, request reproducible kernels and let TensorFlow use the cores of this process."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        tf.config.threading.set_intra_op_parallelism_threads(cores)
        tf.config.threading.set_inter_op_parallelism_threads(cores)
    except RuntimeError:
        pass  # TensorFlow has started already; its threads stay as they are.
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3":
        # Silence the Python side as well, which warns of every graph that it traces again.
        tf.get_logger().setLevel("ERROR")


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate that rises over a first part of the training and then falls along a cosine.

    Parameters
    ----------
    peak : float
        Largest rate.
    steps : int
        Optimizer steps of the whole training.
    rise : float
        Share of the steps spent rising from a tenth of the peak.
    last : float
        Rate at the end, relative to the peak.
    """

    def __init__(self, peak: float, steps: int, rise: float = 0.1, last: float = 0.01) -> None:
        self.peak, self.steps, self.rise, self.last = peak, steps, rise, last

    def __call__(self, step: Any) -> Any:
        done = tf.cast(step, tf.float32) / max(self.steps, 1)
        up = 0.1 + 0.9 * done / max(self.rise, 1e-6)
        fall = tf.clip_by_value((done - self.rise) / max(1.0 - self.rise, 1e-6), 0.0, 1.0)
        down = self.last + (1.0 - self.last) * 0.5 * (1.0 + tf.cos(np.pi * fall))
        return self.peak * tf.where(done < self.rise, up, down)


@dataclass(frozen=True)
class Plan:
    """Training plan of a network.

    Parameters
    ----------
    epochs, batch : int
        Number of epochs, and batch size.
    rate : float
        Peak learning rate of the one-cycle schedule, or the constant rate.
    constant : bool
        Whether the rate stays constant.
    patience : int or None
        Epochs without a better validation loss before the training stops; None: never.
    group : int
        Maximum number of steps in one call of the compiled function.
    jit : bool
        Whether XLA compiles the step; on CPUs this helps only for small batches.
    clip : float or None
        Largest norm of the gradient.
    """

    epochs: int
    batch: int = 1024
    rate: float = 1e-3
    constant: bool = False
    patience: int | None = None
    group: int = 32
    jit: bool = False
    clip: float | None = None


Arrays = NDArray[Any] | Sequence[NDArray[Any]]


def train(
    stage: str,
    model: keras.Model,
    loss: Callable[[Any, Any], Any],
    data: tuple[Arrays, Arrays],
    validation: tuple[Arrays, Arrays],
    plan: Plan,
    bench: Bench,
    augment: Callable[[Any, Any, Any], tuple[Any, Any]] | None = None,
    weights: NDArray[Any] | None = None,
    after: Callable[[], None] | None = None,
) -> dict[str, list[float]]:
    """Train a model in place and leave it with the weights of its best epoch.

    Parameters
    ----------
    stage : str
        Name of the curves and of the checkpoint below ``bench.scratch``.
    model : keras.Model
        Model that is built and not compiled; it stays uncompiled.
    loss : callable
        ``loss(truth, prediction)`` in Keras' sense.
    data, validation : (inputs, truth)
        Arrays, or sequences of arrays, of one length each.
    plan : Plan
        Epochs, batch size, learning rate.
    bench : shashlik.task.estimator.Bench
        Random seed, scratch folder, and callbacks for curves and checkpoints.
    augment : callable, optional
        ``augment(inputs, truth, seed)`` changes a batch of tensors; ``seed`` is a stateless seed, shape (2,).
    weights : ndarray, optional
        Weight of each training event.
    after : callable, optional
        Called after each epoch, before a checkpoint is written; it may change weights.

    Returns
    -------
    mapping of str to list of float
        ``loss``, ``val_loss`` and ``rate`` of every epoch.

    Raises
    ------
    Diverged
        When the loss becomes NaN or infinite.
    """
    events = len(_first(data[0]))
    batch = min(plan.batch, events)
    # Keras runs whole groups only, so an epoch is a number of groups; a few events wait for the next epoch.
    calls = -(-(events // batch) // plan.group)
    group = events // batch // calls
    steps = group * calls
    schedule: Any = plan.rate if plan.constant else OneCycle(plan.rate, steps * plan.epochs)
    optimizer = keras.optimizers.Adam(schedule, global_clipnorm=plan.clip)
    # A twin with the same layers is compiled, so that the saved model carries no loss and no optimizer.
    twin = keras.Model(model.inputs, model.outputs)
    together = group if steps * plan.epochs > _FEW_STEPS else 1
    twin.compile(optimizer, loss, jit_compile=plan.jit, steps_per_execution=together)
    optimizer.build(twin.trainable_variables)
    state = _State(stage, model, optimizer, bench.scratch / f"{stage}.npz", bench)
    state.resume()
    if not state.finished and state.epoch < plan.epochs:
        columns = data if weights is None else (*data, weights)
        batches = _batches(columns, batch, steps, state.epoch, plan.epochs, bench.seed, augment)
        watch = _Watch(state, plan, validation, max(batch, 1024), after)
        try:
            twin.fit(
                batches,
                initial_epoch=state.epoch,
                epochs=plan.epochs,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=0,
                callbacks=[watch],
            )
        finally:
            watch.bar.close()  # before the next line of output
    state.finish()
    return state.history


def predict(model: keras.Model, inputs: Arrays, batch: int = 4096) -> Any:
    """Predict all events with a model, as numpy arrays."""
    events = len(_first(inputs))
    if events > _FEW:
        return model.predict(inputs, batch_size=batch, verbose=0)

    def answer(first: int) -> Any:
        part = tf.nest.map_structure(lambda array: array[first : first + batch], inputs)
        return model(part, training=False)

    parts = [answer(first) for first in range(0, max(events, 1), batch)]
    return tf.nest.map_structure(lambda *batches: np.concatenate(batches), *parts)


def _first(arrays: Arrays) -> NDArray[Any]:
    return tf.nest.flatten(arrays)[0]


def _batches(
    columns: tuple[Any, ...],
    batch: int,
    steps: int,
    first: int,
    last: int,
    seed: int,
    augment: Callable[[Any, Any, Any], tuple[Any, Any]] | None,
) -> tf.data.Dataset:
    """Build the batches of epochs first .. last-1, each a function of (seed, epoch, step) only."""
    tensors = tf.nest.map_structure(tf.convert_to_tensor, columns)
    events = len(_first(columns))

    def epoch(number: Any) -> tf.data.Dataset:
        order = tf.random.experimental.stateless_shuffle(tf.range(events), seed=tf.stack([seed, number]))
        rows = tf.reshape(order[: steps * batch], (steps, batch))
        return tf.data.Dataset.from_tensor_slices((number * steps + tf.range(steps, dtype=tf.int64), rows))

    def draw(step: Any, rows: Any) -> Any:
        selected = tf.nest.map_structure(lambda tensor: tf.gather(tensor, rows), tensors)
        if augment is not None:
            selected = (*augment(selected[0], selected[1], tf.stack([seed, step])), *selected[2:])
        return selected

    numbers = tf.data.Dataset.range(first, last)
    return numbers.flat_map(epoch).map(draw, num_parallel_calls=2).prefetch(8)


class _State:
    """Variables, finished epochs, best weights and history of one stage, with their checkpoint."""

    def __init__(self, stage: str, model: keras.Model, optimizer: Any, path: Path, bench: Bench) -> None:
        self.stage, self.model, self.optimizer, self.path, self.bench = stage, model, optimizer, path, bench
        self.epoch, self.best_epoch, self.best, self.finished = 0, 0, np.inf, False
        self.best_weights = model.get_weights()
        self.history: dict[str, list[float]] = {"loss": [], "val_loss": [], "rate": []}
        self.written = time.monotonic()

    def advance(self, facts: Mapping[str, float]) -> None:
        """Count a finished epoch and keep its weights if it is the best one so far."""
        self.epoch += 1
        for name, value in facts.items():
            self.history[name].append(value)
        if facts["val_loss"] < self.best:
            self.best, self.best_epoch = facts["val_loss"], self.epoch
            self.best_weights = self.model.get_weights()

    def finish(self) -> None:
        """Set the best weights in the model, and write them to disk."""
        self.model.set_weights(self.best_weights)
        if not self.finished:
            self.finished = True
            self.write()

    def write(self) -> None:
        """Replace the checkpoint atomically, so that a kill leaves either the old or the new one."""
        facts = {key: getattr(self, key) for key in ("epoch", "best_epoch", "best", "finished", "history")}
        arrays = {f"model_{i}": value for i, value in enumerate(self.model.get_weights())}
        arrays |= {f"best_{i}": value for i, value in enumerate(self.best_weights)}
        arrays |= {f"optimizer_{i}": v.numpy() for i, v in enumerate(self.optimizer.variables)}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        with draft.open("wb") as stream:
            np.savez(stream, facts=np.array(json.dumps(facts)), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, self.path)
        self.written = time.monotonic()
        self.bench.checkpointed(self.path)

    def resume(self) -> None:
        """Continue from the checkpoint if there is one."""
        if not self.path.exists():
            return
        with np.load(self.path) as file:
            for key, value in json.loads(str(file["facts"])).items():
                setattr(self, key, value)
            weights = range(len(self.best_weights))
            self.model.set_weights([file[f"model_{i}"] for i in weights])
            self.best_weights = [file[f"best_{i}"] for i in weights]
            for i, variable in enumerate(self.optimizer.variables):
                variable.assign(file[f"optimizer_{i}"])


class _Watch(keras.callbacks.Callback):
    """Validation, curves, checkpoints, early stopping and the progress bar."""

    def __init__(
        self,
        state: _State,
        plan: Plan,
        validation: tuple[Arrays, Arrays],
        batch: int,
        after: Callable[[], None] | None,
    ) -> None:
        super().__init__()
        self.after = after
        self.state, self.plan, self.validation, self.batch = state, plan, validation, batch
        self.bar = tqdm(total=plan.epochs, initial=state.epoch, desc=f"training {state.stage}", unit="epoch")

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        self._must_be_finite((logs or {}).get("loss", 0.0))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        inputs, truth = self.validation
        validation = self.model.evaluate(inputs, truth, batch_size=self.batch, verbose=0, return_dict=True)
        facts = {
            "loss": float((logs or {})["loss"]),
            "val_loss": float(validation["loss"]),
            "rate": float(self.state.optimizer.learning_rate),
        }
        # A ReLU may turn NaN into 0 and hide that the weights are lost.
        weights_sum = sum(float(np.sum(array)) for array in self.model.get_weights())
        self._must_be_finite(facts["val_loss"] + 0.0 * weights_sum)
        state = self.state
        state.advance(facts)
        if self.after is not None:
            self.after()
        state.bench.curve(state.stage, facts, state.epoch)
        self.bar.update()
        self.bar.set_postfix(loss=f"{facts['loss']:.4g}", validation=f"{facts['val_loss']:.4g}")
        if self.plan.patience is not None and state.epoch - state.best_epoch >= self.plan.patience:
            self.model.stop_training = True
        elif time.monotonic() - state.written > CHECKPOINT_EVERY and state.epoch < self.plan.epochs:
            state.write()

    def _must_be_finite(self, loss: float) -> None:
        if not np.isfinite(loss):
            raise Diverged(
                f"training {self.state.stage!r}: the loss is {loss} in epoch {self.state.epoch + 1}; "
                f"lower the rate (now {self.plan.rate:g}) or look for non-finite input"
            )
