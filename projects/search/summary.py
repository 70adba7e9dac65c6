"""What a search found, as a table and figures: pure functions of its trials."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.space import Choice, Space
from tracking.numbers import MISSING, plain, with_error
from tracking.tables import escaped

__all__ = ["Trial", "figures", "frame", "front", "importance", "markdown", "ranked"]

#: Rows of the table in the run's description; all are in the artifact.
SHOWN = 12
#: With fewer completed trials nothing is said about importance.
FEWEST = 8


@dataclass(frozen=True)
class Trial:
    """One trial.

    Parameters
    ----------
    name : str
        Its number in keras-tuner.
    values : mapping of str to value
        What was varied.
    objective, error : float
        See `projects.search.objective`; NaN where it failed.
    ns_per_event, parameters : float
        Time of a prediction, and size of the network; NaN where unknown.
    seconds : float
        How long it took.
    status : str
        As mlflow has it.
    failure : str
        Why it failed.
    run_id : str
        Its run.
    """

    name: str
    values: Mapping[str, Any]
    objective: float
    error: float
    ns_per_event: float
    parameters: float
    seconds: float
    status: str
    failure: str
    run_id: str

    @property
    def done(self) -> bool:
        """Whether it has an objective."""
        return self.status == "FINISHED" and math.isfinite(self.objective)


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Finished ones, the best first, then the others."""
    return sorted(
        trials, key=lambda trial: (not trial.done, trial.objective if trial.done else 0, trial.name)
    )


def frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """All trials, a row each, in the order of their numbers."""
    rows = [
        {
            "trial": trial.name, **trial.values, "objective": trial.objective, "objective_err": trial.error,
            "ns_per_event": trial.ns_per_event, "parameters": trial.parameters, "seconds": trial.seconds,
            "status": trial.status, "failure": trial.failure, "run_id": trial.run_id,
        }
        for trial in sorted(trials, key=lambda trial: trial.name)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def _word(value: Any) -> str:
    if isinstance(value, float):
        return plain(value)
    return escaped(str(value))


def markdown(trials: Sequence[Trial], space: Space, what: str) -> list[str]:
    """Blocks of markdown: the best, the trials, and what failed.

    Parameters
    ----------
    trials : sequence of Trial
    space : Space
    what : str
        What the objective is, in words.
    """
    order = ranked(trials)
    done = [trial for trial in order if trial.done]
    failed = [trial for trial in order if trial.status == "FAILED"]
    names = list(space.varied)
    first = f"{len(done)} of {len(trials)} trials finished, {len(failed)} failed."
    if done:
        best = done[0]
        values = ", ".join(f"{name} = {_word(best.values.get(name, MISSING))}" for name in names)
        first = (
            f"**Best: trial {best.name}, {with_error(best.objective, best.error)} with {values}.** {first}"
        )
    lines = [
        f"| trial | {' | '.join(escaped(name) for name in names)} | objective | µs/event | weights | s |",
        f"|---|{'---:|' * (len(names) + 4)}",
    ]
    for trial in done[:SHOWN]:
        values = " | ".join(_word(trial.values.get(name, MISSING)) for name in names)
        lines.append(
            f"| {trial.name} | {values} | {with_error(trial.objective, trial.error)} "
            f"| {plain(trial.ns_per_event / 1e3, 3)} | {_whole(trial.parameters)} | {trial.seconds:.0f} |"
        )
    blocks = [first, f"Objective: {what}.", "\n".join(lines)]
    if failed:
        blocks.append(
            "\n".join(f"- trial {trial.name} failed: {escaped(trial.failure)}" for trial in failed[:5])
        )
    return blocks


def _whole(value: float) -> str:
    return f"{value:.0f}" if math.isfinite(value) else MISSING


def _coordinates(trials: Sequence[Trial], space: Space) -> dict[str, NDArray[np.float64]]:
    """Values of each trial as places between 0 and 1."""
    found = {}
    for name, what in space.varied.items():
        values = [trial.values.get(name) for trial in trials]
        if isinstance(what, Choice):
            last = max(len(what.values) - 1, 1)
            places = [what.values.index(value) / last if value in what.values else np.nan for value in values]
        else:
            numbers = np.array([np.nan if value is None else float(value) for value in values])
            low, high = float(what.low), float(what.high)
            if what.log:
                numbers, low, high = np.log(numbers), math.log(low), math.log(high)
            places = list((numbers - low) / (high - low))
        found[name] = np.array(places, dtype=float)
    return found


def importance(
    trials: Sequence[Trial], space: Space, seed: int
) -> tuple[dict[str, tuple[float, float]], float]:
    """How much worse a forest predicts log(objective) when one setting is shuffled.

    A random forest is fitted to the finished trials; the importance is its loss of R² under permutation, with
    the scatter over 30 permutations (L. Breiman, Machine Learning 45 (2001) 5).

    Returns
    -------
    tuple of dict and float
        Importance and scatter by setting, and the forest's out-of-bag R²: where that is not well above 0 the
        importances mean nothing. Empty and NaN with too few trials.
    """
    done = [trial for trial in trials if trial.done]
    if len(done) < FEWEST:
        return {}, math.nan
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    inputs = np.nan_to_num(np.stack(list(_coordinates(done, space).values()), axis=1), nan=0.5)
    target = np.log([trial.objective for trial in done])
    # With this many trees every trial is out of the bag of some.
    forest = RandomForestRegressor(300, oob_score=True, random_state=seed).fit(inputs, target)
    found = permutation_importance(forest, inputs, target, n_repeats=30, random_state=seed)
    pairs = zip(found.importances_mean, found.importances_std, strict=True)
    return {
        name: (float(mean), float(scatter)) for name, (mean, scatter) in zip(space.varied, pairs, strict=True)
    }, float(forest.oob_score_)


def front(trials: Sequence[Trial], cost: str) -> list[Trial]:
    """Trials that no other one beats in both objective and `cost`, the cheapest first.

    Parameters
    ----------
    cost : {"ns_per_event", "parameters"}
    """
    known = [trial for trial in trials if trial.done and math.isfinite(getattr(trial, cost))]
    kept: list[Trial] = []
    for trial in sorted(known, key=lambda trial: (getattr(trial, cost), trial.objective)):
        if not kept or trial.objective < kept[-1].objective:
            kept.append(trial)
    return kept


def figures(trials: Sequence[Trial], space: Space, seed: int) -> dict[str, Figure]:
    """Value against trial, parallel coordinates, importance and Pareto fronts, by name."""
    done = sorted((trial for trial in trials if trial.done), key=lambda trial: trial.name)
    if not done:
        return {}
    found = {"search_history": _history(done, trials), "search_coordinates": _parallel(done, space)}
    weights, score = importance(trials, space, seed)
    if weights:
        found["search_importance"] = _importance(weights, score, len(done))
    return {**found, "search_pareto": _pareto(done)}


def _history(done: Sequence[Trial], trials: Sequence[Trial]) -> Figure:
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.add_subplot()
    numbers = [int(trial.name) for trial in done]
    values = [trial.objective for trial in done]
    axes.errorbar(numbers, values, [trial.error for trial in done], fmt="o", color="#0072B2", capsize=2,
                  label="trial")  # fmt: skip
    axes.step(numbers, np.minimum.accumulate(values), where="post", color="#D55E00", label="best so far")
    failed = [int(trial.name) for trial in trials if trial.status == "FAILED"]
    if failed:
        axes.plot(failed, [max(values)] * len(failed), "x", color="0.4", label="failed")
    axes.set(xlabel="trial", ylabel="objective", yscale="log")
    axes.legend(frameon=False)
    axes.grid(True, color="0.9", linewidth=0.6)
    return figure


def _parallel(done: Sequence[Trial], space: Space) -> Figure:
    """One line a trial over one axis a setting; the better the darker."""
    figure = Figure(figsize=(max(8, 1.6 * (len(space.varied) + 1)), 5), layout="constrained")
    axes = figure.add_subplot()
    places = _coordinates(done, space)
    logs = np.log([trial.objective for trial in done])
    spread = max(float(np.ptp(logs)), 1e-12)
    ranks = (logs - logs.min()) / spread
    columns = [*places.values(), ranks]
    import matplotlib

    colours = matplotlib.colormaps["viridis"]
    for row in np.argsort(-ranks):
        axes.plot(range(len(columns)), [column[row] for column in columns], color=colours(ranks[row]),
                  alpha=0.9, lw=2.2 if ranks[row] == 0 else 1.1)  # fmt: skip
    labels = [*space.varied, "objective"]
    axes.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
    axes.set_yticks([])
    for place, what in enumerate(space.varied.values()):
        axes.axvline(place, color="0.7", lw=0.8, zorder=0)
        if isinstance(what, Choice):
            for index, value in enumerate(what.values):
                _mark(axes, place, index / max(len(what.values) - 1, 1), str(value))
        else:
            _mark(axes, place, 0.0, f"{what.low:g}")
            _mark(axes, place, 1.0, f"{what.high:g}")
    axes.axvline(len(labels) - 1, color="0.7", lw=0.8, zorder=0)
    _mark(axes, len(labels) - 1, 0.0, plain(float(np.exp(logs.min()))))
    _mark(axes, len(labels) - 1, 1.0, plain(float(np.exp(logs.max()))))
    axes.set_ylim(-0.06, 1.06)
    return figure


def _mark(axes: Any, place: float, height: float, text: str) -> None:
    axes.annotate(text, (place, height), xytext=(4, 0), textcoords="offset points", fontsize=8, va="center",
                  bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 1})  # fmt: skip


