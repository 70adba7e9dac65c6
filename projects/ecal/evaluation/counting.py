"""Photon counting of estimators: efficiency of pairs and false splits of single photons.

Measured on simulated pairs and simulated single photons of the run's own scene, independent of all training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.ecal.evaluation.photons import BINNINGS, residuals
from projects.ecal.simulation.events import Scene, simulate
from shashlik.figures import legend, literal, points, styles, tidy, variable
from shashlik.statistics import MISSING, Binning, percent, wilson
from shashlik.task.definition import Finding
from shashlik.task.estimator import Estimator
from shashlik.task.sample import Predictions

__all__ = ["Counted", "both_found", "counted", "finding"]

_BINS = {binning.name: binning for binning in BINNINGS}


@dataclass(frozen=True)
class Counted:
    """Pairs found and single photons split by one estimator, in events with a known number of photons.

    Parameters
    ----------
    both : ndarray of bool, shape (pairs,)
        Pairs of which both photons are found without gross errors.
    distance : ndarray, shape (pairs,)
        Distance of the photons, cm.
    split : ndarray of bool, shape (singles,), or None
        Single photons reconstructed as two or more; None for an estimator that does not count.
    energy : ndarray, shape (singles,)
        Energy of the photons, GeV.
    """

    both: NDArray[np.bool_]
    distance: NDArray[np.floating]
    split: NDArray[np.bool_] | None
    energy: NDArray[np.floating]

    def shares(self) -> Iterator[tuple[str, Binning, NDArray[np.bool_], NDArray[np.floating]]]:
        """Yield name, bins, events that pass and binning variable of both shares."""
        yield "pair_efficiency", _BINS["distance"], self.both, self.distance
        if self.split is not None:
            yield "false_split", _BINS["energy"], self.split, self.energy


def both_found(sample: Any, predictions: Predictions) -> NDArray[np.bool_]:
    """Select the pairs of a sample of which both photons are found within 2 cm and half of the energy."""
    most = sum(name[0] == "x" and name[1:].isdigit() for name in predictions)
    pair_residuals = residuals(sample, predictions, most, 2)
    assert pair_residuals.failed is not None
    return np.asarray(
        ((pair_residuals.answered & ~pair_residuals.failed) | ~pair_residuals.present).all(axis=1)
    )


def counted(fitted: Mapping[str, Estimator], scene: Scene, events: int, seed: int) -> dict[str, Counted]:
    """Evaluate estimators on equal numbers of simulated pairs and single photons.

    Parameters
    ----------
    fitted : mapping of str to Estimator
        Estimators by name. Their output ``photons`` is the number found; an estimator without it does not
        count.
    scene : Scene
        Scene of the run; its number of photons does not matter.
    events : int
        Number of pairs, and of single photons.
    seed : int
        Random seed of the run; none of its events is repeated.
    """
    seeds = np.random.SeedSequence((seed, 2)).generate_state(2)
    pairs, singles = (
        simulate(replace(scene, photons=number), events, int(sample_seed))
        for number, sample_seed in zip((2, 1), seeds, strict=True)
    )
    x, y = (np.asarray(pairs[f"true_{name}"]) for name in "xy")
    distance = np.hypot(x[:, 0] - x[:, 1], y[:, 0] - y[:, 1])
    energy = np.asarray(singles["true_e"])[:, 0]
    counts = {}
    for name, estimator in fitted.items():
        prediction = estimator.predict(singles)
        split = prediction["photons"] >= 2 if "photons" in prediction else None
        counts[name] = Counted(both_found(pairs, estimator.predict(pairs)), distance, split, energy)
    return counts


def finding(fitted: Mapping[str, Estimator], scene: Scene, events: int, seed: int) -> Finding:
    """Return table, figure and metrics of `counted`, with Wilson intervals of 68.3 %.

    Metrics are ``<estimator>/count/pair_efficiency`` and ``false_split`` with ``_low`` and ``_high``, over
    all bins.
    """
    counts = counted(fitted, scene, events, seed)
    numbers: dict[str, float] = {}
    for name, count in counts.items():
        for share, _, passed, _ in count.shares():
            low, high = wilson(passed.sum(), len(passed))
            key = f"{name}/count/{share}"
            numbers |= {key: float(passed.mean()), f"{key}_low": low, f"{key}_high": high}
    return Finding("\n".join(_table(counts, events)), _figure(counts), numbers)


def _table(counts: Mapping[str, Counted], events: int) -> list[str]:
    lines = [
        f"**Counting photons**, on {events} simulated pairs and {events} single photons. A pair is found if "
        "both of its photons are, within 2 cm and half of the energy; a single photon is split if two or "
        "more are found.",
    ]
    silent = [name for name, count in counts.items() if count.split is None]
    if silent:
        lines[0] += f" ({', '.join(silent)}: answers two photons whatever there is, and does not count.)"
    for share, title in (("pair_efficiency", "pairs found"), ("false_split", "single photons split")):
        columns = {}
        for name, count in counts.items():
            for key, binning, passed, value in count.shares():
                if key == share:
                    columns[name] = (binning, passed, value)
        if not columns:
            continue
        binning = next(iter(columns.values()))[0]
        lines += ["", f"| {title}: {binning.label} ({binning.unit}) | {' | '.join(columns)} |"]
        lines.append("|---|" + len(columns) * "---|")
        edges = [*pairwise(binning.edges), (-np.inf, np.inf)]
        for low, high in edges:
            label = f"{low:g} to {high:g}" if np.isfinite(low) else "all"
            cells = []
            for _, passed, value in columns.values():
                inside = (value >= low) & (value < high)
                cells.append(_percent(passed[inside]))
            if any(cell != MISSING for cell in cells):
                lines.append(f"| {label} | {' | '.join(cells)} |")
    return lines


def _percent(passed: NDArray[np.bool_]) -> str:
    if not len(passed):
        return MISSING
    return percent(float(passed.mean()), *wilson(passed.sum(), len(passed)))


def _figure(counts: Mapping[str, Counted], subject: str = "network") -> Figure:
    figure = Figure(figsize=(11, 4.8), layout="constrained")
    panels = dict(zip(("pair_efficiency", "false_split"), figure.subplots(1, 2), strict=True))
    looks = styles(tuple(counts), subject)
    for name, count in counts.items():
        for share, binning, passed, value in count.shares():
            rows = []
            for low, high in pairwise(binning.edges):
                inside = passed[(value >= low) & (value < high)]
                share_of = inside.mean() if len(inside) else np.nan
                rows.append((share_of, *wilson(inside.sum(), len(inside))))
            middle, low, high = 100 * np.array(rows).T
            errors = np.array([middle - low, high - middle])
            points(panels[share], binning, middle, errors, looks[name], literal(name), False)
            variable(panels[share], binning)
    panels["pair_efficiency"].set_ylabel("pairs of which both photons are found (%)")
    panels["false_split"].set_ylabel("single photons found as two or more (%)")
    panels["false_split"].set_yscale("symlog", linthresh=0.1)
    panels["false_split"].set_ylim(bottom=0)
    for panel in panels.values():
        tidy(panel)
    legend(figure, panels["pair_efficiency"])
    return figure
