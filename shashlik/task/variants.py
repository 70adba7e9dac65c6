"""Ablations: changes of a task's settings, one thing at a time, declared by the task as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["BASE", "EXPECTED", "Statement", "Study", "Variant"]

#: Name of the variant that changes nothing.
BASE = "base"
#: Expected results of a variant relative to another one.
EXPECTED = ("better", "worse", "same", "no help", "diverges")


@dataclass(frozen=True)
class Variant:
    """A single change of the settings.

    Parameters
    ----------
    title : str
        Description for the table.
    values : mapping of str to value
        Settings that differ from the base's.
    against : str
        Reference variant, compared on the same test events.
    judged : str
        Variant on whose test events this one is evaluated. Empty: its own, which are those of the base
        unless the variant changes the simulation.
    """

    title: str
    values: Mapping[str, Any]
    against: str = BASE
    judged: str = ""


@dataclass(frozen=True)
class Statement:
    """A finding of the original study, to be tested here.

    Parameters
    ----------
    text : str
        The finding in words.
    variant, than : str
        The two compared variants.
    expected : {"better", "worse", "same", "no help", "diverges"}
        Expected result of the first relative to the second; ``no help`` means not better.
    quantities : tuple of str
        Quantities of the task that are compared; empty: all.
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
    """Variants of one network, with the findings and widths of an original study.

    Parameters
    ----------
    base : mapping of str to value
        Settings of the base; those of a preset override them.
    title : str
        Description of the base.
    variants : mapping of str to Variant
        Variants by name; a name has no comma, colon or slash.
    statements : tuple of Statement
    stated : mapping of str to float
        Core widths that the original study states for its best network, by quantity.
    events : str
        Setting with the number of training events; an ablation may use a share of them.
    """

    base: Mapping[str, Any]
    title: str
    variants: Mapping[str, Variant]
    statements: tuple[Statement, ...] = ()
    stated: Mapping[str, float] = field(default_factory=dict)
    events: str = "train_events"

    def __post_init__(self) -> None:
        names = {BASE, *self.variants}
        used = {
            name for variant in self.variants.values() for name in (variant.against, variant.judged) if name
        }
        used |= {name for statement in self.statements for name in (statement.variant, statement.than)}
        if BASE in self.variants or used - names:
            raise ValueError(f"a study has {sorted(names)}, {BASE!r} of its own, and no {used - names}")
        if any(mark in name for name in self.variants for mark in ",:/"):
            raise ValueError(f"names of variants have no comma, colon or slash: {', '.join(self.variants)}")

    @property
    def all(self) -> Mapping[str, Variant]:
        """The base and all variants, in declared order."""
        return {BASE: Variant(self.title, {}), **self.variants}

    def asked(self, name: str) -> tuple[str, ...]:
        """List the variants that are compared with `name`, which must predict their test events too."""
        pairs = [(label, variant.against) for label, variant in self.variants.items()]
        pairs += [(statement.variant, statement.than) for statement in self.statements]
        return tuple(dict.fromkeys(variant for variant, than in pairs if than == name != variant))
