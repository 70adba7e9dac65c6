"""What a study found: one row a variant, and what holds of the statements. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from shashlik.ablation.comparison import MARGIN, Ratio, Widths, verdict
from shashlik.task.variants import BASE, Study
from tracking.report.numbers import MISSING, interval, percent, with_error
from tracking.report.rendering import escaped
from tracking.statistics.residuals import Quantity

__all__ = ["CAPTION", "Row", "Training", "findings", "frame", "rows", "sentence", "table", "told"]

CAPTION = (
    "σ: Gaussian core within ±2σ, of n trainings the geometric mean, with the errors of the test events and "
    "of the trainings. Ratios: q68, half of the central 68.3 %, of the variant over what it is compared "
    "with, on the same events, with 95 % intervals by a paired bootstrap of the events and the scatter of "
    "trainings with other seeds, in which all variants trained several times have a say. Failures are shares "
    "of all objects."
)


@dataclass(frozen=True)
class Training:
    """One training of a variant, as its run tells it.

    Parameters
    ----------
    variant : str
    repetition : int
    status, failure, run_id : str
    seconds : float
        Of processor time; NaN where unknown.
    widths : mapping of str to (float, float)
        Core width and its error by quantity.
    failures : tuple of float
        Share of failures and its limits.
    """

    variant: str
    repetition: int
    status: str
    failure: str
    run_id: str
    seconds: float
    widths: Mapping[str, tuple[float, float]]
    failures: tuple[float, float, float]

    @property
    def done(self) -> bool:
        """Whether there is a result."""
        return self.status == "FINISHED"


@dataclass(frozen=True)
class Row:
    """A variant with all its trainings.

    Parameters
    ----------
    name, title, against : str
    trainings : tuple of Training
        Finished ones.
    failure : str
        Why those that are not finished failed.
    ratios : mapping of str to Ratio or None
        By quantity.
    """

    name: str
    title: str
    against: str
    trainings: tuple[Training, ...]
    failure: str
    ratios: Mapping[str, Ratio | None]

    def sigma(self, quantity: str) -> tuple[float, float]:
        """Geometric mean of the core widths, with the error of the events and the scatter of trainings."""
        if not self.trainings:
            return math.nan, math.nan
        values, errors = np.array([one.widths[quantity] for one in self.trainings]).T
        if not (values > 0).all():
            return math.nan, math.nan
        mean = float(np.exp(np.log(values).mean()))
        scatter = float(np.std(np.log(values), ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        # The events are the same in all trainings: their error does not shrink.
        return mean, float(np.hypot(np.mean(errors / values), scatter)) * mean


def rows(study: Study, asked: Sequence[str], trainings: Sequence[Training], widths: Widths) -> list[Row]:
    """Rows of the table, in the study's order."""
    found = []
    for name in asked:
        variant = study.all[name]
        own = [one for one in trainings if one.variant == name]
        ratios = {
            quantity: None if name == BASE else widths.ratio(name, variant.against, (quantity,))
            for quantity in widths.quantities
        }
        failure = "; ".join(dict.fromkeys(one.failure or one.status for one in own if not one.done))
        done = tuple(one for one in own if one.done)
        found.append(Row(name, variant.title, variant.against, done, failure, ratios))
    return found


