"""Training of many networks at once: the same as one by one, as Keras does it, and after an interrupt."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from projects.pnn.ensemble import training as ensemble_training
from projects.pnn.ensemble.importance import importance
from projects.pnn.ensemble.one_cycle import Cycle, one_cycle, suggested, sweep
from projects.pnn.ensemble.stacked_networks import behind_pipeline, drawn, forward, served
from projects.pnn.ensemble.stacked_step import Events, Machine, Member
from projects.pnn.ensemble.training import find_rates, train
from shashlik.estimators.training import Diverged
from shashlik.task.estimator import Bench

RNG = np.random.default_rng(1)
INPUTS = RNG.normal(size=(900, 4)).astype(np.float32)
EVENTS = Events(
    INPUTS, INPUTS[:, 0] * INPUTS[:, 1] + 0.3 * RNG.normal(size=900) > 0, RNG.uniform(0.5, 2, 900)
)
ROWS = np.arange(900)
MEMBERS = [Member(ROWS[one != ROWS % 3], ROWS[one == ROWS % 3]) for one in range(3)]
SHORT = Cycle(epochs=3, batch=64, low=3e-3, high=3e-2)


def test_a_served_network_is_the_one_that_was_trained() -> None:
    stack = drawn(3, 4, 6, 2, 5)
    # Biases that matter.
    stack = [
        array + 0.1 * np.arange(array.size, dtype=np.float32).reshape(array.shape) / array.size
        for array in stack
    ]
    mean, deviation = np.array([1.0, 0.0, -2.0, 5.0]), np.array([2.0, 1.0, 0.5, 3.0])
    raw = INPUTS[:50] * deviation.astype(np.float32) + mean.astype(np.float32)
    logits = np.asarray(forward(stack, np.broadcast_to(INPUTS[:50], (3, 50, 4))))
    each = 1 / (1 + np.exp(-logits.T))
    model = served(stack, mean, deviation, None)
    np.testing.assert_allclose(model(raw), each, atol=1e-5)
    np.testing.assert_allclose(behind_pipeline(model)(INPUTS[:50]), each, atol=1e-5)
    average = np.array([0.5, 0.3, 0.2])
    np.testing.assert_allclose(served(stack, mean, deviation, average)(raw)[:, 0], each @ average, atol=1e-5)


def test_every_layer_sees_all_before_it() -> None:
    shapes = [array.shape for array in drawn(10, 22, 25, 3, 1)]
    assert shapes[::2] == [(10, 22, 25), (10, 47, 25), (10, 72, 25), (10, 97, 1)]
    assert sum(int(np.prod(shape[1:])) for shape in shapes) == 3698


def test_cycle() -> None:
    rates, momenta = one_cycle(Cycle(), 900)
    assert rates[0] == pytest.approx(1e-3)
    assert rates.max() == rates[300] == pytest.approx(1e-2)
    assert rates[-1] < 1e-6
    assert momenta[0] == pytest.approx(0.95)
    assert momenta.min() == momenta[300] == pytest.approx(0.85)
    # Half-way along a cosine.
    assert rates[150] == pytest.approx(5.5e-3, rel=1e-3)


def test_suggested_rates_lie_where_the_loss_falls() -> None:
    rates = sweep(1e-7, 10, 161)
    fall = 1 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    losses = 0.7 - 0.3 * fall + 5 * np.maximum(np.log10(rates) + 1, 0) ** 2
    found = suggested(rates, np.tile(losses, (4, 1)))
    assert 1e-4 < found.low < 1e-3 < found.high < 0.1


def test_members_do_not_know_of_each_other(tmp_path: Path) -> None:
    """The first member of three has the weights that it gets when it is trained alone."""
    three = train("three", EVENTS, MEMBERS, (8, 2), SHORT, Bench(seed=4, scratch=tmp_path))
    alone = train("one", EVENTS, MEMBERS[:1], (8, 2), SHORT, Bench(seed=4, scratch=tmp_path))
    for many, one in zip(three.stack, alone.stack, strict=True):
        np.testing.assert_allclose(many[0], one[0], rtol=1e-3, atol=1e-4)
    assert three.losses[0] == pytest.approx(alone.losses[0], rel=1e-3)
    assert (three.least < 0.8 * three.losses[:, 0]).all()
    assert len({tuple(np.ravel(member)) for member in three.stack[0]}) == 3


def test_steps_are_those_of_adam() -> None:
    """Ten steps with a constant momentum against Keras' optimizer on the same batches."""
    member = Member(ROWS, ROWS)
    stack = drawn(1, 4, 5, 1, 3)
    ours = Machine(stack, EVENTS, [member])
    rows = np.random.default_rng(2).integers(0, 900, (10, 1, 32)).astype(np.int32)
    ours.steps(rows, np.full(10, 0.01, np.float32), np.full(10, 0.9, np.float32))

    theirs = Machine(stack, EVENTS, [member])
    import tensorflow as tf

    variables = [keras.Variable(array) for array in stack]
    adam = keras.optimizers.Adam(0.01, beta_1=0.9, epsilon=1e-8)
    for few in rows:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(theirs.losses([one.value for one in variables], few))
        adam.apply(tape.gradient(loss, [one.value for one in variables]), variables)
    for one, other in zip(ours.values(), variables, strict=True):
        np.testing.assert_allclose(one, other.numpy(), rtol=1e-3, atol=1e-5)


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ensemble_training, "CHECKPOINT_EVERY", 0.0)
    whole = train("a", EVENTS, MEMBERS, (8, 2), SHORT, Bench(seed=4, scratch=tmp_path / "whole"))
    kept: list[Path] = []

    def killed(name: str, values: object, step: int) -> None:
        if step == 2:
            raise KeyboardInterrupt

    broken = Bench(seed=4, scratch=tmp_path / "half", curve=killed, checkpointed=kept.append)
    with pytest.raises(KeyboardInterrupt):
        train("a", EVENTS, MEMBERS, (8, 2), SHORT, broken)
    assert kept
    steps: list[int] = []
    resumed = Bench(seed=4, scratch=tmp_path / "half", curve=lambda name, values, step: steps.append(step))
    again = train("a", EVENTS, MEMBERS, (8, 2), SHORT, resumed)
    assert steps == [2, 3]
    for one, other in zip(whole.stack, again.stack, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
    # What has ended is only read.
    steps.clear()
    train("a", EVENTS, MEMBERS, (8, 2), SHORT, resumed)
    assert not steps


def test_patience_ends_a_training(tmp_path: Path) -> None:
    noise = Events(INPUTS, RNG.random(900) > 0.5, EVENTS.weights)
    patient = Cycle(epochs=40, batch=64, low=1e-2, high=0.1, patience=2)
    done = train("noise", noise, MEMBERS, (8, 2), patient, Bench(seed=1, scratch=tmp_path))
    assert done.losses.shape[1] < 40 * patient.parts
    assert done.losses.shape[1] - 1 - done.best.max() >= 2 * patient.parts


def test_a_loss_that_is_no_number_is_told_in_one_line(tmp_path: Path) -> None:
    broken = Events(np.where(ROWS[:, None] == 7, np.nan, INPUTS), EVENTS.truth, EVENTS.weights)
    with pytest.raises(Diverged, match=r"training 'nan': the loss of member \d is no number in epoch 1"):
        train("nan", broken, MEMBERS, (8, 2), SHORT, Bench(seed=1, scratch=tmp_path))


def test_finder_sees_the_loss_fall_and_rise() -> None:
    found = find_rates(EVENTS, MEMBERS, (8, 2), Cycle(batch=64), seed=2)
    assert found.losses.min() < 0.95 * found.losses[0]
    assert found.losses[-1] > found.losses[0]
    assert 1e-5 < found.low < found.high < 1.0


def test_inputs_that_matter_are_found(tmp_path: Path) -> None:
    """The truth is the sign of the product of the first two inputs."""
    longer = Cycle(epochs=10, batch=64, low=3e-3, high=3e-2)
    done = train("matters", EVENTS, MEMBERS, (8, 2), longer, Bench(seed=4, scratch=tmp_path))
    values, errors = importance(done.stack, EVENTS, MEMBERS, np.random.default_rng(1))
    assert values[:2].min() > 0.3
    assert (errors > 0).all()
    assert np.abs(values[2:]).max() < 0.3 * values[:2].min()
