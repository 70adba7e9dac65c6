"""Spaces as tasks declare them, and what a trial makes of keras-tuner's values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
import pytest

from shashlik.exceptions import BadInput
from shashlik.search.oracle import hyperparameters
from shashlik.search.settings import (
    PLACING,
    SearchSettings,
    fixed,
    lasting,
    separate,
    space_of,
    trial_settings,
)
from shashlik.task import catalog
from shashlik.task.search_space import Choice, Range, Space
from shashlik.task.settings import RunSettings, resolve, setting

SPACES = [(name, space) for name in catalog.names() for space in catalog.load(name).spaces]


@dataclass(frozen=True)
class Settings(RunSettings):
    rate: float = setting(1e-3, "rate", least=1e-9, most=1)
    width: int = setting(8, "width", least=1, most=64)
    epochs: int = setting(10, "epochs", least=1)


SPACE = Space({"rate": Range(1e-4, 1e-1, log=True), "width": Range(2, 9)}, epochs="epochs")


@pytest.mark.parametrize(("name", "space"), SPACES)
def test_declared_spaces_fit_their_tasks(name: str, space: str) -> None:
    """Every value that a search can propose is one that the task accepts, under every preset."""
    task = catalog.load(name)
    declared = task.spaces[space]
    known = {item.name for item in dataclasses.fields(task.settings)}
    assert {*declared.varied, *declared.fixed, declared.events} | {declared.epochs or "seed"} <= known
    proposals = hyperparameters(declared, "0" * 32)
    rng = np.random.default_rng(1)
    for preset in task.presets:
        shared = fixed(task, declared, {"preset": preset})
        for name_, value in declared.fixed.items():
            assert getattr(shared, name_) == value
        for place in (0.0, 1 - 1e-9, *rng.uniform(size=20)):
            values = {
                hp.name: hp.prob_to_value(place) for hp in proposals.space if hp.name in declared.varied
            }
            found = trial_settings(shared, declared, values, share=0.5)
            for setting_name, value in values.items():
                assert type(getattr(found, setting_name)) is type(getattr(shared, setting_name)), setting_name
                assert getattr(found, setting_name) == value


@pytest.mark.parametrize("name", catalog.names())
def test_names_do_not_clash(name: str) -> None:
    """A parameter of the search is not one of the task, or nobody could give the latter."""
    own = {item.name for item in dataclasses.fields(SearchSettings)} - {"resume"}
    assert not own & {item.name for item in dataclasses.fields(catalog.load(name).settings)}


def test_separates_parameters() -> None:
    own, others = separate({"trials": "3", "seed": "2", "resume": "x"})
    assert own == {"trials": "3", "resume": "x"}
    assert others == {"seed": "2"}


def test_what_lasts_and_what_does_not() -> None:
    kept = lasting(SearchSettings(trials=7))
    assert kept["search.trials"] == 7
    assert set(kept) | {f"search.{name}" for name in PLACING} == {
        f"search.{item.name}" for item in dataclasses.fields(SearchSettings)
    }


def test_share_and_epochs_of_a_trial() -> None:
    shared = resolve(Settings, {"default": {}}, {"train_events": "2000"})
    found = trial_settings(shared, SPACE, {"rate": 0.01, "tuner/epochs": 3, "search/run": "x"}, 0.25)
    assert (found.train_events, found.epochs, found.rate, found.width) == (500, 3, 0.01, 8)
    assert trial_settings(shared, SPACE, {"rate": 0.01}).train_events == 2000


def test_values_outside_of_the_settings_are_refused() -> None:
    shared = resolve(Settings, {"default": {}}, {})
    with pytest.raises(BadInput, match=r"width=99 is out of range"):
        trial_settings(shared, SPACE, {"width": 99})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choice(()), "values of one type"),
        (lambda: Choice((1, "a")), "values of one type"),
        (lambda: Range(2, 2), "low below high"),
        (lambda: Range(0.0, 1.0, log=True), "above 0"),
        (lambda: Space({}), "at least one"),
    ],
)
def test_impossible_spaces(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_cannot_be_searched() -> None:
    mass = catalog.load("mass")
    with pytest.raises(BadInput, match="mass has no space 'wide'; choose from default, architectures"):
        space_of(mass, SearchSettings(space="wide"))
    with pytest.raises(BadInput, match=r"has no setting for epochs.*choose random or bayesian"):
        space_of(mass, SearchSettings(algorithm="hyperband"))
    with pytest.raises(BadInput, match="declares nothing to search"):
        space_of(dataclasses.replace(mass, spaces={}), SearchSettings())
    with pytest.raises(BadInput, match="products='3' is varied by the search"):
        fixed(mass, mass.spaces["default"], {"products": "3"})
