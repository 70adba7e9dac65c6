"""Search spaces: the settings of a task that a search varies, declared by the task as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Choice", "Range", "Space"]


@dataclass(frozen=True)
class Choice:
    """A categorical setting.

    Parameters
    ----------
    values : tuple
        Values of one type: numbers, words, or truth values.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values or len({type(value) for value in self.values}) > 1:
            raise ValueError(f"a choice needs values of one type, not {self.values}")


@dataclass(frozen=True)
class Range:
    """A number between two limits, both included; an integer where both are integers.

    Parameters
    ----------
    low, high : int or float
        The limits.
    step : int or float, optional
        Distance of neighbouring values, or with `log` their ratio.
    log : bool
        Whether values are distributed uniformly in their logarithm.
    """

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"a range needs low below high, and above 0 for a logarithm, not {self}")

    @property
    def whole(self) -> bool:
        """Whether the values are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Space:
    """Search space of a task.

    Parameters
    ----------
    varied : mapping of str to Choice or Range
        Ranges and choices by the name of the setting.
    fixed : mapping of str to value
        Settings that belong to the space without varying, as an original study's settings belong to its
        network.
    epochs : str
        Setting with the number of epochs, of which Hyperband gives more to better trials; empty where there
        is none.
    events : str
        Setting with the number of training events; trials may use a share of them.
    """

    varied: Mapping[str, Choice | Range]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    epochs: str = ""
    events: str = "train_events"

    def __post_init__(self) -> None:
        if not self.varied:
            raise ValueError("a space needs at least one setting that varies")
