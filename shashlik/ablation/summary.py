"""Summarise an ablation: one row per variant, and a verdict on each statement. Pure functions."""

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
    """One training of a variant, as recorded in its run.

    Parameters
    ----------
    variant : str
    repetition : int
    status, failure, run_id : str
    seconds : float
        Processor time; NaN where unknown.
    widths : mapping of str to (float, float)
        Core width and its error, by quantity.
    failures : tuple of float
        Share of failures, with its lower and upper limit.
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
        """Whether the training finished."""
        return self.status == "FINISHED"


@dataclass(frozen=True)
class Row:
    """A variant with all its trainings.

    Parameters
    ----------
    name, title, against : str
    trainings : tuple of Training
        The finished ones.
    failure : str
        Reasons of the trainings that failed.
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
        """Average the core widths geometrically.

        The error combines that of the events and the scatter of the trainings.
        """
        if not self.trainings:
            return math.nan, math.nan
        values, errors = np.array([training.widths[quantity] for training in self.trainings]).T
        if not (values > 0).all():
            return math.nan, math.nan
        mean = float(np.exp(np.log(values).mean()))
        scatter = float(np.std(np.log(values), ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
        # All trainings share the test events, so averaging does not reduce the error of the events.
        return mean, float(np.hypot(np.mean(errors / values), scatter)) * mean


def rows(study: Study, asked: Sequence[str], trainings: Sequence[Training], widths: Widths) -> list[Row]:
    """Build the rows of the table, in the declared order."""
    lines = []
    for name in asked:
        variant = study.all[name]
        repetitions = [training for training in trainings if training.variant == name]
        ratios = {
            quantity: None if name == BASE else widths.ratio(name, variant.against, (quantity,))
            for quantity in widths.quantities
        }
        failure = "; ".join(
            dict.fromkeys(
                training.failure or training.status for training in repetitions if not training.done
            )
        )
        done = tuple(training for training in repetitions if training.done)
        lines.append(Row(name, variant.title, variant.against, done, failure, ratios))
    return lines


def table(study: Study, found: Sequence[Row], quantities: Sequence[Quantity]) -> str:
    """Format the comparison as markdown: widths stated by the original study, the base, its variants."""
    labels = [
        f"{quantity.name} ({quantity.unit})" if quantity.unit else quantity.name for quantity in quantities
    ]
    head = [
        "variant",
        "",
        "n",
        *(f"σ {label}" for label in labels),
        "failures",
        *(f"{quantity.name}: ratio" for quantity in quantities),
        "to",
    ]
    lines = [head, ["---", "---", *["---:"] * (len(head) - 3), "---"]]
    if study.stated:
        stated = [
            f"{study.stated[quantity.name]:g}" if quantity.name in study.stated else ""
            for quantity in quantities
        ]
        lines.append(["", "*the original study states*", "", *stated, "", *[""] * len(quantities), ""])
    for row in found:
        if not row.trainings:
            # A failed variant shows its reason in place of the widths.
            reason = f"FAILED: {escaped(row.failure)}"
            lines.append([f"`{row.name}`", escaped(row.title), "0", reason, *[""] * (len(head) - 4)])
            continue
        share = np.mean([training.failures for training in row.trainings], axis=0)
        ratios = [
            MISSING if ratio is None else interval(ratio.value, ratio.low, ratio.high)
            for ratio in row.ratios.values()
        ]
        lines.append(
            [
                f"`{row.name}`",
                escaped(row.title),
                str(len(row.trainings)),
                *(with_error(*row.sigma(quantity.name)) for quantity in quantities),
                percent(*(float(x) for x in share)),
                *([""] * len(ratios) if row.name == BASE else ratios),
                "" if row.name == BASE else f"`{row.against}`",
            ]
        )
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def told(
    study: Study, asked: Sequence[str], trainings: Sequence[Training], widths: Widths
) -> list[list[str]]:
    """List the statements whose variants took part: text, measurement and verdict."""
    lines = []
    for statement in study.statements:
        if not {statement.variant, statement.than} <= set(asked):
            continue
        ratio = widths.ratio(statement.variant, statement.than, statement.quantities)
        repetitions = [training for training in trainings if training.variant == statement.variant]
        diverged = bool(repetitions) and all("Diverged" in training.failure for training in repetitions)
        quantities = ", ".join(statement.quantities) or "all"
        measured = MISSING
        if ratio is not None:
            measured = interval(ratio.value, ratio.low, ratio.high)
            by_events = interval(ratio.value, ratio.events_low, ratio.events_high)
            measured = f"{measured}; by events alone {by_events}"
        elif repetitions:
            measured = escaped(repetitions[0].failure or repetitions[0].status)
        pair = f"`{statement.variant}` / `{statement.than}`"
        lines.append(
            [
                statement.text,
                statement.expected,
                f"{pair}, {quantities}",
                measured,
                verdict(statement, ratio, diverged),
            ]
        )
    return lines


def findings(lines: Sequence[Sequence[str]]) -> str:
    """Format the result of `told` as markdown; empty without statements."""
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
    """Summarise the outcome in one line."""
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
    """Tabulate all trainings, one row each, with the ratios of their variants."""
    lines = []
    for row in found:
        for training in row.trainings:
            line: dict[str, object] = {
                "variant": row.name,
                "repetition": training.repetition,
                "against": row.against,
                "seconds": training.seconds,
                "failures": training.failures[0],
                "run_id": training.run_id,
            }
            for name, (value, error) in training.widths.items():
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
