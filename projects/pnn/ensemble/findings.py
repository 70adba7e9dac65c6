"""Findings of the training of an ensemble: rates, losses, members and speed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from projects.pnn.ensemble.one_cycle import cycle_figure, finder_figure
from projects.pnn.predictor import PARITIES
from projects.pnn.schema import FEATURES
from shashlik.figures import importance
from shashlik.task.definition import Finding

__all__ = ["findings"]


def findings(network: Any) -> Mapping[str, Finding]:
    """Make tables and figures of both halves of an ensemble.

    Parameters
    ----------
    network : projects.pnn.cross_fit.Crossed
        Fitted, with an `projects.pnn.ensemble.methods.Ensemble` as its method.
    """
    halves = dict(zip(PARITIES, network.parts, strict=True))
    method = network.method
    cycle = method.cycle
    results: dict[str, Finding] = {}
    rates = {name: part.found for name, part in halves.items() if part.found is not None}
    if rates:
        lines = ["**Rates that the finder suggests**\n", "| events | from | to |", "|---|---:|---:|"]
        lines += [
            f"| {name} | {estimate.low:.1e} | {estimate.high:.1e} |" for name, estimate in rates.items()
        ]
        table = "\n".join(lines)
        results["learning_rate"] = Finding(table, finder_figure(rates, (cycle.low, cycle.high)))
    lines = [
        "**Training of the members, all of a half at once**\n",
        "| events | members | best loss | worst | sub-epochs | seconds a member | events/s |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, part in halves.items():
        trained = part.trained
        members, parts = trained.losses.shape
        processed = part.events * members * parts / cycle.parts
        lines.append(
            f"| {name} | {members} | {trained.least.min():.4f} | {trained.least.max():.4f} | {parts} | "
            f"{trained.seconds / members:.2f} | {processed / max(trained.seconds, 1e-9):.0f} |"
        )
    curves = {
        name: (part.trained.losses, part.trained.training, part.trained.best) for name, part in halves.items()
    }
    results["training"] = Finding("\n".join(lines), cycle_figure(curves, cycle.parts))
    importances = [part.importance for part in halves.values() if len(part.importance[0])]
    if importances:
        values, errors = (
            np.mean([estimate[0] for estimate in importances], axis=0),
            np.hypot(*(estimate[1] for estimate in importances)) / 2,
        )
        names = [*FEATURES, "res_mass"][: len(values)]
        order = np.argsort(-values)
        lines = ["**Loss without an input**, its values exchanged between events\n", "| input | grows by |"]
        lines += [
            "|---|---:|",
            *(f"| {names[i]} | {100 * values[i]:.1f} ± {100 * errors[i]:.1f} % |" for i in order),
        ]
        figure = importance(names, 100 * values, 100 * errors, "growth of the loss (%)")
        results["feature_importance"] = Finding("\n".join(lines), figure)
    return results
