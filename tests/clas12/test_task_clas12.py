"""The task: its baselines, what the gate's checks let through and what not, and its searches."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from projects.clas12 import corrections, events, trees
from projects.clas12.baselines import Classical, Forest
from projects.clas12.evaluation import metrics, residuals
from projects.clas12.kinematics import shift_of_missing_mass_squared
from projects.clas12.simulation.events import simulate
from registry.gate.decision import Contestant, judge
from registry.gate.verdict import Claim
from shashlik.evaluation.evaluate import only
from shashlik.exceptions import BadInput
from shashlik.search.settings import SearchSettings, fixed, space_of, trial_settings
from shashlik.task import catalog
from shashlik.task.estimator import Bench
from shashlik.task.sample import Predictions, Sample
from shashlik.task.settings import resolve
from tracking.rule import Rule

TASK = catalog.load("clas12_proton")
BENCH = Bench(seed=1, scratch=Path())


@pytest.fixture(scope="module")
def train() -> Sample:
    return simulate(12_000, 0.25, 21)


@pytest.fixture(scope="module")
def test() -> Sample:
    return simulate(20_000, 0.25, 22)


def checks(test: Sample, answers: Predictions) -> dict[str, Claim]:
    """What the gate makes of the task's own checks, by the name of the number."""
    assert TASK.rule is not None
    rule = Rule(primary=("p",), checks=TASK.rule.checks, replicas=100)
    numbers = {name.partition("/")[2]: value for name, value in metrics(test, {"it": answers}).items()}
    verdict = judge(
        rule,
        Contestant("it", residuals(test, answers), numbers),
        None,
        {},
        task=TASK.name,
        sample_sha256="",
        seed=1,
    )
    found = [claim for claim in verdict.claims if claim.kind == "check"]
    return dict(zip((check.metric for check in rule.checks), found, strict=True))


def with_bad_mm2(sample: Sample) -> np.ndarray:
    """The eight features, and the measured MM^2 that tells how far the pi0 is off."""
    known = events.of(sample)
    return np.column_stack([known.features, known.corrected_mm2(np.zeros(len(known.eta)))])


def test_a_leaky_model_looks_best_and_fails_the_check(train: Sample, test: Sample) -> None:
    """Given the measured MM^2 it learns that a pi0 is missing, and so puts the eta there too."""
    known, seen = events.of(train), events.of(test)
    # Its threads wait by spinning: beside other work two take many times as long as one.
    with threadpool_limits(limits=1, user_api="openmp"):
        leaky = {
            name: HistGradientBoostingRegressor(max_iter=60, random_state=1)
            .fit(with_bad_mm2(train)[~known.eta], target[~known.eta])
            .predict(with_bad_mm2(test))
            for name, target in zip(("dlogp", "dmm2"), known.targets.T, strict=True)
        }
    honest = Classical("polynomial").fit(train, BENCH).predict(test)
    numbers = metrics(test, {"leaky": leaky, "honest": honest})
    assert numbers["leaky/mse"] < 0.8 * numbers["honest/mse"], "on events of a pi0 nothing gives it away"
    assert numbers["leaky/eta/shift"] < -0.05
    assert checks(test, leaky)["eta/shift"].status == "refuted"
    assert checks(test, honest)["eta/shift"].status != "refuted"
    # The same from a leak in dlogp alone, with MM^2 following from it.
    shift = shift_of_missing_mass_squared(seen.electron, seen.proton, leaky["dlogp"])
    assert checks(test, {"dlogp": leaky["dlogp"], "dmm2": shift})["eta/shift"].status == "refuted"


def test_shrinking_to_the_spectrum_is_a_bias_in_bins(test: Sample) -> None:
    """A regression on too little knowledge answers the mean: unbiased on the whole, and not in any bin."""
    known = events.of(test)
    dlogp = np.full(len(test), known.targets[:, 0].mean())
    mean = {"dlogp": dlogp, "dmm2": shift_of_missing_mass_squared(known.electron, known.proton, dlogp)}
    found = checks(test, mean)
    assert found["bias_momentum"].status == found["bias_theta"].status == "refuted"
    perfect = {"dlogp": known.targets[:, 0], "dmm2": known.targets[:, 1]}
    assert metrics(test, {"perfect": perfect})["perfect/mse"] == 0.0


def test_without_eta_the_check_cannot_pass(train: Sample) -> None:
    few = train.select(train["meson"] == 111)
    numbers = metrics(few, {"raw": Classical("raw").predict(few)})
    assert not [name for name in numbers if "eta" in name.split("/")]
    assert checks(few, Classical("raw").predict(few))["eta/shift"].status != "shown"


