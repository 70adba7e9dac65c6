"""Made-up estimators of photon pairs, for tests of what judges them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np

from tracking.statistics.residuals import Binning, Quantity, Residuals

QUANTITIES = (
    Quantity("x", "cm", r"$x - x_\mathrm{true}$", wish=0.25),
    Quantity("energy", "", r"$(E - E_\mathrm{true})/E_\mathrm{true}$"),
)
BINNINGS = (
    Binning("energy", "GeV", "true energy", (2, 20, 200), log=True),
    Binning("distance", "cm", "distance", (4.0, 8.0, 16.0)),
)


def pairs(
    events: int, widths: dict[str, float], seed: int = 0, failures: float = 0.02
) -> dict[str, Residuals]:
    """Residuals of photon pairs: Gaussian with the given widths, partly common to all estimators."""
    rng = np.random.default_rng(seed)
    shape = (events, 2)
    variables = {
        "energy": rng.uniform(2, 200, shape),
        "distance": np.repeat(rng.uniform(4, 16, (events, 1)), 2, axis=1),
    }
    common = rng.normal(size=(2, *shape))
    found = {}
    for name, width in widths.items():
        values = {
            quantity.name: width * scale * (0.8 * common[i] + 0.6 * rng.normal(size=shape))
            for i, (quantity, scale) in enumerate(zip(QUANTITIES, (1.0, 0.2), strict=True))
        }
        failed = np.repeat(rng.uniform(size=(events, 1)) < failures * width / 0.05, 2, axis=1)
        values["x"] = np.where(failed, values["x"] + 3.0, values["x"])
        if name == "fit":
            lost = rng.uniform(size=events) < 0.01
            values = {key: np.where(lost[:, None], np.nan, array) for key, array in values.items()}
        found[name] = Residuals(values, variables, failed)
    return found


WIDTHS = {"fit": 0.10, "fit-tuned": 0.06, "network": 0.05}


@dataclass(frozen=True)
class Files:
    """An estimator as files: the sum of the cells of an event, times a factor."""

    module: Path
    files: dict[str, Path]
    requirements: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ("cell_e", "run")


SOURCE = '''"""Calibrated sum of cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

VERSION = {version}


@dataclass(frozen=True)
class Calibration:
    factor: float


def load(files):
    calibration = Calibration(**json.loads(Path(files["calibration"]).read_text()))

    def predict(columns):
        return {{"e1": np.array([VERSION * calibration.factor * sum(event) for event in columns["cell_e"]])}}

    return predict
'''


def portable(folder: Path, version: int = 1, factor: float = 2.0) -> Files:
    """That estimator in a version of its code and with a factor in its data."""
    folder.mkdir(parents=True, exist_ok=True)
    module, calibration = folder / "sum.py", folder / "calibration.json"
    module.write_text(SOURCE.format(version=version))
    calibration.write_text(json.dumps({"factor": factor}))
    return Files(module, {"calibration": calibration})


EXAMPLE = {"cell_e": ak.Array([[1.0, 2.0], [], [0.5]]), "run": np.array([1, 1, 2])}
SUMS = np.array([3.0, 0.0, 0.5])
