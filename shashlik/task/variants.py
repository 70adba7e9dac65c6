"""What a study changes of a task's settings, one thing at a time: declared once by the task, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BASE", "EXPECTED", "Statement", "Study", "Variant"]

#: Name of the variant that changes nothing.
BASE = "base"
#: What a statement can say of a variant relative to another one.
EXPECTED = ("better", "worse", "same", "no help", "diverges")


@dataclass(frozen=True)
class Variant:
    """One thing that is changed.

    Parameters
    ----------
    title : str
        In words, for the table.
    values : mapping of str to value
        Settings that differ from the base's.
    against : str
        The variant that it is compared with, on the same test events.
    judged : str
        The variant on whose test events it is judged; empty: on its own, which are those of the base unless
        it changes what is simulated.
    """

    title: str
    values: Mapping[str, Any]
    against: str = BASE
    judged: str = ""


@dataclass(frozen=True)
class Statement:
    """A finding of the original study, so that numbers can say whether it holds here.

    Parameters
    ----------
    text : str
        What was found.
    variant, than : str
        The two variants that it compares.
    expected : {"better", "worse", "same", "no help", "diverges"}
        What the first is relative to the second; ``no help`` is: not better.
    quantities : tuple of str
        In which of the task's quantities; empty: in all.
    """

    text: str
    variant: str
    than: str
    expected: str
    quantities: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.expected not in EXPECTED:
            raise ValueError(f"expected is one of {', '.join(EXPECTED)}, not {self.expected!r}")


@dataclass(frozen=True)
class Study:
    """Variants of one network, what was once found with them, and the numbers that were stated.

    Parameters
    ----------
    base : mapping of str to value
        Settings of the base; those of a preset come on top.
    title : str
        The base in words.
    variants : mapping of str to Variant
        By name; a name has no comma and no colon.
    statements : tuple of Statement
    stated : mapping of str to float
        Core widths that the original study states of its best network, by quantity.
    events : str
        The setting that says on how many events a network is trained; a study may use a share of them.
    """

    base: Mapping[str, Any]
    title: str
    variants: Mapping[str, Variant]
    statements: tuple[Statement, ...] = ()
    stated: Mapping[str, float] = field(default_factory=dict)
    events: str = "train_events"

    def __post_init__(self) -> None:
        known = {BASE, *self.variants}
        named = {name for one in self.variants.values() for name in (one.against, one.judged) if name}
        named |= {name for one in self.statements for name in (one.variant, one.than)}
        if BASE in self.variants or named - known:
            raise ValueError(f"a study has {sorted(known)}, {BASE!r} of its own, and no {named - known}")
        if any(mark in name for name in self.variants for mark in ",:/"):
            raise ValueError(f"names of variants have no comma, colon or slash: {', '.join(self.variants)}")

    @property
    def all(self) -> Mapping[str, Variant]:
        """The base and all variants, in their order."""
        return {BASE: Variant(self.title, {}), **self.variants}

    def asked(self, name: str) -> tuple[str, ...]:
        """The variants that are compared with `name`, whose test events it must answer too."""
        pairs = [(variant, one.against) for variant, one in self.variants.items()]
        pairs += [(one.variant, one.than) for one in self.statements]
        return tuple(dict.fromkeys(variant for variant, than in pairs if than == name != variant))
