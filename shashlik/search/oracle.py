"""keras-tuner's oracles, which propose trials, with a second stage: the best are trained again in full."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import keras_tuner
from keras_tuner.src.engine.oracle import synchronized
from threadpoolctl import threadpool_limits

from shashlik.search.settings import SearchSettings
from shashlik.task.search_space import Choice, Range, Space

__all__ = ["FINAL", "OBJECTIVE", "SEARCH", "SEED", "Staged", "hyperparameters", "oracle"]

#: What is minimised: the logarithm of the objective, so that a search sees ratios and one wild trial does
#: not flatten all others.
OBJECTIVE = "log_objective"
#: Entries of a trial's values that are no settings: the run of the search, and, for a final training, the
#: trial that it repeats and the number of its seed. Values travel to the workers, so these do too.
SEARCH, FINAL, SEED = "search/run", "search/final", "search/seed"
#: How often a trial is given to another worker after it was lost.
RETRIES = 2


def hyperparameters(space: Space, run_id: str) -> keras_tuner.HyperParameters:
    """The space in keras-tuner's terms, and the id of the search's run for the workers."""
    found = keras_tuner.HyperParameters()
    found.Fixed(SEARCH, run_id)
    for name, what in space.varied.items():
        if isinstance(what, Choice):
            # Not ordered: whether it is, is a guess that a Gaussian process would build on.
            found.Choice(name, list(what.values), ordered=False)
        else:
            _number(found, name, what)
    return found


def _number(found: keras_tuner.HyperParameters, name: str, what: Range) -> None:
    options: dict[str, Any] = {"sampling": "log" if what.log else "linear"}
    if what.whole:
        step = what.step or (2 if what.log else 1)
        found.Int(name, int(what.low), int(what.high), step=step, **options)
    else:
        found.Float(name, what.low, what.high, step=what.step, **options)


class Staged:
    """What all oracles here add to keras-tuner's: a number of trials, and final trainings behind them.

    Nobody is sent home while a trial is under way, for its worker may be lost and another has to take over.
    """

    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]
    #: Whether a worker was sent home: all trials ended, all final trainings too.
    complete = False

    def stage(self, search: SearchSettings) -> None:
        """Say how many trials there are, and what follows."""
        self._planned, self._best, self._seeds = search.trials, search.best, search.seeds

    @property
    def searched(self) -> list[Any]:
        """Trials of the search itself."""
        return [trial for trial in self.trials.values() if FINAL not in trial.hyperparameters.values]

    @property
    def finals(self) -> list[Any]:
        """Final trainings."""
        return [trial for trial in self.trials.values() if FINAL in trial.hyperparameters.values]

    def ranked(self) -> list[Any]:
        """Completed trials of the search, the best first."""
        done = [trial for trial in self.searched if trial.status == "COMPLETED"]
        return sorted(done, key=lambda trial: trial.score)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Values of the next trial, in keras-tuner's terms."""
        if len(self.searched) < self._planned:
            # On matrices this small, threads only wait for each other, and for the cores of the workers.
            with warnings.catch_warnings(), threadpool_limits(1):
                # A Gaussian process of few trials is often at a limit of its kernel, and says so each time.
                warnings.simplefilter("ignore", UserWarning)
                answer = super().populate_space(trial_id)  # type: ignore[misc]  # of the oracle beside this
            if answer["status"] == "RUNNING" and not self._special(answer["values"]):
                answer["values"] = self._fresh(answer["values"])
            if answer["status"] != "STOPPED":
                return answer
        if self.ongoing_trials:
            return {"status": "IDLE"}
        values = self._final()
        self.complete = values is None
        return {"status": "STOPPED"} if values is None else {"status": "RUNNING", "values": values}

    def _special(self, values: Mapping[str, Any]) -> bool:
        """Whether Hyperband continues a trial, which repeats its values."""
        return "tuner/trial_id" in values

    def _fresh(self, values: dict[str, Any]) -> dict[str, Any]:
        """The same, or random ones where these were tried: a Gaussian process may return to its optimum."""
        if not self._duplicate(values):  # type: ignore[attr-defined]
            return values
        others = self._random_values()  # type: ignore[attr-defined]
        return values if others is None else {**values, **others}

    def _final(self) -> dict[str, Any] | None:
        begun = {
            (trial.hyperparameters.values[FINAL], trial.hyperparameters.values[SEED]) for trial in self.finals
        }
        for number in range(self._seeds):
            for trial in self.ranked()[: self._best]:
                if (trial.trial_id, number) not in begun:
                    return {**trial.hyperparameters.values, FINAL: trial.trial_id, SEED: number}
        return None

    @synchronized
    def requeue(self, tuner_id: str) -> tuple[Any, bool] | None:
        """Take a trial from a worker that was lost.

        Returns
        -------
        tuple of Trial and bool, or None
            The trial, and whether it was given up instead, for it lost too many workers; None if the worker
            had none.
        """
        trial = self.ongoing_trials.get(tuner_id)
        if trial is None:
            return None
        trial.status = "INVALID"
        self.end_trial(trial)  # type: ignore[attr-defined]
        return trial, trial.status == "FAILED"


class _Random(Staged, keras_tuner.oracles.RandomSearchOracle):
    pass


class _Bayesian(Staged, keras_tuner.oracles.BayesianOptimizationOracle):
    pass


class _Hyperband(Staged, keras_tuner.oracles.HyperbandOracle):
    pass


def oracle(search: SearchSettings, space: Space, settings: Any, run_id: str) -> Any:
    """The oracle of a search.

    Parameters
    ----------
    search : SearchSettings
    space : Space
    settings
        The task's settings that all trials share; its seed is the oracle's.
    run_id : str
        The run of the search.
    """
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "min"),
        "seed": settings.seed + 1,  # keras-tuner takes 0 for none
        "hyperparameters": hyperparameters(space, run_id),
        "allow_new_entries": False,
        "max_retries_per_trial": RETRIES,
        # A trial that fails is on record, and the search goes on.
        "max_consecutive_failed_trials": search.trials + search.best * search.seeds + 1,
    }
    made: Any
    if search.algorithm == "random":
        made = _Random(max_trials=None, **common)
    elif search.algorithm == "bayesian":
        # A third at random, though not more than keras-tuner's own choice.
        initial = min(3 * len(space.varied), max(search.trials // 3, 3))
        made = _Bayesian(max_trials=None, num_initial_points=initial, **common)
    else:
        made = _Hyperband(max_epochs=getattr(settings, space.epochs), hyperband_iterations=None, **common)
    made.verbose = 0
    made.stage(search)
    return made
