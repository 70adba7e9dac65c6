"""The classical energies as estimators: Method 0, and MAHI with pulses of three or of eight crossings."""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import dataclass
from pathlib import Path

from projects.facile import mahi, noise, pulse
from shashlik.estimators import portable
from shashlik.task.estimator import Bench, Portable
from shashlik.task.sample import Predictions, Sample

__all__ = ["CLASSICAL", "Classical"]


@dataclass(frozen=True)
class Classical:
    """A method without parameters to fit.

    Parameters
    ----------
    name : str
        Name in metrics and tables.
    method : {"m0", "mahi"}
    crossings : tuple of int
        Crossings in which pulses may begin, for MAHI.
    """

    name: str
    method: str
    crossings: tuple[int, ...] = ()

    def fit(self, train: Sample, bench: Bench) -> Classical:
        """Return the method unchanged."""
        return self

    def predict(self, sample: Sample) -> Predictions:
        """Predict the energy of every hit."""
        return mahi.answers(self.method, self.crossings, sample.columns)

    def portable(self, folder: Path) -> Portable:
        """Write the method by its name."""
        module = portable.join([pulse, noise, mahi], folder)
        facts = folder / "method.json"
        facts.write_text(json.dumps({"method": self.method, "crossings": self.crossings}) + "\n")
        needed = tuple(f"{name}=={importlib.metadata.version(name)}" for name in ("numba", "numpy", "scipy"))
        return Portable(module, {facts.name: facts}, needed, mahi.COLUMNS)


#: Rivals of the network; every slice has its crossing in the last one.
CLASSICAL = (
    Classical("m0", "m0"),
    Classical("mahi", "mahi", (-1, 0, 1)),
    Classical("mahi-8", "mahi", tuple(range(-pulse.SIGNAL, pulse.SLICES - pulse.SIGNAL))),
)
