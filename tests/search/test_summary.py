"""Tables and figures of a search, from trials whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.inspection import permutation_importance

from shashlik.search.figures import figures
from shashlik.search.summary import (
    FEWEST,
    Trial,
    coordinates,
    frame,
    front,
    importance,
    markdown,
    ranked,
    weighed,
)
from shashlik.task.search_space import Choice, Range, Space

SPACE = Space({"rate": Range(1e-4, 1e-1, log=True), "depth": Range(1, 5), "kind": Choice(("relu", "elu"))})


def trials(number: int = 30, seed: int = 1) -> list[Trial]:
    """The objective depends on the rate alone; every seventh trial failed."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(number):
        rate = float(np.exp(rng.uniform(np.log(1e-4), np.log(1e-1))))
        values = {"rate": rate, "depth": int(rng.integers(1, 6)), "kind": ("relu", "elu")[index % 2]}
        value = 0.03 * math.exp(abs(math.log10(rate / 1e-2)))
        failed = index % 7 == 6
        found.append(
            Trial(
                f"{index:04d}",
                values,
                math.nan if failed else value,
                0.01 * value,
                1e3 * (index + 1),
                math.nan if index == 0 else 100.0 * (number - index),
                3.0,
                "FAILED" if failed else "FINISHED",
                "Diverged: the loss is nan" if failed else "",
                f"run{index}",
            )
        )
    return found


def test_ranks() -> None:
    order = ranked(trials())
    done = [trial for trial in order if trial.done]
    assert order[: len(done)] == done
    assert [trial.objective for trial in done] == sorted(trial.objective for trial in done)
    assert {trial.status for trial in order[len(done) :]} == {"FAILED"}


def test_importance_finds_what_matters_and_doubts_noise() -> None:
    weights, score = importance(trials(60), SPACE, 1)
    assert score > 0.7
    assert weights["rate"][0] > 10 * max(weights["depth"][0], weights["kind"][0])
    rng = np.random.default_rng(2)
    noise = [
        Trial(**{**trial.__dict__, "objective": float(np.exp(rng.normal()))})
        for trial in trials(60)
        if trial.done
    ]
    assert importance(noise, SPACE, 1)[1] < 0.2
    assert importance(trials(FEWEST - 1), SPACE, 1)[0] == {}


@pytest.mark.slow
def test_importance_is_that_of_the_forest_as_scikit_learn_scores_it() -> None:
    """By itself it asks 300 trees for an answer ninety times, a task for threads each."""
    done = [trial for trial in trials() if trial.done]
    inputs = np.stack(list(coordinates(done, SPACE).values()), axis=1)
    target = np.log([trial.objective for trial in done])
    forest = RandomForestRegressor(300, oob_score=True, random_state=1).fit(inputs, target)
    wanted = permutation_importance(forest, inputs, target, n_repeats=30, random_state=1)
    found, score = importance(trials(), SPACE, 1)
    assert list(found.values()) == pytest.approx(
        list(zip(wanted.importances_mean, wanted.importances_std, strict=True)), rel=1e-9
    )
    assert score == pytest.approx(forest.oob_score_)


def test_front() -> None:
    """No trial of the front is beaten in both, and every other one is."""
    known = [trial for trial in trials() if trial.done]
    best = front(known, "ns_per_event")
    assert best == sorted(best, key=lambda trial: trial.ns_per_event)
    for trial in known:
        beaten = any(
            other.objective <= trial.objective and other.ns_per_event < trial.ns_per_event for other in known
        )
        assert beaten is (trial not in best)
    assert all(math.isfinite(trial.parameters) for trial in front(known, "parameters"))


def test_table() -> None:
    first, what, table, failed = markdown(trials(), SPACE, "the width")
    assert first.startswith(f"**Best: trial {ranked(trials())[0].name}, 0.03")
    assert "26 of 30 trials finished, 4 failed" in first
    assert what == "Objective: the width."
    lines = table.splitlines()
    assert lines[0] == "| trial | rate | depth | kind | objective | µs/event | weights | s |"
    assert len({line.count("|") for line in lines}) == 1
    assert "- trial 0006 failed: Diverged: the loss is nan" in failed


def test_names_cannot_break_the_table() -> None:
    one = trials(2)
    nasty = Trial(**{**one[0].__dict__, "values": {**one[0].values, "kind": "a|b<script>"}})
    table = markdown([nasty, one[1]], SPACE, "")[2]
    assert "<script>" not in table
    assert len({line.replace("\\|", "").count("|") for line in table.splitlines()}) == 1


def test_frame_holds_everything() -> None:
    found = frame(trials())
    assert list(found["trial"]) == [f"{index:04d}" for index in range(30)]
    assert {"rate", "depth", "kind", "objective", "failure", "run_id"} <= set(found)


@pytest.fixture(scope="module")
def weights() -> tuple[dict[str, tuple[float, float]], float]:
    """Importance in thirty trials, from a forest of many trees."""
    return importance(trials(), SPACE, 1)


def test_importance_as_a_table(weights) -> None:
    found, _ = weights
    table = weighed(found)
    assert list(table.columns) == ["setting", "importance", "scatter"]
    assert [tuple(row)[1:] for row in table.itertuples(index=False)] == list(found.values())


def test_figures_show_the_data(weights) -> None:
    found = figures(trials(), SPACE, *weights)
    assert set(found) == {"search_history", "search_coordinates", "search_importance", "search_pareto"}
    done = [trial for trial in trials() if trial.done]
    (axes,) = found["search_history"].axes
    best = next(line for line in axes.lines if line.get_label() == "best so far")
    assert list(best.get_ydata()) == list(np.minimum.accumulate([trial.objective for trial in done]))
    (axes,) = found["search_coordinates"].axes
    lines = [line for line in axes.lines if len(line.get_xdata()) == 4]
    assert len(lines) == len(done)
    bests = min(done, key=lambda trial: trial.objective)
    thick = next(line for line in lines if line.get_linewidth() > 2)
    assert thick.get_ydata()[0] == pytest.approx(np.log(bests.values["rate"] / 1e-4) / np.log(1e3))
    assert thick.get_ydata()[-1] == 0
    assert [text.get_text() for text in axes.get_xticklabels()] == ["rate", "depth", "kind", "objective"]


def test_no_figures_of_nothing() -> None:
    assert figures([trial for trial in trials() if not trial.done], SPACE, {}, math.nan) == {}
