"""Summarise a search: ranked trials as a table, and the importance of settings. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from shashlik.task.search_space import Choice, Space
from tracking.report.numbers import MISSING, plain, with_error
from tracking.report.rendering import escaped
from tracking.statistics import pareto

__all__ = ["Trial", "coordinates", "frame", "front", "importance", "markdown", "ranked", "weighed"]

#: Rows of the table in the run's description; the artifact has all trials.
SHOWN = 12
#: Fewest completed trials for an estimate of importance.
FEWEST = 8


@dataclass(frozen=True)
class Trial:
    """One trial.

    Parameters
    ----------
    name : str
        Number of the trial in keras-tuner.
    values : mapping of str to value
        Values of the varied settings.
    objective, error : float
        See `shashlik.task.objective`; NaN where the trial failed.
    ns_per_event, parameters : float
        Time of a prediction, and number of weights; NaN where unknown.
    seconds : float
        Duration.
    status : str
        Status of the mlflow run.
    failure : str
        Reason of the failure.
    run_id : str
        Run of the trial.
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
        """Whether the trial has an objective."""
        return self.status == "FINISHED" and math.isfinite(self.objective)


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Rank the finished trials, the best first, followed by the others."""
    return sorted(
        trials, key=lambda trial: (not trial.done, trial.objective if trial.done else 0, trial.name)
    )


def frame(trials: Sequence[Trial]) -> pd.DataFrame:
    """Tabulate all trials, one row each, in the order of their numbers."""
    rows = [
        {
            "trial": trial.name,
            **trial.values,
            "objective": trial.objective,
            "objective_err": trial.error,
            "ns_per_event": trial.ns_per_event,
            "parameters": trial.parameters,
            "seconds": trial.seconds,
            "status": trial.status,
            "failure": trial.failure,
            "run_id": trial.run_id,
        }
        for trial in sorted(trials, key=lambda trial: trial.name)
    ]
    return pd.DataFrame(rows)


def _word(value: Any) -> str:
    if isinstance(value, float):
        return plain(value)
    return escaped(str(value))


def markdown(trials: Sequence[Trial], space: Space, what: str) -> list[str]:
    """Format blocks of markdown: the best trial, all trials, and the failures.

    Parameters
    ----------
    trials : sequence of Trial
    space : Space
    what : str
        Description of the objective.
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


def coordinates(trials: Sequence[Trial], space: Space) -> dict[str, NDArray[np.float64]]:
    """Map the values of each trial to positions between 0 and 1."""
    positions = {}
    for name, domain in space.varied.items():
        values = [trial.values.get(name) for trial in trials]
        if isinstance(domain, Choice):
            last = max(len(domain.values) - 1, 1)
            places = [
                domain.values.index(value) / last if value in domain.values else np.nan for value in values
            ]
        else:
            numbers = np.array([np.nan if value is None else float(value) for value in values])
            low, high = float(domain.low), float(domain.high)
            if domain.log:
                numbers, low, high = np.log(numbers), math.log(low), math.log(high)
            places = list((numbers - low) / (high - low))
        positions[name] = np.array(places, dtype=float)
    return positions


def importance(
    trials: Sequence[Trial], space: Space, seed: int
) -> tuple[dict[str, tuple[float, float]], float]:
    """Measure how much worse a random forest predicts log(objective) when one setting is shuffled.

    The forest is fitted to the finished trials. The importance is its loss of R² under permutation, with the
    scatter over 30 permutations (L. Breiman, Machine Learning 45 (2001) 5).

    Returns
    -------
    tuple of dict and float
        Importance and scatter by setting, and the out-of-bag R² of the forest. The importances are
        meaningless unless R² is well above 0. Empty and NaN with too few trials.
    """
    done = [trial for trial in trials if trial.done]
    if len(done) < FEWEST:
        return {}, math.nan
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance
    from sklearn.metrics import r2_score

    inputs = np.nan_to_num(np.stack(list(coordinates(done, space).values()), axis=1), nan=0.5)
    target = np.log([trial.objective for trial in done])
    # With this many trees, every trial is out of bag for some of them.
    forest = RandomForestRegressor(300, oob_score=True, random_state=seed).fit(inputs, target)
    trees = [tree.tree_ for tree in forest.estimators_]

    def score(_: Any, values: NDArray[np.float64], truth: NDArray[np.float64]) -> float:
        """R² of the forest; its own method starts threads for every tree at every call."""
        single = values.astype(np.float32)
        return float(r2_score(truth, np.mean([tree.predict(single)[:, 0] for tree in trees], axis=0)))

    permuted = permutation_importance(forest, inputs, target, scoring=score, n_repeats=30, random_state=seed)
    pairs = zip(permuted.importances_mean, permuted.importances_std, strict=True)
    return {
        name: (float(mean), float(scatter)) for name, (mean, scatter) in zip(space.varied, pairs, strict=True)
    }, float(forest.oob_score_)


def weighed(weights: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """Tabulate the result of `importance`, one row per setting."""
    rows = [(name, mean, scatter) for name, (mean, scatter) in weights.items()]
    return pd.DataFrame(rows, columns=["setting", "importance", "scatter"])


def front(trials: Sequence[Trial], cost: str) -> list[Trial]:
    """Select the trials that no other one beats in both objective and `cost`, the cheapest first.

    Parameters
    ----------
    cost : {"ns_per_event", "parameters"}
    """
    done = (trial for trial in trials if trial.done)
    return pareto.front(done, lambda trial: getattr(trial, cost), lambda trial: trial.objective)
