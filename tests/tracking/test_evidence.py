"""Evidence holds what the residuals say, and survives being written."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from made_up import BINNINGS, QUANTITIES, pairs

from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Evidence, Facts, from_json
from tracking.statistics.residuals import Residuals
from tracking.statistics.resolution import resolution

FACTS = Facts("toy", "00" * 32, "made up", 3000, 2, 1)


def judged(residuals: dict[str, Residuals], **more: object) -> Evidence:
    options = {"facts": FACTS, "seed": 1, "replicas": 60, "bin_replicas": 30} | more
    return build(residuals, QUANTITIES, BINNINGS, **options)  # type: ignore[arg-type]


def test_rows_are_the_resolution_of_the_objects_in_the_bin(
    evidence: Evidence, residuals: dict[str, Residuals]
) -> None:
    fit = residuals["fit"]
    assert evidence.row("fit", "x") == resolution(fit.values["x"])
    near = evidence.bins("fit", "energy", "distance")[0]
    inside = (fit.variables["distance"] >= 4) & (fit.variables["distance"] < 8)
    assert (near.low, near.high) == (4.0, 8.0)
    assert near.result == resolution(fit.values["energy"][inside])


def test_every_object_is_counted_once(evidence: Evidence, residuals: dict[str, Residuals]) -> None:
    for name, found in residuals.items():
        overall = evidence.count(name)
        assert overall.efficiency.total == overall.failures.total == 6000
        assert overall.efficiency.passed == found.answered.sum()
        assert overall.failures.passed == (found.failed & found.answered).sum()
        for binning in BINNINGS:
            bins = evidence.bin_counts(name, binning.name)
            assert sum(count.failures.passed for count in bins) == overall.failures.passed


def test_ratios_contain_the_truth(evidence: Evidence) -> None:
    for reference, truth in (("fit", 0.5), ("fit-tuned", 5 / 6)):
        for quantity in ("x", "energy"):
            for statistic in ("sigma", "q68"):
                (found,) = evidence.compared(reference, quantity, statistic)
                assert found.subject == "network"
                assert found.ratio_low - 0.02 < truth < found.ratio_high + 0.02, found
                assert 0 < found.ratio_high - found.ratio_low < 0.1


def test_widths_are_compared_where_both_answered() -> None:
    """An estimator that gives up on the difficult half must not look better for it."""
    rng = np.random.default_rng(3)
    hard = np.repeat(rng.uniform(size=(4000, 1)) < 0.5, 2, axis=1)
    values = np.where(hard, 3.0, 1.0) * rng.normal(size=(4000, 2))
    variables = {"energy": np.full((4000, 2), 50.0), "distance": np.full((4000, 2), 10.0)}
    brave = Residuals({"x": values, "energy": values}, variables)
    timid = Residuals({"x": np.where(hard, np.nan, values), "energy": values}, variables)
    found = judged({"brave": brave, "timid": timid}, subject="timid")
    assert found.row("timid", "x").sigma < 0.8 * found.row("brave", "x").sigma
    (ratio,) = found.compared("brave", "x", "sigma")
    assert ratio.ratio == pytest.approx(1.0, abs=1e-12)
    assert found.count("timid").efficiency.value == pytest.approx(0.5, abs=0.03)


def test_few_failures_get_an_exact_interval() -> None:
    residuals = pairs(1000, {"fit": 0.1, "network": 0.05}, failures=0.02)
    rare = residuals["network"]
    failed = np.zeros(rare.shape, dtype=bool)
    residuals["network"] = Residuals(rare.values, rare.variables, failed)
    (found,) = judged(residuals).compared("fit", "", "failures")
    assert found.ratio == found.ratio_low == 0.0
    assert 0.0 < found.ratio_high < 0.3


def test_same_seed_same_evidence(residuals: dict[str, Residuals]) -> None:
    assert judged(residuals).sha256 == judged(residuals).sha256
    assert judged(residuals).sha256 != judged(residuals, seed=2).sha256


def test_text_and_evidence_determine_each_other(evidence: Evidence) -> None:
    text = evidence.to_json()
    assert from_json(text) == evidence
    assert from_json(text).to_json() == text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_what_could_not_be_fitted_survives_too(residuals: dict[str, Residuals]) -> None:
    silent = Residuals(
        {"x": np.full((3000, 2), np.nan), "energy": np.zeros((3000, 2))}, residuals["fit"].variables
    )
    found = judged({**residuals, "silent": silent})
    back = from_json(found.to_json())
    assert back.to_json() == found.to_json()
    assert back.row("silent", "x").reason == "no finite value"
    assert np.isnan(back.row("silent", "energy").sigma)
    assert back.count("silent").efficiency.value == 0.0
    assert all(np.isnan(c.ratio) for c in back.compared("silent", "x", "sigma"))


@pytest.mark.parametrize("text", ['{"kind": "astrology"}', "[]", "{}"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="known: resolution"):
        from_json(text)


def test_a_text_with_other_fields_is_refused(evidence: Evidence) -> None:
    plain = json.loads(evidence.to_json())
    plain["verdict"] = "good"
    with pytest.raises(ValueError, match="verdict"):
        from_json(json.dumps(plain))


def test_evidence_is_frozen(evidence: Evidence) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        evidence.subject = "fit"  # type: ignore[misc]


def test_metric_names(evidence: Evidence) -> None:
    metrics = evidence.metrics()
    assert metrics["network/x/sigma"] == evidence.row("network", "x").sigma
    assert metrics["fit/energy/mu_err"] == evidence.row("fit", "energy").mu_err
    assert metrics["fit/efficiency"] == pytest.approx(0.99, abs=0.01)
    assert metrics["network/ns_per_event"] == 12_000.0
    assert metrics["network/x/sigma_over_fit"] == evidence.compared("fit", "x", "sigma")[0].ratio
    assert metrics["pi0/mass"] == 0.1349


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": "oracle"}, "no residuals of the subject 'oracle'; there are: fit"),
        ({"residuals": "shape"}, "judged on the same events"),
        ({"residuals": "quantity"}, "no quantity 'energy'; there are: x"),
        ({"residuals": "variable"}, "no variable 'distance'; there are: energy"),
    ],
)
def test_residuals_that_do_not_fit_are_refused(change: dict[str, str], message: str) -> None:
    residuals = pairs(100, {"fit": 0.1, "network": 0.05})
    fit = residuals["fit"]
    broken = {
        "shape": pairs(99, {"fit": 0.1})["fit"],
        "quantity": Residuals({"x": fit.values["x"]}, fit.variables),
        "variable": Residuals(fit.values, {"energy": fit.variables["energy"]}),
    }
    kind = change.pop("residuals", None)
    if kind:
        residuals["fit"] = broken[kind]
    with pytest.raises(ValueError, match=message):
        judged(residuals, **change)
