"""keras-tuner's oracles, which propose trials, with a second stage of final trainings of the best."""

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

#: The minimised value: the logarithm of the objective, so that a search sees ratios and a single outlier does
#: not flatten all other trials.
OBJECTIVE = "log_objective"
#: Entries of a trial's values that are not settings: the run of the search and, for a final training, the
#: trial that it repeats and the index of its random seed. They reach the workers together with the values.
SEARCH, FINAL, SEED = "search/run", "search/final", "search/seed"
#: Number of times that a lost trial is given to another worker.
RETRIES = 2


def hyperparameters(space: Space, run_id: str) -> keras_tuner.HyperParameters:
    """Express the space in keras-tuner's terms, with the run id of the search for the workers."""
    parameters = keras_tuner.HyperParameters()
    parameters.Fixed(SEARCH, run_id)
    for name, domain in space.varied.items():
        if isinstance(domain, Choice):
            # Not ordered: a Gaussian process would rely on an order that is only a guess.
            parameters.Choice(name, list(domain.values), ordered=False)
        else:
            _number(parameters, name, domain)
    return parameters


def _number(parameters: keras_tuner.HyperParameters, name: str, span: Range) -> None:
    options: dict[str, Any] = {"sampling": "log" if span.log else "linear"}
    if span.whole:
        step = span.step or (2 if span.log else 1)
        parameters.Int(name, int(span.low), int(span.high), step=step, **options)
    else:
        parameters.Float(name, span.low, span.high, step=span.step, **options)


class Staged:
    """Extension of keras-tuner's oracles: a number of trials, and final trainings after them.

    No worker is dismissed while a trial is running, as its worker may be lost and another one must take over.
    """

    trials: dict[str, Any]
    ongoing_trials: dict[str, Any]
    #: Whether a worker was dismissed, as all trials and final trainings have ended.
    complete = False

    def stage(self, search: SearchSettings) -> None:
        """Set the number of trials and of final trainings."""
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
        """List the completed trials of the search, the best first."""
        done = [trial for trial in self.searched if trial.status == "COMPLETED"]
        return sorted(done, key=lambda trial: trial.score)

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """Propose the values of the next trial, in keras-tuner's terms."""
        if len(self.searched) < self._planned:
            # On such small matrices, threads only wait for each other and for the cores of the workers.
            with warnings.catch_warnings(), threadpool_limits(1):
                # A Gaussian process of few trials often reaches a limit of its kernel, and warns each time.
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
        """Tell whether Hyperband continues a trial, which repeats its values."""
        return "tuner/trial_id" in values

    def _fresh(self, values: dict[str, Any]) -> dict[str, Any]:
        """Replace values that were tried before by random ones.

        A Gaussian process may return to its optimum.
        """
        if not self._duplicate(values):  # type: ignore[attr-defined]
            return values
        others = self._random_values()  # type: ignore[attr-defined]
        return values if others is None else {**values, **others}

    def _final(self) -> dict[str, Any] | None:
        started = {
            (trial.hyperparameters.values[FINAL], trial.hyperparameters.values[SEED]) for trial in self.finals
        }
        for number in range(self._seeds):
            for trial in self.ranked()[: self._best]:
                if (trial.trial_id, number) not in started:
                    return {**trial.hyperparameters.values, FINAL: trial.trial_id, SEED: number}
        return None

    @synchronized
    def requeue(self, tuner_id: str) -> tuple[Any, bool] | None:
        """Take a trial from a lost worker.

        Returns
        -------
        tuple of Trial and bool, or None
            The trial, and whether it is given up because it lost too many workers; None if the worker had no
            trial.
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
    """Build the oracle of a search.

    Parameters
    ----------
    search : SearchSettings
    space : Space
    settings
        Settings of the task that all trials share; the random seed of the oracle derives from theirs.
    run_id : str
        The run of the search.
    """
    common: dict[str, Any] = {
        "objective": keras_tuner.Objective(OBJECTIVE, "min"),
        "seed": settings.seed + 1,  # keras-tuner treats 0 as no seed
        "hyperparameters": hyperparameters(space, run_id),
        "allow_new_entries": False,
        "max_retries_per_trial": RETRIES,
        # A failed trial is recorded, and the search continues.
        "max_consecutive_failed_trials": search.trials + search.best * search.seeds + 1,
    }
    proposer: Any
    if search.algorithm == "random":
        proposer = _Random(max_trials=None, **common)
    elif search.algorithm == "bayesian":
        # A third of the trials are random, but at most as many as keras-tuner chooses by default.
        initial = min(3 * len(space.varied), max(search.trials // 3, 3))
        proposer = _Bayesian(max_trials=None, num_initial_points=initial, **common)
    else:
        proposer = _Hyperband(max_epochs=getattr(settings, space.epochs), hyperband_iterations=None, **common)
    proposer.verbose = 0
    proposer.stage(search)
    return proposer
