"""The training loop: learns, repeats itself, survives a kill, stops when it should."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from shashlik.estimators.training import Diverged, OneCycle, Plan, predict, prepare, train
from shashlik.task.estimator import Bench

PLAN = Plan(epochs=6, batch=64, rate=3e-2, group=4)


def line(events: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A linear relation with a little noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(events, 3)).astype(np.float32)
    return x, (x @ [1.0, -2.0, 0.5] + 0.01 * rng.normal(size=events)).astype(np.float32)[:, None]


def net() -> keras.Model:
    prepare(5)
    view = keras.Input((3,))
    return keras.Model(view, keras.layers.Dense(1)(keras.layers.Dense(16, activation="relu")(view)))


def run(folder: Path, plan: Plan = PLAN, **bench) -> tuple[keras.Model, dict[str, list[float]]]:
    model = net()
    history = train(
        "line",
        model,
        keras.losses.mean_squared_error,
        line(1000, 1),
        line(200, 2),
        plan,
        Bench(seed=3, scratch=folder, **bench),
    )
    return model, history


def noise(inputs, truth, seed):
    """An augmentation with randomness of its own."""
    import tensorflow as tf

    return inputs + 0.01 * tf.random.stateless_normal(tf.shape(inputs), seed), truth


def test_learns_and_reports_every_epoch(tmp_path: Path) -> None:
    seen: list[tuple[str, int, float]] = []
    model, history = run(tmp_path, curve=lambda name, values, step: seen.append((name, step, values["loss"])))
    assert [entry[:2] for entry in seen] == [("line", epoch) for epoch in range(1, 7)]
    assert [entry[2] for entry in seen] == history["loss"]
    assert history["loss"][-1] < 0.1 * history["loss"][0]
    x, y = line(200, 2)
    found = predict(model, x, batch=64)
    assert np.mean(np.square(found - y)) == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_reported_loss_is_the_mean_over_the_epoch(tmp_path: Path) -> None:
    # With a rate of nothing the weights stay, so that the mean loss of an epoch has a closed form.
    model, history = run(tmp_path, replace(PLAN, epochs=1, rate=1e-12, constant=True, batch=100, group=5))
    x, y = line(1000, 1)
    assert history["loss"][0] == pytest.approx(np.mean(np.square(predict(model, x) - y)), rel=1e-4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[keras.Model, dict[str, list[float]], Path]:
    """An uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole")
    return *run(folder), folder


def test_same_seed_same_numbers(tmp_path: Path, whole) -> None:
    assert run(tmp_path)[1] == whole[1]


def test_resumes_after_a_kill_with_the_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole
) -> None:
    class Kill(Exception):
        pass

    def killer(path: Path) -> None:
        with np.load(path) as file:
            if '"epoch": 3' in str(file["facts"]):
                raise Kill

    monkeypatch.setattr("shashlik.estimators.training.CHECKPOINT_EVERY", 0.0)
    with pytest.raises(Kill):
        run(tmp_path, checkpointed=killer)
    epochs: list[int] = []
    again, resumed = run(tmp_path, curve=lambda name, values, step: epochs.append(step))
    assert epochs == [4, 5, 6]
    assert resumed["val_loss"] == pytest.approx(whole[1]["val_loss"], rel=1e-5)
    for one, two in zip(whole[0].get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


def test_finished_stage_is_not_trained_again(whole) -> None:
    one, _, folder = whole
    epochs: list[int] = []
    two, _ = run(folder, curve=lambda name, values, step: epochs.append(step))
    assert not epochs
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])


def test_stops_early_and_keeps_the_best_epoch(tmp_path: Path) -> None:
    plan = replace(PLAN, epochs=200, patience=3, rate=0.05, constant=True)
    model, history = run(tmp_path, plan)
    assert len(history["val_loss"]) < 200
    assert int(np.argmin(history["val_loss"])) == len(history["val_loss"]) - 1 - 3
    x, y = line(200, 2)
    assert np.mean(np.square(predict(model, x) - y)) == pytest.approx(min(history["val_loss"]), rel=1e-4)


def test_augmentation_is_part_of_the_seed(tmp_path: Path, whole) -> None:
    losses = []
    for folder in ("one", "two"):
        model = net()
        bench = Bench(seed=3, scratch=tmp_path / folder)
        data, validation = line(1000, 1), line(200, 2)
        history = train("line", model, keras.losses.mean_squared_error, data, validation, PLAN, bench, noise)
        losses.append(history["loss"])
    assert losses[0] == losses[1]
    assert losses[0] != whole[1]["loss"]


def test_weights_select_events(tmp_path: Path) -> None:
    # Half of the events have the wrong sign and no weight.
    x, y = line(1000, 1)
    weights = np.r_[np.ones(500), np.zeros(500)].astype(np.float32)
    y[500:] *= -1
    model = net()
    train(
        "line",
        model,
        keras.losses.mean_squared_error,
        (x, y),
        line(200, 2),
        replace(PLAN, epochs=20),
        Bench(seed=3, scratch=tmp_path),
        weights=weights,
    )
    inputs, truth = line(200, 4)
    assert np.mean(np.square(predict(model, inputs) - truth)) < 0.05


def test_divergence_is_one_clear_line(tmp_path: Path) -> None:
    x, y = line(1000, 1)
    x[17] = np.nan
    with pytest.raises(
        Diverged, match=r"training 'line': the loss is nan in epoch 1; lower the rate \(now 0.03\)"
    ):
        train("line", net(), keras.losses.mean_squared_error, (x, y), line(200, 2), PLAN, Bench(3, tmp_path))


def test_one_cycle_rises_falls_and_ends_low() -> None:
    rate = OneCycle(peak=1.0, steps=1000, rise=0.1, last=0.01)
    values = np.array([float(rate(step)) for step in range(0, 1001, 10)])
    assert values.argmax() == 10
    assert values[10] == pytest.approx(1.0)
    assert (np.diff(values[:10]) > 0).all()
    assert (np.diff(values[11:]) < 0).all()
    assert values[[0, -1]] == pytest.approx([0.1, 0.01])