def test_published_correction() -> None:
    """A + B/p + C/p^2 and A + B p + C p^2 at 25 and 40 degrees, by hand from the published coefficients."""
    p, theta = np.array([1.0, 0.4, 0.6]), np.radians([25.0, 25.0, 40.0])
    found = corrections.iguana(p, theta, np.array([False, False, True]))
    np.testing.assert_allclose(found, [0.00882, 0.02911, 0.00170], atol=3e-5)


def test_polynomial_is_exact_where_the_truth_is_one(train: Sample) -> None:
    rng = np.random.default_rng(1)
    wanted = {name: rng.normal(0, 1e-3, len(corrections.powers())) for name in ("forward", "central")}
    gained = corrections.answers("polynomial", wanted, train.columns)["dlogp"]
    factor = np.exp(gained)
    moved = {f"p{axis}0": train[f"p{axis}"] * factor for axis in "xyz"}
    fitted = Classical("polynomial").fit(Sample(train.schema, {**train.columns, **moved}), BENCH)
    np.testing.assert_allclose(fitted.predict(train)["dlogp"], gained, atol=1e-9)


def test_trees_are_those_of_scikit_learn(train: Sample, tmp_path: Path) -> None:
    """As arrays they say the same, and they say it from their file."""
    few = train.select(slice(0, 1500))
    grown = Forest(3).fit(few, BENCH)
    assert sum(grown.importances) == pytest.approx(1.0)
    saved = grown.portable(tmp_path)
    predict = trees.load({name: str(path) for name, path in saved.files.items()})
    answers = grown.predict(few)
    np.testing.assert_array_equal(predict(few.columns)["dlogp"], answers["dlogp"])
    from sklearn.ensemble import RandomForestRegressor

    known = events.of(few).select(few["meson"] == 111)
    targets = (known.targets - known.targets.mean(axis=0)) / known.targets.std(axis=0)
    theirs = RandomForestRegressor(3, random_state=1).fit(known.features, targets)
    wanted = theirs.predict(events.of(few).features)[:, 0]
    scaled = wanted * known.targets[:, 0].std() + known.targets[:, 0].mean()
    np.testing.assert_allclose(answers["dlogp"], scaled, atol=1e-9)


def test_nothing_is_trained_on_eta(train: Sample) -> None:
    """Whatever the eta's truth is, the polynomial stays the same."""
    changed = {name: train[name].copy() for name in ("px0", "py0", "pz0")}
    for array in changed.values():
        array[train["meson"] == 221] *= 2
    other = Sample(train.schema, {**train.columns, **changed})
    first, second = (Classical("polynomial").fit(one, BENCH).coefficients for one in (train, other))
    assert json.dumps(first) == json.dumps(second)


def test_rivals_are_baselines_of_the_task() -> None:
    assert TASK.rule is not None
    settings = resolve(TASK.settings, TASK.presets, {"trees": "0"})
    names = [one.name for one in only(TASK, lambda name: name != "network").estimators(settings)]
    assert names == ["raw", "iguana", "polynomial"] == list(TASK.rule.rivals)


def test_search_of_the_original_study() -> None:
    """2 to 8 layers, 64 to 1024 units, rates of 1e-7 to 1e-2, of its own network with its own loss."""
    space = space_of(TASK, SearchSettings(space="seed"))
    shared = fixed(TASK, space, {"preset": "smoke"})
    for values in ({"depth": 2, "width": 64, "rate": 1e-7}, {"depth": 8, "width": 1024, "rate": 1e-2}):
        network = TASK.estimators(trial_settings(shared, space, values))[-1]
        (plan,) = network.train.args  # type: ignore[attr-defined]
        assert (plan.kind, plan.mm2_weight, plan.activation) == ("seed", 1.0, "relu")
        assert {name: getattr(plan, name) for name in values} == values
    assert set(space.varied) == {"depth", "width", "rate"}
    with pytest.raises(BadInput, match="varied by the search"):
        fixed(TASK, space, {"depth": "3"})


def test_networks_have_sizes_of_their_own() -> None:
    for name, wanted in (("default", (64, 3, 0.0)), ("seed", (412, 7, 1.0))):
        settings = resolve(TASK.settings, TASK.presets, {"network": name})
        (plan,) = TASK.estimators(settings)[-1].train.args  # type: ignore[attr-defined]
        assert (plan.width, plan.depth, plan.mm2_weight) == wanted


def test_answers_have_units() -> None:
    """They are no columns of the file, so that an export can only know it from here."""
    network = TASK.estimators(resolve(TASK.settings, TASK.presets, {}))[-1]
    assert set(network.told) == set(network.targets) == {"dlogp", "dmm2"}  # type: ignore[attr-defined]
