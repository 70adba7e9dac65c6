"""Areas under the curve and significances: identities, closed forms, pulls, coverage."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import ndtr, ndtri
from scores_made_up import area, scores

from tracking.statistics.bootstrap import draws, replicate
from tracking.statistics.roc import AucOf, auc, influence, loss, roc
from tracking.statistics.scores import Scores
from tracking.statistics.significance import CutsOf, ams


def plain(response: np.ndarray, signal: np.ndarray, weights: np.ndarray | None = None) -> Scores:
    """A classifier without a parameter."""
    weights = np.ones(len(signal)) if weights is None else weights
    asked = np.ones((len(signal), 1), dtype=bool)
    return Scores(response[:, None], asked, signal, weights, weights, ("",), np.zeros(1), np.zeros(1, bool))


def tied(events: int = 120, seed: int = 0) -> Scores:
    """Few different responses, some missing, weighted."""
    rng = np.random.default_rng(seed)
    response = np.round(rng.uniform(size=events), 1)
    response[rng.uniform(size=events) < 0.1] = np.nan
    return plain(response, rng.uniform(size=events) < 0.4, rng.uniform(0.1, 2, events))


def test_is_the_share_of_pairs_in_order() -> None:
    """Pair by pair, with weights, ties as one half and no answer below all."""
    one = tied()
    x, signal = one.ranked[:, 0], one.signal
    above = (x[signal][:, None] > x[~signal]) + 0.5 * (x[signal][:, None] == x[~signal])
    wanted = one.weights[signal] @ above @ one.weights[~signal]
    wanted /= one.weights[signal].sum() * one.weights[~signal].sum()
    assert auc(one)[0][0] == pytest.approx(wanted, abs=1e-12)
    curve = roc(x, signal, one.weights)
    assert np.trapezoid(curve.signal, curve.background) == pytest.approx(wanted, abs=1e-12)
    assert (curve.signal[0], curve.background[0], curve.signal[-1], curve.background[-1]) == (0, 0, 1, 1)


def test_a_replica_is_the_sample_with_events_repeated() -> None:
    for one in (tied(), *scores({"a": 1.2}, 150, 40, lost={"a": 0.05}).values()):
        (counts,) = draws(one.shape[0], 3, np.random.default_rng(5))
        found = AucOf(one)(counts)
        for place, drawn in enumerate(counts):
            rows = np.repeat(np.arange(len(drawn)), drawn)
            again = Scores(
                one.response[rows],
                one.asked[rows],
                one.signal[rows],
                one.weights[rows],
                one.physical[rows],
                one.hypotheses,
                one.values,
                one.held_out,
            )
            np.testing.assert_allclose(found[:, place], auc(again)[0], rtol=1e-12)


def test_two_gaussians_and_how_often_the_interval_holds() -> None:
    """Phi(d / sqrt 2) within the errors: pulls of weighted toys have width 1, 95 % intervals cover."""
    pulls = []
    for seed in range(400):
        one = scores({"a": 1.0}, 800, 400, seed=seed, names=("m300",))["a"]
        value, error = auc(one)
        pulls.append((value[0] - area(1.0)) / error[0])
    assert abs(np.mean(pulls)) < 0.2
    assert np.std(pulls) == pytest.approx(1, abs=0.11)
    # 95 % of 400 scatters by 1.1 %.
    assert np.mean(np.abs(pulls) < 1.96) == pytest.approx(0.95, abs=0.04)


def test_errors_and_their_correlations_are_those_of_the_bootstrap() -> None:
    """Of areas, of their mean over hypotheses that share the background, and of paired differences."""
    found = scores({"a": 1.0, "b": 1.3}, 1500, 300, seed=3)
    drawn = replicate({n: AucOf(s) for n, s in found.items()}, 2700, 600, np.random.default_rng(1))
    parts = {name: influence(one)[1] for name, one in found.items()}
    for values, influenced in (
        (drawn["a"][0], parts["a"][:, 0]),
        (drawn["a"].mean(axis=0), parts["a"].mean(axis=1)),
        ((drawn["b"] - drawn["a"]).mean(axis=0), (parts["b"] - parts["a"]).mean(axis=1)),
    ):
        assert np.std(values) == pytest.approx(np.sqrt(np.sum(influenced**2)), rel=0.12)
    alone = np.hypot(*(np.std(drawn[name].mean(axis=0)) for name in "ab"))
    assert np.std((drawn["b"] - drawn["a"]).mean(axis=0)) < 0.5 * alone, "what is common cancels"


def test_who_does_not_answer_ranks_last() -> None:
    one = scores({"a": 1.5}, 500, 100)["a"]
    silent = one.response.copy()
    silent[one.signal] = np.nan
    assert auc(replace(one, response=silent))[0] == pytest.approx(0)
    some = np.where(np.random.default_rng(1).uniform(size=(900, 1)) < 0.3, np.nan, one.response)
    assert np.all(auc(replace(one, response=some))[0] < auc(one)[0])


def test_the_loss_of_a_search_is_never_zero() -> None:
    signal = np.arange(40) < 20
    perfect, _ = loss(plain(signal * 1.0, signal))
    assert 0 < perfect < 1 / 400
    assert loss(plain(1 - signal * 1.0, signal))[0] == 1


def test_ams_in_its_limits() -> None:
    assert ams(10.0, 990.0, 10.0) == pytest.approx(10 / np.sqrt(1000), rel=2e-3)
    # By hand: s = 50, b + b_r = 110.
    assert ams(50.0, 100.0, 10.0) == pytest.approx(np.sqrt(2 * (160 * np.log1p(50 / 110) - 50)), rel=1e-12)
    assert ams(0.0, 100.0, 10.0) == 0
    assert np.isinf(ams(5.0, 0.0, 0.0))
    # The two branches meet, and small signals keep their digits.
    x = np.array([0.999e-3, 1.001e-3])
    assert np.ptp(ams(x, np.ones(2), 0.0) / x) < 1e-5
    assert ams(1e-9, 1.0, 0.0) == pytest.approx(1e-9, rel=1e-6)


def test_background_at_a_signal_efficiency() -> None:
    """Two Gaussians at distance d: Phi(-(Phi^-1(1 - e) ... )), within the bootstrap's own error."""
    one = scores({"a": 1.5}, 20000, 4000, names=("m300", "m500"))["a"]
    statistic = CutsOf(replace(one, physical=one.weights), (0.5, 0.8))
    value = statistic(np.ones((1, one.shape[0]), np.uint8))[1:, :, 0]
    error = replicate({"x": statistic}, one.shape[0], 60, np.random.default_rng(1))["x"][1:].std(axis=-1)
    wanted = 1 - ndtr(ndtri(1 - np.array([0.5, 0.8])) + 1.5)
    assert np.all(np.abs(value - wanted[:, None]) < 4 * error)


