"""The number that a search makes small, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from shashlik.task import catalog
from shashlik.task.objective import SHARE, objective
from tracking.statistics.residuals import Residuals


def residuals(**values: np.ndarray) -> Residuals:
    return Residuals({name: array[:, None] for name, array in values.items()})


def test_is_sigma_for_a_gaussian_and_its_error_is_right() -> None:
    """Pulls of 400 samples have mean 0 and width 1."""
    rng = np.random.default_rng(3)
    pulls = []
    for _ in range(400):
        value, error = objective(residuals(x=0.7 * rng.normal(size=2000)), ["x"])
        pulls.append((value - 0.7) / error)
    assert abs(np.mean(pulls)) < 0.15
    assert np.std(pulls) == pytest.approx(1, abs=0.12)


def test_is_a_geometric_mean() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(2, 5000))
    one, two = (objective(residuals(x=x, y=y), [name])[0] for name in "xy")
    both, error = objective(residuals(x=x, y=y), ["x", "y"])
    assert both == pytest.approx((one * two) ** 0.5)
    assert error < objective(residuals(x=x, y=y), ["x"])[1]
    # One per cent of any quantity is worth the same, whatever its unit.
    assert objective(residuals(x=1e3 * x, y=y), ["x", "y"])[0] == pytest.approx(both * 1e3**0.5)


def test_objects_that_are_not_there_do_not_count() -> None:
    x = np.linspace(-1, 1, 1001)
    both = Residuals({"x": np.stack([x, np.full_like(x, np.nan)], axis=1)})
    real = np.stack([np.ones_like(x), np.zeros_like(x)], axis=1) > 0
    assert np.isnan(objective(both, ["x"])[0])
    assert objective(Residuals(both.values, real=real), ["x"]) == objective(residuals(x=x), ["x"])


def test_bias_and_missing_answers_count() -> None:
    x = np.linspace(-1, 1, 1001)
    plain = objective(residuals(x=x), ["x"])[0]
    assert plain == pytest.approx(SHARE, abs=0.003)
    assert objective(residuals(x=x + 1), ["x"])[0] == pytest.approx(2 * SHARE, abs=0.003)
    some = x.copy()
    some[::10] = np.nan
    assert objective(residuals(x=some), ["x"])[0] > 1.1 * plain


@pytest.mark.parametrize("share", [0.4, 1.0])
def test_too_few_answers_have_no_objective(share: float) -> None:
    x = np.random.default_rng(5).normal(size=1000)
    x[: int(share * 1000)] = np.nan
    assert np.isnan(objective(residuals(x=x), ["x"])).all()


def test_what_is_judged() -> None:
    task = catalog.load("ecal_stage4")
    assert task.primary == ("x", "y", "energy")
    assert task.judgement.goal(task.primary).startswith("geometric mean over x, y, energy of")
    assert task.judgement.goal(()).startswith("geometric mean over x, y, energy of")
