"""Least squares on the weights of a network, against linear algebra."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from shashlik.estimators.levenberg_marquardt import LeastSquares, train_tiny
from shashlik.estimators.training import prepare
from shashlik.task.estimator import Bench


def net(activation: str | None = None, units: int = 3) -> keras.Model:
    vector = keras.Input((2,), dtype="float64")
    hidden = keras.layers.Dense(units, activation, dtype="float64")(vector)
    return keras.Model(vector, keras.layers.Dense(1, dtype="float64")(hidden))


def plane(events: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(events, 2))
    return x, x @ [2.0, -1.0] + 5.0 + 0.3 * rng.normal(size=events)


def test_derivatives_are_those_of_differences() -> None:
    prepare(1)
    x, y = plane(50)
    problem = LeastSquares(net("tanh"), x, y)
    scale = np.linspace(0.5, 2.0, 50)
    start = problem.weights
    residuals, slopes = problem.jacobian(scale)
    assert slopes.shape == (50, 13)
    step = 1e-6
    for place in range(13):
        problem.weights = start + step * np.eye(13)[place]
        moved = problem.jacobian(scale)[0]
        np.testing.assert_allclose((moved - residuals) / step, slopes[:, place], atol=1e-5)


def test_linear_problem_reaches_the_normal_equations() -> None:
    """A linear network has more weights than a plane; the minimum is the same."""
    prepare(1)
    x, y = plane()
    scale = np.linspace(0.5, 2.0, len(x))
    cost = LeastSquares(net(), x, y).minimise(scale, 100)
    design = np.column_stack([x, np.ones(len(x))]) * scale[:, None]
    left = np.linalg.lstsq(design, y * scale)[1][0] / len(x)
    assert cost == pytest.approx(left, rel=1e-6)


def test_never_worse_and_leaves_the_best_weights() -> None:
    prepare(2)
    x, y = plane()
    scale = np.ones(len(x))
    problem = LeastSquares(net("tanh"), x, y)
    before = float(np.mean(problem.jacobian(scale)[0] ** 2))
    costs = [problem.minimise(scale, 1) for _ in range(5)]
    assert costs == sorted(costs, reverse=True)
    assert costs[0] < before
    assert float(np.mean(problem.jacobian(scale)[0] ** 2)) == pytest.approx(costs[-1], rel=1e-12)


def test_start_without_a_slope() -> None:
    x, y = plane()
    x[7] = np.nan
    problem = LeastSquares(net("tanh"), x, y)
    before = problem.weights
    assert problem.minimise(np.ones(len(x)), 10) == np.inf
    np.testing.assert_array_equal(problem.weights, before)


def test_training_of_a_tiny_network_finds_exact_weights(tmp_path: Path) -> None:
    prepare(3)
    rng = np.random.default_rng(3)
    x = rng.uniform(1, 5, (500, 2))
    truth = (3.0 * x[:, :1] + 2.0 * x[:, 1:]) + 1.0
    curves: list[str] = []
    bench = Bench(3, tmp_path, curve=lambda name, values, step: curves.append(name))
    model = train_tiny(lambda: net(units=1), x, truth, bench)
    np.testing.assert_allclose(model(x).numpy(), truth, rtol=1e-9)
    assert curves == ["starts", "floors", "floors", "floors"], "a start that is perfect is the last one"
