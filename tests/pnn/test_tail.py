"""Tail probabilities: uniform on background, in the order of the responses, with weights, with ties."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from projects.pnn.baselines import Windows
from projects.pnn.cross_fit import Crossed
from projects.pnn.flatness import measured, metrics
from projects.pnn.predictor import _tail_in_graph
from projects.pnn.schema import HELD_OUT, MASSES, SCHEMA
from projects.pnn.simulation.events import simulate
from projects.pnn.tail_probability import tabulated, tail_probability
from shashlik.exceptions import BadInput
from shashlik.export import onnx_graph
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample

RNG = np.random.default_rng(5)
#: Responses under three masses whose shapes have nothing in common; the last ones are few different values.
RESPONSES = np.stack(
    [RNG.beta(0.5, 3, 4000), -RNG.exponential(30, 4000), RNG.integers(0, 12, 4000) / 12], axis=1
)
TABLE = tabulated(RESPONSES[:2000], np.ones(2000))


def test_uniform_on_other_background() -> None:
    found = tail_probability(RESPONSES[2000:], TABLE)[:, :2]
    assert found.mean(axis=0) == pytest.approx(0.5, abs=4 * np.sqrt(2 / 12 / 2000))
    for share in (0.5, 0.1, 0.01):
        room = 4 * np.sqrt(2 * share * (1 - share) / 2000)
        assert (found <= share).mean(axis=0) == pytest.approx(share, abs=room)


def test_of_a_new_event_it_is_at_most_p_with_probability_p() -> None:
    """On average over tables, for the rank that each knot is, and however few events a table has.

    A rank that is one off, 0.05, is three times the room at the first of them.
    """
    drawn = RNG.exponential(size=(3000, 20))
    found = np.concatenate(
        [tail_probability(one[:1, None], tabulated(one[1:, None], np.ones(19))) for one in drawn]
    )
    for rank in (1, 5, 12):
        share = rank / 20
        assert np.mean(found <= share) == pytest.approx(share, abs=4 * np.sqrt(share / 3000))


def test_order_is_kept_within_and_beyond_the_table() -> None:
    """So areas under the curve are those of the response."""
    asked = np.sort(np.concatenate([RNG.uniform(-0.5, 1.5, 5000), TABLE[0, 0]]))
    asked = np.unique(asked.astype(np.float32)).astype(float)
    found = tail_probability(np.stack([asked, 300 * (asked - 1), asked], axis=1), TABLE)
    assert (np.diff(found, axis=0)[:, :2] < 0).all()
    assert ((found > 0) & (found < 1)).all()
    assert np.isnan(tail_probability(np.full((1, 3), np.nan), TABLE)).all()


def test_share_of_events_at_least_as_high() -> None:
    """At the values themselves, also equal ones, and as the weights say."""
    weights = RNG.uniform(0.1, 2.0, 2000)
    for table, of in ((TABLE, np.ones(2000)), (tabulated(RESPONSES[:2000], weights), weights)):
        for place in range(3):
            knots, shares = table[:, place]
            wanted = [of[RESPONSES[:2000, place] >= knot].sum() / (of.sum() * 2001 / 2000) for knot in knots]
            np.testing.assert_allclose(shares, wanted, rtol=1e-12)
    # Few knots tell the share of every event.
    assert TABLE.shape[2] < 150
    found = tail_probability(RESPONSES[:2000, :2], TABLE[:, :2])
    exact = np.stack([np.argsort(np.argsort(-one)) + 1 for one in RESPONSES[:2000, :2].T], axis=1) / 2001
    assert np.abs(found / exact - 1).max() < 0.05


def test_a_response_that_is_always_the_same() -> None:
    table = tabulated(np.full((50, 1), 0.3), np.ones(50))
    found = tail_probability(np.array([[0.2], [0.3], [0.4]]), table)[:, 0]
    assert found[1] == pytest.approx(50 / 51)
    assert 1 > found[0] > found[1] > found[2] > 0


def test_graph(tmp_path: Path) -> None:
    """The same in operations of ONNX, also beyond the table."""
    responses = keras.Input((3,), name="responses")
    tails = _tail_in_graph(responses, TABLE)
    model = keras.Model([responses], {f"p{index}": tails[:, index] for index in range(3)})
    onnx_graph.convert(model, tmp_path / "tails.onnx")
    asked = np.concatenate([RESPONSES, [[1.5, 1.0, 2.0], [-0.1, -900.0, -1.0]]]).astype(np.float32)
    found = onnx_graph.answers(tmp_path / "tails.onnx", {"responses": asked})
    wanted = tail_probability(asked.astype(float), TABLE)
    for index in range(3):
        np.testing.assert_allclose(found[f"p{index}"], wanted[:, index], rtol=1e-4, atol=1e-6)


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(6000, 32)


def test_quarters_know_nothing_of_themselves(sample: Sample) -> None:
    """Other events of a quarter change the tail probabilities of its counterpart, and no others."""
    bench = Bench(seed=1, scratch=Path("unused"))
    window = Crossed("window", Windows(("HH_cand_mass",)), HELD_OUT)
    quarter, background = sample["event"] % 4, sample["process"] > 0
    columns = dict(sample.columns)
    moved = (quarter == 1) & background
    columns["HH_cand_mass"] = np.where(moved, 1.5 * columns["HH_cand_mass"], columns["HH_cand_mass"])
    before, after = (
        window.fit(one, bench).predict(sample)["p500"] for one in (sample, Sample(SCHEMA, columns))
    )
    # A window is learned from signal, which has not moved.
    np.testing.assert_array_equal(before[quarter != 3], after[quarter != 3])
    assert (before[quarter == 3] != after[quarter == 3]).mean() > 0.9


def test_flatness(sample: Sample) -> None:
    """A window's tail probability is flat, its distance is not; a signal's is lowest near its own mass."""
    window = Crossed("window", Windows(("HH_cand_mass",)), HELD_OUT)
    predictions = window.fit(sample, Bench(seed=1, scratch=Path("unused"))).predict(sample)
    numbers = metrics(measured(sample, {"window": predictions}))
    assert numbers["window/tail_mean"] == pytest.approx(0.5, abs=0.05)
    assert numbers["window/tail_10"] == pytest.approx(0.1, abs=0.04)
    assert 1 <= numbers["window/tail_mean_flatness_low"] < numbers["window/tail_mean_flatness"] < 1.1
    assert np.mean([abs(numbers[f"window/tail_peak/m{mass}"]) <= 2 for mass in MASSES]) > 0.8
    assert measured(sample, {"older": {"m260": predictions["m260"]}}) == {}


def test_a_quarter_without_background_is_told(sample: Sample) -> None:
    few = sample.select((sample["event"] % 4 != 3) | (sample["process"] == 0))
    with pytest.raises(BadInput, match="leaves 3 when divided by 4; 5 are needed"):
        Crossed("window", Windows(("HH_cand_mass",))).fit(few, Bench(seed=1, scratch=Path("unused")))
