"""Search for the smallest network that computes a mass: a family of architectures, several seeds each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

import keras
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.mass.networks import Architecture
from shashlik.estimators.keras_predictor import answers
from shashlik.estimators.regression import Regression, columns, training_events
from shashlik.estimators.training import prepare
from shashlik.task.definition import Finding
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["Search", "Trial", "front"]

#: The notebook's criterion: a network succeeds with this share of masses within this relative error.
PASSED, TOLERANCE = 0.9, 0.1
#: Share of the training events used only to compare architectures.
VALIDATION = 0.5


@dataclass(frozen=True)
class Trial:
    """One training of one architecture.

    Parameters
    ----------
    architecture : str
        Name of the architecture.
    parameters : int
        Number of trainable weights.
    success : float
        Share of validation masses within the tolerance.
    model : keras.Model
        The trained network.
    """

    architecture: str
    parameters: int
    success: float
    model: keras.Model


@dataclass(frozen=True)
class Search:
    """An estimator that trains every architecture and predicts with the smallest one that succeeds.

    Parameters
    ----------
    family : mapping of str to Architecture
        The competitors.
    basis : {"cartesian", "polar"}
        Meaning of the inputs.
    inputs : tuple of str
        The four columns.
    trainings : int
        Trainings of each architecture, with different seeds.
    simulated : int
        As for `Regression`.
    trials : tuple of Trial
        Results; empty before `fit`.
    validated : int
        Number of validation events.
    chosen : Regression, optional
        The winner; None before `fit`.
    """

    family: Mapping[str, Architecture]
    basis: str
    inputs: tuple[str, ...]
    trainings: int
    simulated: int = 0
    name: str = "network"
    trials: tuple[Trial, ...] = ()
    validated: int = 0
    chosen: Regression | None = None

    def fit(self, train: Sample, bench: Bench) -> Search:
        """Run all trainings; return the fitted copy.

        Finished trainings are saved in the scratch folder, so that an interrupted search continues.
        """
        train = training_events(train, bench, self.simulated)
        vectors, masses = columns(train, self.inputs), columns(train, ("mass",))
        training_size = int(len(vectors) * (1.0 - VALIDATION))
        seeds = [int(state) for state in np.random.SeedSequence(bench.seed).generate_state(self.trainings)]
        trials = []
        for architecture in self.family.values():
            for number, seed in enumerate(seeds):
                name = f"{architecture.name}-{number}"
                trial_bench = replace(
                    bench, seed=seed, scratch=bench.scratch / name, curve=_prefixed(bench, name)
                )
                model = self._training(
                    architecture, vectors[:training_size], masses[:training_size], trial_bench
                )
                success = _success(model, vectors[training_size:], masses[training_size:, 0])
                trials.append(Trial(architecture.name, model.count_params(), success, model))
                bench.curve(architecture.name, {"success": success}, number)
        best = _best(trials)
        winner = Regression(
            self.inputs,
            ("mass",),
            partial(self.family[best.architecture].train, self.basis),
            name=self.name,
            model=best.model,
        )
        return replace(self, trials=tuple(trials), validated=len(vectors) - training_size, chosen=winner)

    def _training(
        self,
        architecture: Architecture,
        vectors: NDArray[np.float64],
        masses: NDArray[np.float64],
        bench: Bench,
    ) -> keras.Model:
        path = bench.scratch / "network.keras"
        if path.exists():
            return keras.models.load_model(path, compile=False)
        prepare(bench.seed)
        model = architecture.train(self.basis, vectors, masses, bench)
        bench.scratch.mkdir(parents=True, exist_ok=True)
        draft = path.with_name("draft.keras")
        model.save(draft)
        draft.replace(path)
        bench.checkpointed(path)
        return model

    @property
    def winner(self) -> Regression:
        """The selected network."""
        if self.chosen is None:
            raise ValueError(f"{self.name} has not been fitted")
        return self.chosen

    def predict(self, sample: Sample) -> Predictions:
        """Predict with the selected network."""
        return self.winner.predict(sample)

    def portable(self, folder: Path) -> Portable:
        """Write the selected network only."""
        return self.winner.portable(folder)

    def finding(self) -> Finding:
        """Report parameters against success, as a table and as a figure."""
        meanings = {name: member.meaning for name, member in self.family.items()}
        table = _table(self.trials, meanings, self.basis, self.validated)
        return Finding(table, _figure(self.trials, self.validated))


def _success(model: keras.Model, vectors: NDArray[np.float64], masses: NDArray[np.float64]) -> float:
    """Return the share of masses within the tolerance."""
    names = tuple("0123")
    predicted = answers(model, dict(zip(names, vectors.T, strict=True)), names, ("mass",))["mass"]
    return float(np.mean(np.abs(predicted / masses - 1.0) < TOLERANCE))


def _prefixed(bench: Bench, name: str) -> Callable[..., None]:
    return lambda curve, values, step: bench.curve(f"{name}/{curve}", values, step)


def _by_architecture(trials: list[Trial] | tuple[Trial, ...]) -> dict[str, list[Trial]]:
    """Group trials by architecture, the smallest first."""
    grouped: dict[str, list[Trial]] = {}
    for trial in sorted(trials, key=lambda trial: trial.parameters):
        grouped.setdefault(trial.architecture, []).append(trial)
    return grouped


def _median(group: list[Trial]) -> float:
    return median(trial.success for trial in group)


def _best(trials: list[Trial]) -> Trial:
    """Return the best training of the smallest architecture with a passing median, else of the best one."""
    grouped = list(_by_architecture(trials).values())
    medians = [_median(group) for group in grouped]
    passing = [group for group, middle in zip(grouped, medians, strict=True) if middle >= PASSED]
    group = passing[0] if passing else grouped[int(np.argmax(medians))]
    return max(group, key=lambda trial: trial.success)


def front(sizes: list[int], failures: list[float]) -> list[int]:
    """Return indices of the Pareto front, by size: each fails less than all that are at most as large.

    Examples
    --------
    >>> front([30, 10, 20], [0.1, 0.4, 0.5])
    [1, 0]
    """
    order = sorted(range(len(sizes)), key=lambda index: (sizes[index], failures[index]))
    indices: list[int] = []
    for index in order:
        if not indices or failures[index] < failures[indices[-1]]:
            indices.append(index)
    return indices


def _table(trials: tuple[Trial, ...], meanings: Mapping[str, str], basis: str, validated: int) -> str:
    """Format one line per architecture, the smallest first."""
    lines = [
        f"Share of masses within {100 * TOLERANCE:.0f} %, {basis} basis, {validated} unseen events; "
        "spread over trainings.\n",
        "| architecture | layers | parameters | worst | median | best | passed |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, group in _by_architecture(trials).items():
        shares = sorted(trial.success for trial in group)
        low, middle, high = (f"{100 * share:.2f} %" for share in (shares[0], median(shares), shares[-1]))
        passed = sum(share >= PASSED for share in shares)
        lines.append(
            f"| {name} | {meanings[name]} | {group[0].parameters} | {low} | {middle} | {high} "
            f"| {passed} of {len(group)} |"
        )
    passing = [group for group in _by_architecture(trials).values() if _median(group) >= PASSED]
    if passing:
        name, size = passing[0][0].architecture, passing[0][0].parameters
        lines.append(f"\nThe smallest that passes in its median training: **{name}**, {size} parameters.")
    return "\n".join(lines) + "\n"


def _figure(trials: tuple[Trial, ...], validated: int) -> Figure:
    """Draw the share of masses not recovered against the number of parameters: trainings, medians, front."""
    figure = Figure(figsize=(8, 5.5), layout="constrained")
    axes = figure.add_subplot()
    floor = 0.5 / validated
    grouped = _by_architecture(trials)
    sizes = [group[0].parameters for group in grouped.values()]
    middles = [max(1.0 - _median(group), floor) for group in grouped.values()]
    for index, (name, group) in enumerate(grouped.items()):
        failures = np.maximum([1.0 - trial.success for trial in group], floor)
        axes.plot([sizes[index]] * len(group), failures, ".", color=f"C{index}", alpha=0.6)
        axes.plot(sizes[index], middles[index], "o", color=f"C{index}", markersize=9, label=name)
    best = front(sizes, middles)
    axes.step([sizes[i] for i in best], [middles[i] for i in best], where="post", color="0.4", lw=1, zorder=0)
    axes.axhline(1.0 - PASSED, color="0.4", ls="--", lw=1)
    for height, text in ((1.0 - PASSED, "the notebook's aim"), (floor, f"none of {validated}")):
        axes.annotate(
            text, (0.99, height), xycoords=("axes fraction", "data"), ha="right", va="bottom", fontsize=9
        )
    axes.set(xscale="log", yscale="log", ylim=(floor / 2, 1.5))
    axes.set_xlabel("trainable parameters")
    axes.set_ylabel(f"masses off by more than {100 * TOLERANCE:.0f} %")
    axes.axhspan(floor / 2, 1.0 / validated, color="0.93", zorder=-1)
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
