"""Windows, trees and networks as estimators: crossed, portable, and better than nothing."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from projects.pnn import baselines, predictor
from projects.pnn.baselines import Trees, Windows
from projects.pnn.cross_fit import Crossed
from projects.pnn.ensemble.methods import Ensemble, Singles
from projects.pnn.ensemble.one_cycle import Cycle
from projects.pnn.halves import halves
from projects.pnn.predictor import tree_responses
from projects.pnn.schema import FEATURES, HELD_OUT, MASSES, SCHEMA
from projects.pnn.simulation.events import simulate
from projects.pnn.task_pnn import TASK
from shashlik.exceptions import BadInput
from shashlik.export import onnx_graph
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from tracking.statistics.roc import auc

QUICK = Cycle(epochs=6, batch=128)
METHODS = {
    "window": Windows(("HH_cand_mass",)),
    "window-2d": Windows(("HH_cand_mass", "Higgsbb_cand_mass")),
    "trees": Trees(20),
    "no-mass": Ensemble(2, QUICK, 12, 2, parameterised=False),
    "single-mass": Singles(QUICK, 12, 2),
    "network": Ensemble(2, QUICK, 12, 2),
}


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(5000, 31)


@pytest.fixture(scope="module")
def fitted(sample: Sample, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Crossed]:
    bench = Bench(seed=1, scratch=tmp_path_factory.mktemp("fits"))
    return {name: Crossed(name, method, HELD_OUT).fit(sample, bench) for name, method in METHODS.items()}


@pytest.mark.parametrize("name", METHODS)
def test_what_travels_answers_as_the_estimator(
    name: str, fitted: dict[str, Crossed], sample: Sample, tmp_path: Path
) -> None:
    few = sample.select(slice(0, 150))
    columns = dict(few.columns)
    columns["ngood_bjets"] = np.where(np.arange(150) % 10 == 0, 0, columns["ngood_bjets"])
    few = Sample(SCHEMA, columns)
    answers = fitted[name].predict(few)
    portable = fitted[name].portable(tmp_path)
    spec = importlib.util.spec_from_file_location("travelled", portable.module)
    assert spec is not None
    assert spec.loader is not None
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    predict = module.load({key: str(path) for key, path in portable.files.items()})
    found = predict({column: few[column] for column in portable.inputs})
    assert list(found) == [f"{letter}{mass}" for letter in "mp" for mass in MASSES]
    for output, wanted in answers.items():
        np.testing.assert_allclose(found[output], wanted, rtol=1e-4, atol=1e-5)
        # Who fails the preselection has no answer.
        assert np.isnan(found[output][::10]).all()
        assert np.isfinite(np.delete(found[output], np.s_[::10])).all()


def test_the_exported_graph_answers_as_the_model(
    fitted: dict[str, Crossed], sample: Sample, tmp_path: Path
) -> None:
    """Responses and tail probabilities, also of background that is nothing like a heavy X."""
    portable = fitted["network"].portable(tmp_path)
    model, prepare, meaning = predictor.graph({key: str(path) for key, path in portable.files.items()})
    _, outputs = onnx_graph.convert(model, tmp_path / "network.onnx")
    few = sample.select(slice(0, 400))
    inputs, usable = prepare(few.columns)
    assert usable.all()
    found, wanted = onnx_graph.answers(tmp_path / "network.onnx", inputs), fitted["network"].predict(few)
    assert {name for name, *_ in outputs} == set(wanted) <= set(meaning)
    for output, values in wanted.items():
        np.testing.assert_allclose(found[output], values, rtol=1e-4, atol=1e-5)


def test_a_tail_probability_keeps_the_order_of_its_quarter(
    fitted: dict[str, Crossed], sample: Sample
) -> None:
    answers = fitted["trees"].predict(sample)
    for number in range(4):
        rows = sample["event"] % 4 == number
        response, tail = answers["m500"][rows], answers["p500"][rows]
        order = np.argsort(response)
        assert ((np.diff(tail[order]) < 0) == (np.diff(response[order]) > 0)).all()


@pytest.mark.parametrize("name", METHODS)
def test_each_is_better_than_guessing(name: str, fitted: dict[str, Crossed], sample: Sample) -> None:
    areas, errors = auc(TASK.outcome(sample, fitted[name].predict(sample)))
    least = 0.5 if name.startswith("window") else 0.8
    assert (areas - 2 * errors > 0.5).mean() > 0.9
    assert areas.mean() > least


def test_the_mass_helps(fitted: dict[str, Crossed], sample: Sample) -> None:
    """A network that knows the hypothesis is better than one that does not; the trees are too."""
    means = {name: auc(TASK.outcome(sample, fitted[name].predict(sample)))[0].mean() for name in fitted}
    assert means["network"] > means["no-mass"]
    assert means["trees"] > means["window-2d"]


def test_events_are_answered_by_the_other_half(fitted: dict[str, Crossed], sample: Sample) -> None:
    """Another even half changes the answers about odd events, and no others."""
    first = fitted["window"]
    even = sample["event"] % 2 == 0
    columns = dict(sample.columns)
    columns["HH_cand_mass"] = np.where(even, 2 * columns["HH_cand_mass"], columns["HH_cand_mass"])
    second = first.fit(Sample(SCHEMA, columns), Bench(seed=1, scratch=Path("unused")))
    before, after = first.predict(sample)["m500"], second.predict(sample)["m500"]
    np.testing.assert_array_equal(before[even], after[even])
    assert (before[~even] != after[~even]).mean() > 0.99


def test_trees_as_arrays_are_those_of_scikit_learn(sample: Sample) -> None:
    half = halves(sample, HELD_OUT, 1)[0]
    inputs = np.concatenate([half.features, half.masses[:, None]], axis=1).astype(float)
    with threadpool_limits(limits=1, user_api="openmp"):
        model = HistGradientBoostingClassifier(max_iter=10, early_stopping=False).fit(inputs, half.signal)
        found = tree_responses(baselines._arrays(model), half.features[:300], [300, 1000])
        for index, mass in enumerate((300, 1000)):
            rows = np.concatenate([half.features[:300], np.full((300, 1), mass)], axis=1).astype(float)
            np.testing.assert_allclose(found[:, index], model.predict_proba(rows)[:, 1], rtol=1e-9)


def test_windows_are_where_the_signal_is(fitted: dict[str, Crossed], sample: Sample) -> None:
    """One half width around the middle holds 68.3 % of the signal; that of 900 GeV is interpolated."""
    response = fitted["window"].predict(sample)
    for mass, room in ((500, 0.1), (900, 0.15)):
        own = sample["res_mass"] == mass
        assert np.mean(response[f"m{mass}"][own] > -1) == pytest.approx(0.683, abs=room)


def test_a_missing_column_is_named(fitted: dict[str, Crossed], sample: Sample) -> None:
    columns = {name: column for name, column in sample.columns.items() if name != "HH_cand_mass"}
    without = Sample(SCHEMA, columns, "my.root")
    with pytest.raises(BadInput, match=r"my.root: window needs the column 'HH_cand_mass'.*cuts=false"):
        fitted["window"].predict(without)
    assert np.isfinite(fitted["network"].predict(without)["m260"]).all()


def test_members_become_runs_of_their_own(fitted: dict[str, Crossed]) -> None:
    nested = fitted["network"].nested
    assert [one.name for one in nested] == ["even 0", "even 1", "odd 0", "odd 1"]
    assert sum(one.metrics["weight"] for one in nested) == pytest.approx(2.0)
    assert len(nested[0].curves["training/val_loss"]) == QUICK.epochs * QUICK.parts
    assert len(FEATURES) == 21
