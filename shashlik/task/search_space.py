"""Which settings of a task a search varies, and how: declared once by the task, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Choice", "Range", "Space"]


@dataclass(frozen=True)
class Choice:
    """One of some values.

    Parameters
    ----------
    values : tuple
        All of one type: numbers, words, or truth values.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values or len({type(value) for value in self.values}) > 1:
            raise ValueError(f"a choice needs values of one type, not {self.values}")


@dataclass(frozen=True)
class Range:
    """A number between two others, both included; a whole one where they are whole.

    Parameters
    ----------
    low, high : int or float
        The limits.
    step : int or float, optional
        Distance of the values, or with `log` their ratio.
    log : bool
        Whether every factor is equally likely, and not every difference.
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
        """Whether its values are whole numbers."""
        return isinstance(self.low, int) and isinstance(self.high, int)


@dataclass(frozen=True)
class Space:
    """What a search looks at.

    Parameters
    ----------
    varied : mapping of str to Choice or Range
        By the name of the setting.
    fixed : mapping of str to value
        Settings that belong to the space without varying: that of an original study goes with its network.
    epochs : str
        The setting that says how long a network is trained, of which Hyperband gives more to the better ones;
        empty where there is none.
    events : str
        The setting that says on how many events a network is trained; trials may use a share of them.
    """

    varied: Mapping[str, Choice | Range]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    epochs: str = ""
    events: str = "train_events"

    def __post_init__(self) -> None:
        if not self.varied:
            raise ValueError("a space needs at least one setting that varies")
