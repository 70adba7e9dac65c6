"""Evidence of classifications: exact text, metrics, tables, figures, and what is refused."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scores_made_up import NAMES, scores

from tracking.evidence.classification import MEAN, Classification
from tracking.evidence.from_scores import build
from tracking.evidence.resolution import Facts, from_json
from tracking.figures.classification import auc_against, figures, roc_curves
from tracking.figures.dependence import importance
from tracking.report import run_report
from tracking.report.rendering import headline, markdown, sentence, terminal
from tracking.statistics.residuals import Binning
from tracking.statistics.scores import Criteria, Published, Scores

CRITERIA = Criteria(
    label="$m_X$",
    unit="GeV",
    log=True,
    efficiencies=(0.5, 0.8),
    sculpted=(Binning("m_hh", "GeV", "$m_{HH}$", tuple(range(250, 2001, 125))),),
    published=(Published("elsewhere", {"m300": 0.9}),),
)
FACTS = Facts("toy", "ab" * 32, "made up", 3200, 4, 1, {"numpy": np.__version__})


@pytest.fixture(scope="module")
def judged() -> dict[str, Scores]:
    return scores({"cuts": 1.0, "tree": 1.5, "network": 1.7}, 1600, 400, lost={"tree": 0.02})


@pytest.fixture(scope="module")
def found(judged: dict[str, Scores]) -> Classification:
    return build(
        judged,
        CRITERIA,
        facts=FACTS,
        seed=2,
        replicas=100,
        ns_per_event={"network": 900.0},
        extra={"network/own": 1.5},
    )


def test_text_and_value_determine_each_other(found: Classification) -> None:
    again = from_json(found.to_json())
    assert isinstance(again, Classification)
    assert again.to_json() == found.to_json()
    assert again.sha256 == found.sha256
    assert again.criteria == CRITERIA
    assert [one.held_out for one in again.hypotheses] == [False, False, True, False]


def test_the_same_seed_gives_the_same_evidence(judged: dict[str, Scores], found: Classification) -> None:
    few = {"network": judged["network"]}
    one, two, three = (build(few, CRITERIA, facts=FACTS, seed=s, replicas=50).to_json() for s in (1, 1, 2))
    assert one == two
    assert one != three


def test_own_numbers_of_a_hypothesis_stand_in_a_table_of_their_own(found: Classification) -> None:
    own = {"network/tail/m500": 0.1012, "network/tail/m500_err": 0.0034, "cuts/tail/m900": 0.25}
    more = replace(found, extra=found.extra | own)
    text = markdown(more)
    assert "network/tail" not in text
    lines = [line for line in text.split("| tail")[1].splitlines() if line.startswith(("| m500", "| m900"))]
    assert "0.1012 ± 0.0034" in lines[0]
    assert lines[1].count("–") == 2
    assert "0.25" in lines[1]
    assert [line.split() for line in terminal(more).splitlines() if line.startswith("own")] == [
        ["own", "1.5000"]
    ]
    assert "tail" not in terminal(more)


def test_metrics_have_the_names_that_users_know(found: Classification) -> None:
    metrics = found.metrics()
    for name in (
        "network/auc/m900",
        "network/auc/m900_err",
        "network/ams/m900",
        "network/ams/m900_err",
        "network/auc",
        "network/auc_err",
        "network/ams",
        "network/efficiency",
        "network/efficiency_low",
        "network/rejection_50/m300",
        "network/flatness",
        "network/spread_high",
        "network/ece",
        "network/brier_err",
        "network/peak/m2000",
        "network/js_m_hh/m500",
        "network/auc_minus_tree/m300",
        "network/loss_over_tree",
        "network/ams_over_cuts/m900_low",
        "network/ns_per_event",
        "network/own",
        "tree/auc/m500",
    ):
        assert math.isfinite(metrics[name]), name
    assert metrics["network/auc"] == pytest.approx(np.mean([metrics[f"network/auc/{n}"] for n in NAMES]))
    assert metrics["tree/efficiency"] == pytest.approx(0.98, abs=0.01)
    assert metrics["cuts/efficiency"] == 1
    gain = metrics["network/auc"] - metrics["tree/auc"]
    assert metrics["network/auc_minus_tree"] == pytest.approx(gain)
    assert metrics["network/auc_minus_tree_low"] < gain < metrics["network/auc_minus_tree_high"]
    assert metrics["network/loss_over_tree"] == pytest.approx(
        (1 - metrics["network/auc"]) / (1 - metrics["tree/auc"])
    )


def test_errors_of_significance_and_rejection_are_the_scatter_of_toys() -> None:
    """The bootstrap of one sample against 40 samples."""
    toys = []
    for seed in range(40):
        one = scores({"network": 1.5}, 1500, 300, seed=seed, names=("m300",))
        result = build(one, Criteria(), facts=FACTS, seed=1, replicas=60).power("network")
        toys.append((result.ams, result.ams_err, result.rejection[0], result.rejection_err[0]))
    ams, ams_err, rejection, rejection_err = np.array(toys).T
    assert np.median(ams_err) == pytest.approx(np.std(ams), rel=0.4)
    assert np.median(rejection_err) == pytest.approx(np.std(rejection), rel=0.4)


def test_tables_say_what_was_found(found: Classification) -> None:
    text = markdown(found)
    assert text.startswith("**network: AUC = 0.8")
    assert "above tree" in sentence(found)
    assert "m900 (held out)" in terminal(found)
    assert "elsewhere" in terminal(found)
    assert "\\" not in terminal(found)
    tables = [block for block in text.split("\n\n") if block.startswith("|")]
    # Headline and the task's own, AMS, two of rejection, two of contrasts, background, peaks, JS.
    assert len(tables) == 4 + 1 + 2 + 2 + 1 + 1 + 1
    for table in tables:
        assert len({line.replace(r"\|", "").count("|") for line in table.splitlines()}) == 1
    assert len(run_report.description(found, ["roc"], "0" * 32, 4000)) <= 4000
    assert "under 4 hypotheses" in headline(found)[-1]


def test_figures_draw_what_was_found(found: Classification, judged: dict[str, Scores]) -> None:
    area, loss = auc_against(found).axes
    drawn = {bars.get_label(): bars[0].get_ydata() for bars in area.containers}
    wanted = [found.power("network", name).auc for name in NAMES]
    np.testing.assert_allclose(drawn["network"], wanted)
    ratio = [found.contrast("tree", "loss", name).value for name in NAMES]
    assert any(np.allclose(bars[0].get_ydata(), ratio) for bars in loss.containers)
    curves = roc_curves(found, judged).axes[0].lines
    assert len(curves) == 3
    assert all(np.all(np.diff(line.get_xdata()) >= 0) for line in curves)
    bars = importance(["a", "b"], np.array([0.1, 0.3]), np.array([0.01, 0.02]), "loss").axes[0]
    assert [label.get_text() for label in bars.get_yticklabels()] == ["a", "b"]
    assert [patch.get_width() for patch in bars.patches] == [0.1, 0.3]


def test_a_plain_classifier_has_no_hypotheses_to_tell_of(judged: dict[str, Scores]) -> None:
    """One hypothesis without a name: the same numbers, no curves against it, metrics without a suffix."""
    rows = judged["network"].own <= 0
    one = {
        name: Scores(
            s.response[rows, :1],
            s.asked[rows, :1],
            s.signal[rows],
            s.weights[rows],
            s.physical[rows],
            ("",),
            np.zeros(1),
            np.zeros(1, bool),
            {"m_hh": s.variables["m_hh"][rows]},
        )
        for name, s in judged.items()
    }
    found = build(one, replace(CRITERIA, published=()), facts=FACTS, seed=1, replicas=50)
    assert found.responses == found.flatness == ()
    only, mean = (found.power("network", name) for name in ("", MEAN))
    assert (only.auc, only.auc_err) == (mean.auc, mean.auc_err)
    assert only.rejection == pytest.approx(mean.rejection)
    assert found.metrics()["network/auc"] == found.power("network", "").auc
    assert not [name for name in found.metrics() if name.endswith("/")]
    assert from_json(found.to_json()).to_json() == found.to_json()
    assert "hypotheses" not in headline(found)[-1].partition("sha256")[0]
    assert set(figures(found, one)) == {"roc", "ams_scan", "calibration", "background_in_m_hh"}
    assert terminal(found)


def test_what_is_no_probability_is_ranked_all_the_same(judged: dict[str, Scores]) -> None:
    logits = replace(judged["network"], response=np.log(judged["network"].response))
    found = build({"network": logits}, CRITERIA, facts=FACTS, seed=1, replicas=50)
    assert found.calibrations == ()
    assert found.power("network").auc > 0.8
    assert "–" in terminal(found)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: {"tree": s["tree"]}, "no scores of the subject 'network'"),
        (lambda s: {**s, "tree": scores({"a": 1.0}, 1600, 300)["a"]}, "same events"),
        (lambda s: {**s, "tree": replace(s["tree"], variables={})}, "no variable 'm_hh'"),
    ],
)
def test_what_cannot_be_compared_is_refused(judged: dict[str, Scores], change, told: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=told):
        build(change(judged), CRITERIA, facts=FACTS, seed=1, replicas=50)


def test_criteria_without_sense_are_refused() -> None:
    with pytest.raises(ValueError, match=r"efficiencies=\(1.5,\)"):
        Criteria(efficiencies=(1.5,))