def _importance(weights: Mapping[str, tuple[float, float]], score: float, trials: int) -> Figure:
    figure = Figure(figsize=(8, 0.9 + 0.45 * max(len(weights), 2)), layout="constrained")
    axes = figure.add_subplot()
    order = sorted(weights, key=lambda name: weights[name][0])
    axes.barh(order, [weights[name][0] for name in order], xerr=[weights[name][1] for name in order],
              color="#0072B2", ecolor="0.3", capsize=2)  # fmt: skip
    axes.set_xlabel("loss of R² when shuffled")
    axes.set_title(f"forest on {trials} trials, out-of-bag R² = {score:.2f}", fontsize=10)
    return figure


def _pareto(done: Sequence[Trial]) -> Figure:
    figure = Figure(figsize=(10, 4.5), layout="constrained")
    for axes, cost, label in zip(
        figure.subplots(1, 2, sharey=True), ("ns_per_event", "parameters"), ("ns an event", "weights"),
        strict=True,
    ):  # fmt: skip
        known = [trial for trial in done if math.isfinite(getattr(trial, cost))]
        axes.errorbar([getattr(trial, cost) for trial in known], [trial.objective for trial in known],
                      [trial.error for trial in known], fmt="o", color="#0072B2", capsize=2)  # fmt: skip
        best = front(done, cost)
        axes.step([getattr(trial, cost) for trial in best], [trial.objective for trial in best],
                  where="post", color="#D55E00")  # fmt: skip
        for trial in best:
            axes.annotate(trial.name, (getattr(trial, cost), trial.objective), xytext=(3, 3),
                          textcoords="offset points", fontsize=8)  # fmt: skip
        axes.set(xlabel=label, xscale="log" if known else "linear")
        axes.grid(True, color="0.9", linewidth=0.6)
    figure.axes[0].set_ylabel("objective")
    return figure
