"""Training of many small networks at once: one step updates all members, each with its own events and order.

One such network cannot use a processor fully; stacked, they form one matrix product per layer. Every random
choice follows from (seed, member, epoch), so an interrupted training continues from its checkpoint with the
same result.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from projects.pnn.ensemble.one_cycle import Cycle, Suggestion, one_cycle, suggested, sweep
from projects.pnn.ensemble.stacked_networks import Stack, drawn
from projects.pnn.ensemble.stacked_step import Events, Machine, Member
from shashlik.estimators.training import CHECKPOINT_EVERY, Diverged
from shashlik.task.estimator import Bench

__all__ = ["Trained", "find_rates", "train"]


@dataclass
class Trained:
    """Members after their training.

    Parameters
    ----------
    stack : Stack
        Each member's weights of its best sub-epoch.
    losses : ndarray, shape (members, sub-epochs)
        Validation loss.
    training : ndarray, shape (members, sub-epochs)
        Mean loss in the steps of a sub-epoch.
    best : ndarray of int, shape (members,)
        Sub-epoch of each member's final weights.
    """

    stack: Stack
    losses: NDArray[np.float64]
    training: NDArray[np.float64]
    best: NDArray[np.integer]
    seconds: float = 0.0

    @property
    def least(self) -> NDArray[np.float64]:
        """The smallest validation loss of each member."""
        return self.losses[np.arange(len(self.best)), self.best]


def train(
    stage: str,
    events: Events,
    members: Sequence[Member],
    shape: tuple[int, int],
    cycle: Cycle,
    bench: Bench,
) -> Trained:
    """Train all members through one cycle.

    Parameters
    ----------
    stage : str
        Name of the curves and of the checkpoint.
    events : Events
    members : sequence of Member
        An epoch has as many steps as the member with the fewest events; a larger member uses other events in
        each epoch.
    shape : (width, depth)
        Width and number of the hidden layers.
    cycle : Cycle
    bench : Bench

    Raises
    ------
    Diverged
        If the loss of a member is not finite.
    """
    begin = time.monotonic()
    steps, batch = _steps(members, cycle)
    size = len(members), events.inputs.shape[1]
    start = drawn(*size, *shape, bench.seed)
    machine = Machine(start, events, members)
    rates, momenta = one_cycle(cycle, steps * cycle.epochs)
    parts = min(cycle.parts, steps)
    state = _State(bench.scratch / f"{stage}.npz", machine)
    state.resume()
    watch = _table([member.watch for member in members])
    last = 0 if state.finished else cycle.epochs
    with tqdm(total=cycle.epochs, initial=state.epoch, desc=f"training {stage}", unit="epoch") as bar:
        for epoch in range(state.epoch, last):
            rows = _orders(members, batch * steps, bench.seed, epoch).reshape(len(members), steps, batch)
            rows = rows.transpose(1, 0, 2)
            for part in np.array_split(np.arange(steps), parts):
                at = epoch * steps + part
                mean = machine.steps(rows[part], rates[at], momenta[at]).numpy().mean(axis=0)
                state.advance(mean, machine.validate(watch))
                if not np.isfinite(state.losses[-1] + mean).all():
                    raise Diverged(
                        f"training {stage!r}: the loss of member {int(np.argmin(np.isfinite(mean)))} is no "
                        f"number in epoch {epoch + 1}; lower the rate (now up to {cycle.high:g})"
                    )
            state.epoch = epoch + 1
            facts = {"loss": float(np.mean(state.training[-1])), "val_loss": float(np.mean(state.losses[-1]))}
            bench.curve(stage, facts | {"rate": float(rates[at[-1]])}, state.epoch)
            bar.update()
            bar.set_postfix(loss=f"{facts['loss']:.4g}", validation=f"{facts['val_loss']:.4g}")
            if len(state.losses) - 1 - state.best.max() >= cycle.patience * parts:
                break
            if time.monotonic() - state.written > CHECKPOINT_EVERY:
                state.write(bench.checkpointed)
    if not state.finished:
        state.seconds += time.monotonic() - begin
        state.finished = True
        state.write(bench.checkpointed)
    losses, training = (np.array(curves).T for curves in (state.losses, state.training))
    return Trained(state.kept, losses, training, state.best, state.seconds)


def find_rates(
    events: Events,
    members: Sequence[Member],
    shape: tuple[int, int],
    cycle: Cycle,
    seed: int,
    bounds: tuple[float, float] = (1e-7, 10.0),
    steps: int = 200,
) -> Suggestion:
    """Compute losses of all members in a sweep of the rate over one epoch, limited to 50 to `steps` steps."""
    number, batch = _steps(members, cycle)
    number = min(max(number, 50), steps)
    machine = Machine(drawn(len(members), events.inputs.shape[1], *shape, seed), events, members)
    rates = sweep(*bounds, number)
    rows = np.stack([_orders(members, batch, seed, step) for step in range(number)])
    losses = machine.steps(rows, rates, np.full(number, cycle.momentum[1], np.float32)).numpy()
    return suggested(rates, losses.T)


def _steps(members: Sequence[Member], cycle: Cycle) -> tuple[int, int]:
    """Return the steps per epoch, and the batch size."""
    fewest = min(len(member.train) for member in members)
    batch = min(cycle.batch, fewest)
    return fewest // batch, batch


def _orders(members: Sequence[Member], number: int, seed: int, epoch: int) -> NDArray[np.int32]:
    """Draw for each member `number` events in a random order, shape (members, number)."""
    rows = [
        np.random.default_rng((seed, index, epoch)).permutation(member.train)[:number]
        for index, member in enumerate(members)
    ]
    return np.stack(rows).astype(np.int32)


def _table(rows: Sequence[NDArray[np.integer]]) -> NDArray[np.int32]:
    """Cut index arrays to the length of the shortest."""
    fewest = min(map(len, rows))
    return np.stack([indices[:fewest] for indices in rows]).astype(np.int32)


@dataclass
class _State:
    """State of a resumable training, with its checkpoint file."""

    path: Path
    machine: Machine
    epoch: int = 0
    finished: bool = False
    seconds: float = 0.0
    losses: list[NDArray[np.float64]] = field(default_factory=list)
    training: list[NDArray[np.float64]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.kept: Stack = self.machine.values()
        members = len(self.kept[0])
        self.least = np.full(members, np.inf)
        self.best = np.zeros(members, dtype=int)
        self.written = time.monotonic()

    def advance(self, training: NDArray[np.floating], losses: NDArray[np.float64]) -> None:
        """Add a sub-epoch and store the weights of the members that improve."""
        self.training.append(np.array(training, dtype=np.float64))
        self.losses.append(losses)
        better = losses < self.least
        self.least = np.where(better, losses, self.least)
        self.best = np.where(better, len(self.losses) - 1, self.best)
        for best_weights, weights in zip(self.kept, self.machine.values(), strict=True):
            best_weights[better] = weights[better]

    def _variables(self) -> list[Any]:
        machine = self.machine
        return [*machine.weights, *machine.first, *machine.second, machine.done, machine.product]

    def write(self, announce: Callable[[Path], None]) -> None:
        """Write atomically, so that an interruption leaves the old checkpoint or the new one."""
        facts = {"epoch": self.epoch, "finished": self.finished, "seconds": self.seconds}
        arrays = {f"variable_{i}": variable.numpy() for i, variable in enumerate(self._variables())}
        arrays |= {f"kept_{i}": array for i, array in enumerate(self.kept)}
        arrays |= {name: np.array(getattr(self, name)) for name in ("losses", "training", "least", "best")}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_suffix(".draft")
        with draft.open("wb") as stream:
            np.savez(stream, facts=np.array(json.dumps(facts)), **arrays)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, self.path)
        self.written = time.monotonic()
        announce(self.path)

    def resume(self) -> None:
        """Resume from the checkpoint, if there is one."""
        if not self.path.exists():
            return
        with np.load(self.path) as file:
            for name, value in json.loads(str(file["facts"])).items():
                setattr(self, name, value)
            for index, variable in enumerate(self._variables()):
                variable.assign(file[f"variable_{index}"])
            self.kept = [file[f"kept_{index}"] for index in range(len(self.kept))]
            self.losses, self.training = list(file["losses"]), list(file["training"])
            self.least, self.best = file["least"], file["best"]
