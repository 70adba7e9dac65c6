"""Two-fold cross-fitting: train on each half of the events and predict the other."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from projects.pnn import predictor, selection, tail_probability
from projects.pnn.ensemble import lumin_files
from projects.pnn.halves import Half, halves, selected
from projects.pnn.schema import FEATURES, MASSES, SCHEMA, is_signal
from projects.pnn.selection import PRESELECTION
from shashlik.estimators import portable
from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench, Nested, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["Crossed", "Learned", "Method"]

#: Fewest background events in a quarter for a table of tail probabilities.
FEWEST = 5


class Learned(Protocol):
    """A method trained on a half."""

    def responses(self, columns: Any) -> NDArray[np.floating]:
        """Return responses of preselected events under every mass, shape (events, masses)."""

    def write(self, folder: Path, parity: str) -> dict[str, Path]:
        """Write the files that `projects.pnn.predictor` reads into `folder`."""

    def facts(self) -> dict[str, Any]:
        """Return facts of the model, the same or by parity."""


class Method(Protocol):
    """A method that separates signal from background."""

    @property
    def kind(self) -> str:
        """Kind in `projects.pnn.predictor`: networks, trees, or windows."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """PyPI requirements of its predictions."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it needs besides the networks' own."""

    def learn(self, half: Half, stage: str, bench: Bench) -> Learned:
        """Train on a half; `stage` names curves and checkpoint."""


@dataclass(frozen=True)
class Crossed:
    """A cross-fitted estimator.

    Parameters
    ----------
    name : str
        Name in metrics and tables.
    method : Method
    held_out : tuple of int
        Masses whose signal is excluded from training.
    folds : str
        Folder into which `fit` writes the events as fold files of LUMIN; none if empty.
    parts : sequence of Learned
        Trained on even and on odd events; empty before `fit`.
    tables : sequence of ndarray
        Tail probabilities of the quarters, see `projects.pnn.predictor.answers`.
    """

    name: str
    method: Method
    held_out: tuple[int, ...] = ()
    folds: str = ""
    parts: Sequence[Learned] = ()
    tables: Sequence[NDArray[np.float64]] = ()

    def fit(self, train: Sample, bench: Bench) -> Crossed:
        """Train on both halves of `train`; return the trained copy."""
        self._complete(train)
        parts = []
        both = halves(train, self.held_out, bench.seed)
        if self.folds:
            lumin_files.export(both, Path(self.folds), bench.seed)
        for half, parity in zip(both, predictor.PARITIES, strict=True):
            parts.append(self.method.learn(half, f"{self.name}-{parity}", bench))
        return replace(self, parts=tuple(parts), tables=tuple(_tables(train, both, parts)))

    def predict(self, sample: Sample) -> Predictions:
        """Predict response and tail probability under every mass; NaN if the preselection fails."""
        if not self.parts:
            raise ValueError(f"{self.name} has not been fitted")
        self._complete(sample)
        return predictor.answers(sample.columns, MASSES, [part.responses for part in self.parts], self.tables)

    def portable(self, folder: Path) -> Portable:
        """Write both parts as files, with the module that reads them."""
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Path] = {}
        facts: dict[str, Any] = {"kind": self.method.kind, "masses": MASSES, "features": FEATURES}
        for part, parity in zip(self.parts, predictor.PARITIES, strict=True):
            files |= part.write(folder, parity)
            for name, value in part.facts().items():
                facts.setdefault(name, {})[parity] = value
        path, tails = folder / "facts.json", folder / "tails.npz"
        path.write_text(json.dumps(facts) + "\n")
        with tails.open("wb") as stream:
            np.savez_compressed(
                stream, **dict[str, Any]({str(n): table for n, table in enumerate(self.tables)})
            )
        return Portable(
            portable.join([selection, tail_probability, predictor], folder),
            files | {file.name: file for file in (path, tails)},
            (f"numpy=={np.__version__}", *self.method.requirements),
            self.inputs,
        )

    @property
    def nested(self) -> Sequence[Nested]:
        """Members of its networks, by half."""
        return [
            member
            for part, parity in zip(self.parts, predictor.PARITIES, strict=True)
            for member in getattr(part, "nested", lambda parity: [])(parity)
        ]

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns that its predictions need, in the order of the schema."""
        needed = {"event", *FEATURES, *PRESELECTION, "lep_category", *self.method.columns}
        return tuple(name for name in SCHEMA.names if name in needed)

    def _complete(self, sample: Sample) -> None:
        for name in self.method.columns:
            if name not in sample:
                raise BadInput(
                    f"{sample.source}: {self.name} needs the column {name!r}: fill it "
                    f"(columns={name}:BRANCH) or leave it out (cuts=false)"
                )


def _tables(train: Sample, both: Sequence[Half], parts: Sequence[Learned]) -> Iterator[NDArray[np.float64]]:
    """Tabulate tail probabilities for each quarter, from the background of its half's other quarter."""
    background = train.select(selected(train) & ~is_signal(train))
    response = predictor.responses(background.columns, MASSES, [part.responses for part in parts])
    quarter, weights = predictor.quarter(background.columns), np.empty(len(background))
    for parity, half in enumerate(both):
        weights[quarter % 2 == parity] = half.weights[~half.signal]
    for number in range(predictor.QUARTERS):
        rows = quarter == (number + 2) % predictor.QUARTERS
        if rows.sum() < FEWEST:
            raise BadInput(
                f"{train.source}: {rows.sum()} background events that pass the preselection have a number "
                f"that leaves {(number + 2) % predictor.QUARTERS} when divided by {predictor.QUARTERS}; "
                f"{FEWEST} are needed: give more files or train_events"
            )
        yield tail_probability.tabulated(response[rows], weights[rows])
