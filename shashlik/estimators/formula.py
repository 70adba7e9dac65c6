"""Closed form as an estimator: a function of columns, evaluated and registered like a network."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shashlik.exceptions import BadInput
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["Formula"]

_MODULE = '''\
"""A closed form of Shashlik; it needs only its listed requirements."""

import json
from pathlib import Path

import numpy as np

{function}

def load(files):
    """A function from input columns to predictions; `files` maps "formula.json" to its path."""
    facts = json.loads(Path(files["formula.json"]).read_text())

    def predict(columns):
        return {name}(*(np.asarray(columns[column], dtype=facts["precision"]) for column in facts["inputs"]))

    return predict
'''


@dataclass(frozen=True)
class Formula:
    """Estimator with nothing to fit.

    Parameters
    ----------
    name : str
        Name in metrics and tables.
    function : callable
        Top-level function. Its parameters are names of flat columns, and it returns `Predictions`. It may use
        only ``np`` and its own arguments, as the model carries nothing but its source text.
    precision : {"float64", "float32"}
        Type of the input arrays.

    Raises
    ------
    ValueError
        When the function uses another name of its module.
    """

    name: str
    function: Callable[..., Predictions]
    precision: str = "float64"

    def __post_init__(self) -> None:
        names = set(inspect.getclosurevars(self.function).globals) - {"np"}
        if names or self.function.__closure__:
            raise ValueError(
                f"formula {self.name!r} uses {', '.join(sorted(names)) or 'a closure'} from outside of "
                f"{self.function.__name__}; only np travels with it: move the rest inside"
            )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Input columns, in the order of the function's parameters."""
        return tuple(inspect.signature(self.function).parameters)

    def fit(self, train: Sample, bench: Bench) -> Formula:
        """Return the estimator itself: there is nothing to fit."""
        return self

    def predict(self, sample: Sample) -> Predictions:
        """Apply the function to the sample's columns.

        Raises
        ------
        BadInput
            When the sample lacks an input column.
        """
        missing = [name for name in self.inputs if name not in sample]
        if missing:
            raise BadInput(
                f"{sample.source}: {self.name} needs the column {missing[0]!r}; "
                f"there are: {', '.join(sample.columns)}"
            )
        return self.function(*(np.asarray(sample[name], dtype=self.precision) for name in self.inputs))

    def portable(self, folder: Path) -> Portable:
        """Write the function's source text as a module of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        module, facts = folder / "estimator.py", folder / "formula.json"
        text = textwrap.dedent(inspect.getsource(self.function))
        module.write_text(
            "from __future__ import annotations\n\n"
            + _MODULE.format(function=text, name=self.function.__name__)
        )
        facts.write_text(json.dumps({"inputs": self.inputs, "precision": self.precision}) + "\n")
        return Portable(module, {facts.name: facts}, (f"numpy=={np.__version__}",), self.inputs)
