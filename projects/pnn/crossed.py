"""An estimator that is learned twice, from each half of the events, and answers about the other half."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from projects import portable
from projects.pnn import foldfile, predictor, selection
from projects.pnn.halves import Half, halves
from projects.pnn.schema import FEATURES, MASSES, SCHEMA
from projects.pnn.selection import PRESELECTION
from projects.task import BadInput, Bench, Nested, Portable, Predictions, Sample

__all__ = ["Crossed", "Learned", "Method"]


class Learned(Protocol):
    """What a method has learned from a half."""

    def responses(self, columns: Any) -> NDArray[np.floating]:
        """Responses of preselected events under every mass, shape (events, masses)."""

    def write(self, folder: Path, parity: str) -> dict[str, Path]:
        """Files that `projects.pnn.predictor` reads, below `folder`."""

    def facts(self) -> dict[str, Any]:
        """What goes into the facts of the model, the same or by parity."""


class Method(Protocol):
    """A way to tell signal from background."""

    @property
    def kind(self) -> str:
        """What `projects.pnn.predictor` calls it: networks, trees, or windows."""

    @property
    def requirements(self) -> tuple[str, ...]:
        """PyPI requirements of its predictions."""

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that it asks for beside the networks' own."""

    def learn(self, half: Half, stage: str, bench: Bench) -> Learned:
        """Learn from a half; `stage` names curves and checkpoint."""


@dataclass(frozen=True)
class Crossed:
    """An estimator of two halves.

    Parameters
    ----------
    name : str
        Name in metrics and tables.
    method : Method
    held_out : tuple of int
        Masses of which it does not see signal.
    folds : str
        Folder into which `fit` writes the events as fold files of LUMIN; none if empty.
    parts : sequence of Learned
        From even and from odd events; none before `fit`.
    """

    name: str
    method: Method
    held_out: tuple[int, ...] = ()
    folds: str = ""
    parts: Sequence[Learned] = ()

    def fit(self, train: Sample, bench: Bench) -> Crossed:
        """A copy that has learned from both halves of `train`."""
        self._complete(train)
        parts = []
        both = halves(train, self.held_out, bench.seed)
        if self.folds:
            foldfile.export(both, Path(self.folds), bench.seed)
        for half, parity in zip(both, predictor.PARITIES, strict=True):
            parts.append(self.method.learn(half, f"{self.name}-{parity}", bench))
        return replace(self, parts=tuple(parts))

    def predict(self, sample: Sample) -> Predictions:
        """Responses to every event under every mass; NaN where the preselection fails."""
        if not self.parts:
            raise ValueError(f"{self.name} has not been fitted")
        self._complete(sample)
        return predictor.answers(sample.columns, {"masses": MASSES}, [one.responses for one in self.parts])

    def portable(self, folder: Path) -> Portable:
        """Both parts as files, with the module that reads them."""
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Path] = {}
        facts: dict[str, Any] = {"kind": self.method.kind, "masses": MASSES, "features": FEATURES}
        for part, parity in zip(self.parts, predictor.PARITIES, strict=True):
            files |= part.write(folder, parity)
            for name, value in part.facts().items():
                facts.setdefault(name, {})[parity] = value
        path = folder / "facts.json"
        path.write_text(json.dumps(facts) + "\n")
        return Portable(
            portable.join([selection, predictor], folder),
            files | {path.name: path},
            (f"numpy=={np.__version__}", *self.method.requirements),
            self.inputs,
        )

    @property
    def nested(self) -> Sequence[Nested]:
        """The members of its networks, by half."""
        return [
            one
            for part, parity in zip(self.parts, predictor.PARITIES, strict=True)
            for one in getattr(part, "nested", lambda parity: [])(parity)
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
