"""The closed form, in double and single precision, with this repository and without it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from shashlik.estimators.formula import Formula
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.estimator import Bench
from shashlik.task.sample import Predictions
from shashlik.task.settings import resolve

TASK = catalog.load("mass")
OUTSIDE = 3.0


def energy(mass: np.ndarray, px: np.ndarray) -> Predictions:
    return {"e": np.hypot(mass, px)}


def closed_forms(basis: str) -> dict[str, Formula]:
    settings = resolve(TASK.settings, TASK.presets, {"basis": basis})
    return {found.name: found for found in TASK.estimators(settings) if isinstance(found, Formula)}


@pytest.mark.parametrize("basis", ["cartesian", "polar"])
def test_exact_in_double_and_cancelling_in_single_precision(basis: str) -> None:
    """m^2 = E^2 - p^2 loses gamma^2 = (E/m)^2 of the precision of its terms."""
    settings = resolve(TASK.settings, TASK.presets, {"basis": basis, "min_p": "5"})
    sample = TASK.simulate(settings, 20_000, 3)
    gamma = sample["e"] / sample["mass"]
    for name, unit in (("closed-form", 2.0**-53), ("closed-form-32", 2.0**-24)):
        error = np.abs(closed_forms(basis)[name].predict(sample)["mass"] / sample["mass"] - 1.0)
        lost = error / (unit * gamma**2)
        # A few roundings of E^2, p^2 and the inputs; in the polar basis also that of eta times sinh.
        assert 0.05 < np.median(lost[gamma > 2]) < 3
        assert np.max(lost[gamma > 2]) < 30


def test_negative_squares_keep_their_sign() -> None:
    form = closed_forms("cartesian")["closed-form"]
    found = form.function(*(np.array([value]) for value in (3.0, 5.0, 0.0, 0.0)))
    assert found["mass"] == pytest.approx([-4.0])


def test_missing_column() -> None:
    sample = TASK.simulate(resolve(TASK.settings, TASK.presets, {"basis": "polar"}), 300, 1)
    with pytest.raises(BadInput, match=r"closed-form needs the column 'px'; there are: run, event, e, pt"):
        closed_forms("cartesian")["closed-form"].predict(sample)


def test_only_what_travels_may_be_used() -> None:
    def closure(e: np.ndarray) -> Predictions:
        return {"mass": e * shift}

    shift = 2.0
    with pytest.raises(ValueError, match=r"formula 'f' uses a closure from outside of closure"):
        Formula("f", closure)
    with pytest.raises(ValueError, match=r"formula 'f' uses OUTSIDE from outside of outside"):
        Formula("f", outside)


def outside(e: np.ndarray) -> Predictions:
    return {"mass": e * OUTSIDE}


def test_travels_without_this_repository(tmp_path: Path) -> None:
    form = Formula("energy", energy, "float32")
    fitted = form.fit(None, Bench(1, tmp_path))  # type: ignore[arg-type]  # it looks at nothing
    found = fitted.portable(tmp_path / "model")
    assert found.inputs == ("mass", "px")
    files = {name: str(path) for name, path in found.files.items()}
    code = (
        f"import sys; sys.path.insert(0, {str(found.module.parent)!r})\n"
        f"import estimator; predict = estimator.load({files})\n"
        "out = predict({'mass': [3.0], 'px': [4.0], 'more': [1.0]})['e']; print(out[0], out.dtype)\n"
        "assert not any(name.split('.')[0] in ('projects', 'shashlik', 'tracking') for name in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.split() == ["5.0", "float32"], done.stderr