def test_the_best_cut_does_not_flatter_itself() -> None:
    """Of noise the best is no cut at all. The largest value of a scan is too good, the chosen one is not."""
    exact, own, crossed = float(ams(50.0, 5000.0, 10.0)), [], []
    for seed in range(60):
        one = scores({"a": 0.0}, 600, 150, seed=seed, names=("m300",))["a"]
        noise = np.random.default_rng(1000 + seed).uniform(size=one.shape)
        statistic = CutsOf(replace(one, response=noise))
        own.append(statistic.scan().ams.max())
        crossed.append(statistic(np.ones((1, one.shape[0]), np.uint8))[0, 0, 0])
    error = np.std(crossed) / np.sqrt(len(crossed))
    assert np.mean(own) > exact + 5 * np.std(own) / np.sqrt(len(own))
    assert np.mean(crossed) < exact + 2 * error


def test_no_cut_lets_pass_who_does_not_answer() -> None:
    one = scores({"a": 1.0}, 400, 100)["a"]
    silent = np.full_like(one.response, np.nan)
    assert np.all(CutsOf(replace(one, response=silent)).scan().signal == 0)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"weights": np.ones(3)}, "weights has shape"),
        ({"response": np.ones((4, 2))}, "response has shape"),
        ({"weights": np.array([1.0, 1, 1, -1])}, "weights must be finite"),
        ({"asked": np.ones((4, 1), bool) & False}, "its own hypothesis"),
        ({"signal": np.zeros(4, bool)}, "no signal"),
        ({"signal": np.ones(4, bool)}, "no background"),
        ({"background_error": -1.0}, "background_error=-1.0"),
        ({"variables": {"m": np.ones(5)}}, "m has shape"),
    ],
)
def test_scores_that_make_no_sense_are_refused(change: dict, told: str) -> None:
    one = plain(np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, False, True, True]))
    with pytest.raises(ValueError, match=told):
        replace(one, **change)
