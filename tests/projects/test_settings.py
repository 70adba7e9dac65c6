"""Strings of a command line become checked settings."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from shashlik.exceptions import BadInput
from shashlik.task.settings import RunSettings, parse, resolve, setting


@dataclass(frozen=True)
class Settings(RunSettings):
    epochs: int = setting(10, "passes over the data", least=1, most=1000)
    rate: float = setting(1e-3, "learning rate", least=0)
    network: str = setting("default", "which network", allowed=("default", "seed"))
    flip: bool = setting(True, "whether to mirror")


PRESETS = {"default": {}, "smoke": {"epochs": 2, "rate": 0.1}}


def test_what_is_given_overrules_the_preset_which_overrules_the_default() -> None:
    settings = resolve(Settings, PRESETS, {"preset": "smoke", "rate": "0.5"})
    assert (settings.epochs, settings.rate, settings.network, settings.preset) == (2, 0.5, "default", "smoke")


def test_both_spellings_and_empty_values() -> None:
    # `mlflow run` passes every parameter of the entry point, the ones that were not given as empty strings.
    assert parse(["--epochs", "3", "--train-events=5", "--data", ""]) == {"epochs": "3", "train_events": "5"}


@pytest.mark.parametrize(("text", "value"), [("1e3", 1000), ("1000", 1000)])
def test_whole_numbers_may_be_written_in_powers_of_ten(text: str, value: int) -> None:
    assert resolve(Settings, PRESETS, {"epochs": text}).epochs == value


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"epochs": "many"}, "epochs='many' is not a whole number"),
        ({"epochs": "2.5"}, "epochs='2.5' is not a whole number"),
        ({"epochs": "inf"}, "epochs='inf' is not a whole number"),
        ({"epochs": "0"}, "epochs=0 is out of range; it must be between 1 and 1000"),
        ({"rate": "banana"}, "rate='banana' is not a number"),
        ({"rate": "nan"}, "rate=nan is out of range; it must be at least 0"),
        ({"network": "best"}, "network='best' is not allowed; choose from default, seed"),
        ({"flip": "maybe"}, "flip='maybe' is not true or false"),
        ({"epoch": "3"}, "unknown parameter 'epoch'; this task knows: preset, data"),
        ({"preset": "big"}, "no preset 'big'; choose from default, smoke"),
    ],
)
def test_a_bad_value_is_named_with_what_is_allowed(given: dict[str, str], expected: str) -> None:
    with pytest.raises(BadInput) as caught:
        resolve(Settings, PRESETS, given)
    assert expected in str(caught.value)


@pytest.mark.parametrize("tokens", [["epochs", "3"], ["--epochs"], ["--"]])
def test_tokens_that_are_not_parameters(tokens: list[str]) -> None:
    with pytest.raises(BadInput):
        parse(tokens)
