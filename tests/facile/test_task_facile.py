"""The task: responses and resolutions, what its rule lets through, and what comes with files."""

from __future__ import annotations

import numpy as np
import pytest

from projects.facile import evaluation, speed
from projects.facile.baselines import CLASSICAL
from projects.facile.figures import draw
from projects.facile.simulation.events import simulate
from registry.gate.decision import Contestant, judge
from shashlik.evaluation.evaluate import only
from shashlik.task import catalog
from shashlik.task.sample import Predictions, Sample
from shashlik.task.settings import resolve
from tracking.rule import Rule

TASK = catalog.load("facile")


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(20_000, 7)


@pytest.fixture(scope="module")
def classical(sample: Sample) -> dict[str, Predictions]:
    return {one.name: one.predict(sample) for one in CLASSICAL}


def test_response_of_known_ratios() -> None:
    ratios = np.random.default_rng(1).normal(0.8, 0.08, 20_000)
    found = evaluation.response(np.append(ratios, np.nan))
    assert found.median == pytest.approx(0.8, abs=5 * found.median_err)
    assert found.mean == pytest.approx(0.8, abs=5 * found.mean_err)
    assert found.corrected == pytest.approx(0.1, abs=5 * found.corrected_err)
    assert found.median_err == pytest.approx(0.08 * np.sqrt(np.pi / 2 / 20_000), rel=0.05)
    assert np.isnan(evaluation.response(ratios[:10]).median)
    assert np.isnan(evaluation.response(-ratios).corrected)


def test_residuals_know_no_scale(sample: Sample, classical: dict[str, Predictions]) -> None:
    """Twice the energies have the same resolution on their scale, and another error in GeV."""
    once = evaluation.residuals(sample, classical["mahi"])
    twice = evaluation.residuals(sample, {"energy": 2.0 * classical["mahi"]["energy"]})
    np.testing.assert_allclose(once.values["stochastic"], twice.values["stochastic"], atol=1e-9)
    assert np.median(twice.values["e"]) > np.median(once.values["e"])
    perfect = evaluation.residuals(sample, {"energy": np.asarray(sample["genE"])})
    assert np.abs(perfect.values["stochastic"]).max() == 0.0
    assert not perfect.failed.any()
    nothing = evaluation.residuals(sample, {"energy": np.full(len(sample), -1.0)})
    assert nothing.failed.all()


def test_a_constant_has_no_width_and_no_response(sample: Sample) -> None:
    """The trap of a corrected resolution: in a narrow bin a constant looks perfect. The rule refutes it."""
    numbers = evaluation.metrics(sample, {"it": {"energy": np.full(len(sample), 12.0)}})
    assert numbers["it/energy_8_11/corrected"] < 0.12
    assert numbers["it/bias_energy"] > 0.5
    assert TASK.rule is not None
    rule = Rule(primary=("stochastic",), checks=TASK.rule.checks, replicas=100)
    own = {name.partition("/")[2]: value for name, value in numbers.items()}
    answers = {"energy": np.full(len(sample), 12.0)}
    verdict = judge(
        rule,
        Contestant("it", evaluation.residuals(sample, answers), own),
        None,
        {},
        task=TASK.name,
        sample_sha256="",
        seed=1,
    )
    assert [claim.status for claim in verdict.claims if claim.kind == "check"] == ["refuted"]


def test_every_resolution_has_its_response(sample: Sample, classical: dict[str, Predictions]) -> None:
    numbers = evaluation.metrics(sample, classical)
    for name in numbers:
        if name.endswith("/corrected"):
            bin_ = name.removesuffix("corrected")
            assert {f"{bin_}{what}" for what in ("median", "mean", "corrected_err", "median_err")} <= set(
                numbers
            )
    assert {"m0/energy_20_25/corrected", "mahi-8/pu_80_110/median", "mahi/endcap_10_30_pu_30_60/mean"} <= set(
        numbers
    )


def test_mahi_takes_out_pile_up_where_there_is_some(
    sample: Sample, classical: dict[str, Predictions]
) -> None:
    """In the endcap it is far better than the sum; in the barrel, where there is little, hardly worse."""
    numbers = evaluation.metrics(sample, classical)
    m0, mahi = (f"{name}/{{}}_10_30_pu_80_110/corrected" for name in ("m0", "mahi"))
    assert numbers[mahi.format("endcap")] < 0.8 * numbers[m0.format("endcap")]
    assert numbers[mahi.format("barrel")] < 1.25 * numbers[m0.format("barrel")]


def test_bound_is_the_floor(sample: Sample) -> None:
    settings = resolve(TASK.settings, TASK.presets, {})
    assert TASK.limit is not None
    values = evaluation.residuals(sample, TASK.limit(settings, sample)).values["stochastic"]
    wanted = np.sqrt(0.21**2 + np.asarray(sample["gain"]) * 57.5)
    assert np.std(values) == pytest.approx(np.sqrt(np.mean(wanted**2)), rel=0.03)


def test_what_came_with_a_file_is_judged(sample: Sample) -> None:
    few = sample.select(slice(0, 30))
    with_mahi = Sample(few.schema, {**few.columns, "energy": np.ones(30), "eraw": np.zeros(30)})
    assert set(TASK.carried(with_mahi)) == {"cms-mahi", "cms-m0"}
    assert not TASK.carried(few)


def test_pictures_show_responses_in_every_class(sample: Sample, classical: dict[str, Predictions]) -> None:
    figures = draw(sample, classical, "mahi")
    assert set(figures) == {"response_energy", "response_pt"}
    for figure in figures.values():
        assert len(figure.axes) == 2 * 3
        assert all(len(axes.containers) == len(classical) for axes in figure.axes)


def test_rivals_are_baselines_of_the_task() -> None:
    assert TASK.rule is not None
    settings = resolve(TASK.settings, TASK.presets, {})
    names = [one.name for one in only(TASK, lambda name: name != "network").estimators(settings)]
    assert names == ["m0", "mahi", "mahi-8"] == list(TASK.rule.rivals)


def test_seed_preset_is_the_study() -> None:
    settings = resolve(TASK.settings, TASK.presets, {"preset": "seed"})
    assert (settings.network, settings.epochs, settings.rate) == ("seed", 11, 1e-3)


def test_speed_is_a_time_for_every_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked gets batches of the sizes told; nothing is said of how fast it is."""
    monkeypatch.setattr(speed, "_ENOUGH", 0.0)
    asked = []
    found = speed.nanoseconds(lambda events: asked.append(len(events)), np.ones((7, 36), np.float32))
    assert set(found) == set(asked) == set(speed.BATCHES)
    assert all(value > 0 for value in found.values())