def table(study: Study, found: Sequence[Row], quantities: Sequence[Quantity]) -> str:
    """The comparison as markdown: the original study's own numbers first, then the base and its variants."""
    labels = [f"{one.name} ({one.unit})" if one.unit else one.name for one in quantities]
    head = [
        "variant",
        "",
        "n",
        *(f"σ {label}" for label in labels),
        "failures",
        *(f"{one.name}: ratio" for one in quantities),
        "to",
    ]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 3), "---"]]
    if study.stated:
        stated = [f"{study.stated[one.name]:g}" if one.name in study.stated else "" for one in quantities]
        lines.append(["", "*the original study states*", "", *stated, "", *[""] * len(quantities), ""])
    for row in found:
        if not row.trainings:
            # A row that failed has its reason where the numbers would be.
            reason = f"FAILED: {escaped(row.failure)}"
            lines.append([f"`{row.name}`", escaped(row.title), "0", reason, *[""] * (len(head) - 4)])
            continue
        share = np.mean([one.failures for one in row.trainings], axis=0)
        ratios = [
            MISSING if one is None else interval(one.value, one.low, one.high) for one in row.ratios.values()
        ]
        lines.append(
            [
                f"`{row.name}`",
                escaped(row.title),
                str(len(row.trainings)),
                *(with_error(*row.sigma(one.name)) for one in quantities),
                percent(*(float(x) for x in share)),
                *([""] * len(ratios) if row.name == BASE else ratios),
                "" if row.name == BASE else f"`{row.against}`",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(
    study: Study, asked: Sequence[str], trainings: Sequence[Training], widths: Widths
) -> list[list[str]]:
    """Statements whose variants took part: text, what was measured, and what follows."""
    found = []
    for statement in study.statements:
        if not {statement.variant, statement.than} <= set(asked):
            continue
        ratio = widths.ratio(statement.variant, statement.than, statement.quantities)
        own = [one for one in trainings if one.variant == statement.variant]
        diverged = bool(own) and all("Diverged" in one.failure for one in own)
        what = ", ".join(statement.quantities) or "all"
        measured = MISSING
        if ratio is not None:
            measured = interval(ratio.value, ratio.low, ratio.high)
            by_events = interval(ratio.value, ratio.events_low, ratio.events_high)
            measured = f"{measured}; by events alone {by_events}"
        elif own:
            measured = escaped(own[0].failure or own[0].status)
        pair = f"`{statement.variant}` / `{statement.than}`"
        found.append(
            [
                statement.text,
                statement.expected,
                f"{pair}, {what}",
                measured,
                verdict(statement, ratio, diverged),
            ]
        )
    return found


def findings(lines: Sequence[Sequence[str]]) -> str:
    """`told` as markdown; empty without any."""
    if not lines:
        return ""
    head = ("found by the original study", "expected", "ratio of q68", "measured", "here")
    cells = [head, ("---",) * len(head), *((*line[:-1], f"**{line[-1]}**") for line in lines)]
    note = (
        "*better* and *worse* hold where the interval ends below or begins above 1; *same* where it lies "
        f"within {100 * MARGIN:g} % of 1; *no help* where it begins above {1 - MARGIN:g}. A gain or loss of "
        f"surely less than {100 * MARGIN:g} % is none."
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + f"\n\n{note}"


def sentence(lines: Sequence[Sequence[str]], found: Sequence[Row]) -> str:
    """The outcome in one line."""
    trained, failed = sum(len(row.trainings) for row in found), sum(not row.trainings for row in found)
    text = f"{len(found)} variants, {trained} trainings"
    if failed:
        text += f", {failed} failed"
    if lines:
        words = [line[-1] for line in lines]
        counts = ", ".join(
            f"{words.count(word)} {word}" for word in ("holds", "does not hold", "cannot be decided")
        )
        text += f"; of {len(lines)} findings of the original study: {counts}"
    return text.replace(" holds", " hold").replace("does not hold", "do not hold")


def frame(found: Sequence[Row]) -> pd.DataFrame:
    """All trainings, a row each, with the ratios of their variants."""
    lines = []
    for row in found:
        for one in row.trainings:
            line: dict[str, object] = {
                "variant": row.name,
                "repetition": one.repetition,
                "against": row.against,
                "seconds": one.seconds,
                "failures": one.failures[0],
                "run_id": one.run_id,
            }
            for name, (value, error) in one.widths.items():
                line |= {f"{name}_sigma": value, f"{name}_sigma_err": error}
            for name, ratio in row.ratios.items():
                if ratio is not None:
                    line |= {
                        f"{name}_ratio": ratio.value,
                        f"{name}_ratio_low": ratio.low,
                        f"{name}_ratio_high": ratio.high,
                    }
            lines.append(line)
        if not row.trainings:
            lines.append({"variant": row.name, "against": row.against, "failure": row.failure})
    return pd.DataFrame(lines)
