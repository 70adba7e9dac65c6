"""Styles of estimators, the same in every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Style", "literal", "styles"]

#: Palette of Okabe and Ito, distinguishable with every common colour blindness; the subject has the first.
SUBJECT = "#D55E00"
OTHERS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
MARKERS = ("s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Style:
    """Colour, line and marker of an estimator, and the position of its points in a bin (-0.5 to 0.5)."""

    colour: str
    line: str
    marker: str
    width: float
    hollow: bool
    shift: float


def styles(estimators: Sequence[str], subject: str) -> dict[str, Style]:
    """Assign styles to estimators, in their order.

    Names that agree up to the first ``-`` (``lednev`` and ``lednev-tuned``) are variants of one method: they
    share colour and marker. The plain one is dashed with open markers.
    """
    families = list(dict.fromkeys(name.split("-")[0] for name in estimators if name != subject))
    assigned = {}
    for place, name in enumerate(estimators):
        shift = 0.5 * ((place + 0.5) / len(estimators) - 0.5)
        if name == subject:
            assigned[name] = Style(SUBJECT, "-", "o", 2.0, False, shift)
            continue
        family = families.index(name.split("-")[0])
        variants = [
            other for other in estimators if other != subject and other.split("-")[0] == families[family]
        ]
        plain = len(variants) > 1 and name == variants[0]
        colour, marker = OTHERS[family % len(OTHERS)], MARKERS[family % len(MARKERS)]
        assigned[name] = Style(colour, "--" if plain else "-", marker, 1.4, plain, shift)
    return assigned


def literal(text: str) -> str:
    """Escape a name so that matplotlib does not read it as mathematics."""
    return text.replace("\\", r"\\").replace("$", r"\$") if "$" in text else text
