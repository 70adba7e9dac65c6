"""Evaluate a task: gather events, fit every estimator, predict the same test events."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shashlik.exceptions import BadInput
from shashlik.task import rootio
from shashlik.task.definition import Task
from shashlik.task.estimator import Bench, Estimator
from shashlik.task.kinds import Outcome
from shashlik.task.sample import Predictions, Sample
from shashlik.task.settings import RunSettings
from tracking.evidence.resolution import LIMIT

__all__ = ["FEWEST_EVENTS", "Events", "Judged", "gather", "judge", "only", "rehearsal"]

#: Fewer events than this in a file cannot be halved and fitted.
FEWEST_EVENTS = 400
#: Numbers of events predicted before the timing. Keras traces a graph for the first number of events, and a
#: graph for any number at the second; some networks predict few events without a graph.
_WARM = (300, 299)


@dataclass(frozen=True)
class Events:
    """Events of a run; test events are never used for training or tuning.

    Parameters
    ----------
    train : Sample
        Events for training and tuning: profiles, calibrations, early stopping.
    test : Sample
        Events on which all estimators are evaluated. With cross-fitting they are training events, each
        predicted by a model that did not train on it.
    seed : int
        Random seed of the fits.
    """

    train: Sample
    test: Sample
    seed: int


@dataclass(frozen=True)
class Judged:
    """Fitted estimators with their predictions for the test events; keys are names of estimators."""

    estimators: Mapping[str, Estimator]
    predictions: Mapping[str, Predictions]
    outcomes: Mapping[str, Outcome]
    ns_per_event: Mapping[str, float]


def gather(task: Task, settings: RunSettings) -> Events:
    """Gather training and test events: from the user's files, or simulated.

    A file is shuffled and halved. Simulated events come from seeds derived from the run's, so that no event
    is simulated twice. A task with cross-fitting makes its own halves and gets all events for both.

    Raises
    ------
    BadInput
        For files that cannot be used or hold too few events.
    """
    train_seed, test_seed, fit_seed, split_seed = (
        int(state) for state in np.random.SeedSequence(settings.seed).generate_state(4)
    )
    if not settings.data:
        train = task.simulate(settings, settings.train_events, train_seed)
        if task.crossed:
            return Events(train, train.select(slice(0, settings.test_events)), fit_seed)
        test = task.simulate(settings, settings.test_events, test_seed)
        return Events(train, test, fit_seed)
    events = rootio.read(
        settings.data, task.schema, progress=True, given=rootio.mapping(settings.columns, task.schema)
    )
    if len(events) < FEWEST_EVENTS:
        raise BadInput(
            f"data={settings.data!r} holds {len(events)} events; at least {FEWEST_EVENTS} are needed "
            "to tune on one half and to judge on the other"
        )
    order = np.random.default_rng(split_seed).permutation(len(events))
    if task.crossed:
        train = events.select(np.sort(order[: settings.train_events]))
        return Events(train, train.select(slice(0, settings.test_events)), fit_seed)
    half = len(events) // 2
    first, second = np.sort(order[:half]), np.sort(order[half:])
    return Events(
        events.select(first[: settings.train_events]), events.select(second[: settings.test_events]), fit_seed
    )


def rehearsal(task: Task, settings: RunSettings, validation_events: int) -> Events:
    """Gather training events of a run and validation events, none of which the run is evaluated on.

    Of a file, the validation events are the last third of the training events, at most `validation_events`.

    Raises
    ------
    BadInput
        For files that cannot be used or hold too few events.
    """
    if settings.data:
        whole = gather(task, settings)
        cut = len(whole.train) - min(validation_events, len(whole.train) // 3)
        rows = slice(None, cut), slice(cut, None)
        return Events(whole.train.select(rows[0]), whole.train.select(rows[1]), whole.seed)
    train_seed, _, fit_seed, _ = (
        int(state) for state in np.random.SeedSequence(settings.seed).generate_state(4)
    )
    validation_seed = int(np.random.SeedSequence((settings.seed, validation_events)).generate_state(1)[0])
    return Events(
        task.simulate(settings, settings.train_events, train_seed),
        task.simulate(settings, validation_events, validation_seed),
        fit_seed,
    )


def only(task: Task, wanted: Callable[[str], bool]) -> Task:
    """Restrict a task to the estimators whose names are wanted."""

    def estimators(settings: RunSettings) -> list[Estimator]:
        return [estimator for estimator in task.estimators(settings) if wanted(estimator.name)]

    return replace(task, estimators=estimators)


def judge(
    task: Task,
    settings: RunSettings,
    events: Events,
    bench: Bench,
    say: Callable[[str], Any] = lambda line: None,
) -> Judged:
    """Fit every estimator on the training events and predict the test events.

    Results contained in the file and, for simulated events, the information limit are evaluated beside them.

    Parameters
    ----------
    bench : Bench
        Passed to every fit.
    say : callable
        Receives one line of progress at a time.
    """
    estimators: dict[str, Estimator] = {}
    predictions: dict[str, Predictions] = dict(task.carried(events.test))
    speed: dict[str, float] = {}
    if task.limit is not None and not settings.data:
        begin = time.perf_counter()
        predictions[LIMIT] = task.limit(settings, events.test)
        say(f"{LIMIT}: ready in {time.perf_counter() - begin:.1f} s")
    for estimator in task.estimators(settings):
        begin = time.perf_counter()
        fitted = estimator.fit(events.train, bench)
        for few in _WARM:
            fitted.predict(events.test.select(slice(0, few)))
        middle = time.perf_counter()
        predictions[fitted.name] = fitted.predict(events.test)
        end = time.perf_counter()
        speed[fitted.name] = 1e9 * (end - middle) / len(events.test)
        estimators[fitted.name] = fitted
        say(f"{fitted.name}: ready in {middle - begin:.1f} s, {speed[fitted.name] / 1e3:.1f} us an event")
    outcomes = {name: task.outcome(events.test, answer) for name, answer in predictions.items()}
    return Judged(estimators, predictions, outcomes, speed)
