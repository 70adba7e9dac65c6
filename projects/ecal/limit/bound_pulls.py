"""Pulls of a run's estimators: residuals over the information bound of each event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import SCHEMA
from projects.ecal.evaluation.photons import BINNINGS, residuals
from shashlik.evaluation.evidence import LIMIT, Evidence, from_json, predictions
from shashlik.exceptions import BadInput
from shashlik.statistics import Binning, Resolution, resolution, with_error
from shashlik.task.sample import Sample

__all__ = ["Finished", "Pulls", "binning", "pull_tables", "pulls"]


def binning(name: str) -> Binning:
    """Return the binning of this name."""
    return next(candidate for candidate in BINNINGS if candidate.name == name)


@dataclass(frozen=True)
class Finished:
    """Evidence and predictions of a finished run on simulated pairs.

    Parameters
    ----------
    evidence : Evidence
    table : PredictionTable
    """

    evidence: Evidence
    table: predictions.PredictionTable

    @classmethod
    def read(cls, folder: Path) -> Finished:
        """Read the run whose artifacts ``evidence/`` are in `folder`.

        Raises
        ------
        BadInput
            If artifacts are missing, or the run has no bound.
        """
        try:
            evidence = from_json((folder / "evidence.json").read_text(encoding="utf-8"))
            table = predictions.read(folder / "predictions.parquet")
        except (OSError, ValueError) as error:
            raise BadInput(
                f"no evidence of a run in {folder}: {error}; give the artifacts evidence/ of a run"
            ) from None
        if (
            not isinstance(evidence, Evidence)
            or LIMIT not in table.answers
            or "sx2" not in table.answers[LIMIT]
        ):
            raise BadInput(
                f"{folder} has no {LIMIT} of pairs, but {', '.join(table.answers)}; "
                "give the evidence/ of a run of ecal_stage4 on simulated events"
            )
        return cls(evidence, table)

    @property
    def shown(self) -> list[str]:
        """The subject and the estimators tuned to the simulation."""
        return [self.evidence.subject, *(n for n in self.evidence.estimators if n.endswith("-tuned"))]


@dataclass(frozen=True)
class Pulls:
    """Residuals over the bound's standard deviation, (events, photons); NaN without a prediction.

    Parameters
    ----------
    values : mapping of str to ndarray
        For ``x``, ``y`` and ``energy``.
    variables : mapping of str to ndarray
        True variables for binnings.
    """

    values: Mapping[str, NDArray[np.floating]]
    variables: Mapping[str, NDArray[np.floating]]

    def width(self, names: tuple[str, ...], rows: NDArray[np.bool_]) -> Resolution:
        """Return the width of the pulls of some quantities together, for the selected photons."""
        return resolution(np.concatenate([self.values[name][rows] for name in names]))


def pulls(run: Finished, estimator: str) -> Pulls:
    """Compute the pulls of an estimator of a run."""
    residual = residuals(Sample(SCHEMA, run.table.truth, "predictions"), run.table.answers[estimator], 2)
    limit = run.table.answers[LIMIT]
    sigma = {name: np.stack([limit[f"s{name}1"], limit[f"s{name}2"]], axis=1) for name in "xye"}
    scale = {"x": sigma["x"], "y": sigma["y"], "energy": sigma["e"] / residual.variables["energy"]}
    return Pulls({name: residual.values[name] / scale[name] for name in scale}, residual.variables)


def pull_tables(run: Finished) -> list[tuple[list[str], list[list[str]]]]:
    """Return heads and rows: core and 68 % width of the pulls of position and energy, also in bins."""
    estimator_pulls = {name: pulls(run, name) for name in run.shown}
    tables = []
    for name in ("", "distance", "energy"):
        first = next(iter(estimator_pulls.values())).variables["energy"]
        bins = [("all", np.ones(first.shape, dtype=bool))]
        if name:
            variable = next(iter(estimator_pulls.values())).variables[name]
            edges = pairwise(binning(name).edges)
            bins = [(f"{low:g}-{high:g}", (variable >= low) & (variable < high)) for low, high in edges]
        rows = []
        for label, selected in bins:
            row = [label]
            for estimator in estimator_pulls.values():
                for names in (("x", "y"), ("energy",)):
                    core = estimator.width(names, selected)
                    row.append(
                        f"{with_error(core.sigma, core.sigma_err)} / {with_error(core.q68, core.q68_err)}"
                    )
            rows.append(row)
        head = [
            f"{subject}, {heading}"
            for subject in estimator_pulls
            for heading in ("position: core / 68 %", "energy: core / 68 %")
        ]
        tables.append(([name or "sample", *head], rows))
    return tables
