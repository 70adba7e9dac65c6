"""One look for each estimator, the same in every figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Style", "literal", "styles"]

#: Okabe and Ito's palette, told apart with every common colour blindness; the subject has the first.
SUBJECT = "#D55E00"
OTHERS = ("#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#666666")
MARKERS = ("s", "^", "D", "v", "P", "X")


@dataclass(frozen=True)
class Style:
    """Colour, line and marker of one estimator, and where in a bin its points stand (-0.5 to 0.5)."""

    colour: str
    line: str
    marker: str
    width: float
    hollow: bool
    shift: float


def styles(estimators: Sequence[str], subject: str) -> dict[str, Style]:
    """The looks of estimators, in their order.

    Names that agree up to the first ``-`` (``lednev`` and ``lednev-tuned``) are variants of one method:
    they share colour and marker; the plain one is drawn dashed with open markers.
    """
    families = list(dict.fromkeys(name.split("-")[0] for name in estimators if name != subject))
    found = {}
    for place, name in enumerate(estimators):
        shift = 0.5 * ((place + 0.5) / len(estimators) - 0.5)
        if name == subject:
            found[name] = Style(SUBJECT, "-", "o", 2.0, False, shift)
            continue
        family = families.index(name.split("-")[0])
        variants = [
            other for other in estimators if other != subject and other.split("-")[0] == families[family]
        ]
        plain = len(variants) > 1 and name == variants[0]
        colour, marker = OTHERS[family % len(OTHERS)], MARKERS[family % len(MARKERS)]
        found[name] = Style(colour, "--" if plain else "-", marker, 1.4, plain, shift)
    return found


def literal(text: str) -> str:
    """A name that matplotlib shows as it is, without reading it as mathematics."""
    return text.replace("\\", r"\\").replace("$", r"\$") if "$" in text else text
