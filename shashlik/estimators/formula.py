"""A closed form as an estimator: one function of columns, judged and registered as every network is."""

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
    """An estimator with nothing to fit.

    Parameters
    ----------
    name : str
        Name in metrics and tables.
    function : callable
        A top-level function. Its parameters are names of flat columns, it returns `Predictions`. It may use
        ``np`` and its own arguments and nothing else, so that its text alone can travel with the model.
    precision : {"float64", "float32"}
        Type of the arrays it is given.

    Raises
    ------
    ValueError
        When the function uses another name of its module.
    """

    name: str
    function: Callable[..., Predictions]
    precision: str = "float64"

    def __post_init__(self) -> None:
        used = set(inspect.getclosurevars(self.function).globals) - {"np"}
        if used or self.function.__closure__:
            raise ValueError(
                f"formula {self.name!r} uses {', '.join(sorted(used)) or 'a closure'} from outside of "
                f"{self.function.__name__}; only np travels with it: move the rest inside"
            )

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns it takes, in the order of the function's parameters."""
        return tuple(inspect.signature(self.function).parameters)

    def fit(self, train: Sample, bench: Bench) -> Formula:
        """Itself: there is nothing to fit."""
        return self

    def predict(self, sample: Sample) -> Predictions:
        """The function of the sample's columns.

        Raises
        ------
        BadInput
            When the sample lacks one of them.
        """
        missing = [name for name in self.inputs if name not in sample]
        if missing:
            raise BadInput(
                f"{sample.source}: {self.name} needs the column {missing[0]!r}; "
                f"there are: {', '.join(sample.columns)}"
            )
        return self.function(*(np.asarray(sample[name], dtype=self.precision) for name in self.inputs))

    def portable(self, folder: Path) -> Portable:
        """The function's text in a module of its own."""
        folder.mkdir(parents=True, exist_ok=True)
        module, facts = folder / "estimator.py", folder / "formula.json"
        text = textwrap.dedent(inspect.getsource(self.function))
        module.write_text(
            "from __future__ import annotations\n\n"
            + _MODULE.format(function=text, name=self.function.__name__)
        )
        facts.write_text(json.dumps({"inputs": self.inputs, "precision": self.precision}) + "\n")
        return Portable(module, {facts.name: facts}, (f"numpy=={np.__version__}",), self.inputs)
