"""Estimators of several runs as one evidence: what is on record stays, the rest has closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from made_up import BINNINGS, QUANTITIES, pairs
from scipy.special import ndtri

from registry.server.pages.compare.figures import book, drawn, names, picture
from registry.server.pages.compare.side_by_side import (
    PAIRED,
    QUADRATURE,
    RECORDED,
    Contestant,
    combine,
    paired,
    pulls,
)
from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import Evidence, Facts
from tracking.statistics.residuals import Residuals

Z = float(ndtri(0.975))


def judged(seed: int, sha256: str = "a" * 64, **widths: float) -> tuple[dict[str, Residuals], Evidence]:
    found = pairs(800, widths or {"network": 0.05, "fit": 0.06}, seed=seed)
    facts = Facts("toy", sha256, "made up", 800, 2, seed)
    evidence = build(
        found,
        QUANTITIES,
        BINNINGS,
        facts=facts,
        seed=1,
        subject=next(iter(found)),
        replicas=80,
        bin_replicas=20,
    )
    return found, evidence


def taking_part(evidence: Evidence, name: str, label: str, everywhere: bool = False) -> Contestant:
    return Contestant(label, label, name, evidence, "0" * 32, everywhere)


@pytest.fixture(scope="module")
def one() -> tuple[dict[str, Residuals], Evidence]:
    return judged(1)


@pytest.fixture(scope="module")
def other() -> tuple[dict[str, Residuals], Evidence]:
    return judged(2, "b" * 64)


def test_numbers_stay_as_they_are(
    one: tuple[dict[str, Residuals], Evidence], other: tuple[dict[str, Residuals], Evidence]
) -> None:
    whole, _ = combine([taking_part(one[1], "network", "A"), taking_part(other[1], "fit", "B")])
    assert whole.estimators == ("A", "B")
    for quantity in QUANTITIES:
        assert whole.row("A", quantity.name) == one[1].row("network", quantity.name)
        assert whole.row("B", quantity.name) == other[1].row("fit", quantity.name)
        for binning in BINNINGS:
            found = whole.bins("B", quantity.name, binning.name)
            wanted = other[1].bins("fit", quantity.name, binning.name)
            assert [row.result for row in found] == [row.result for row in wanted]
    assert whole.count("A") == replace(one[1].count("network"), estimator="A")


def test_ratios_on_record_are_kept_and_turned_over(one: tuple[dict[str, Residuals], Evidence]) -> None:
    network, fit = taking_part(one[1], "network", "A"), taking_part(one[1], "fit", "B")
    whole, sources = combine([network, fit])
    assert sources == {"B": RECORDED}
    recorded = one[1].compared("fit", "x", "sigma")[0]
    assert whole.compared("B", "x", "sigma")[0].ratio == recorded.ratio
    turned, _ = combine([fit, network])
    found = turned.compared("A", "x", "sigma")[0]
    assert found.ratio == pytest.approx(1 / recorded.ratio)
    assert (found.ratio_low, found.ratio_high) == pytest.approx(
        (1 / recorded.ratio_high, 1 / recorded.ratio_low)
    )
    assert len(turned.compared("A", "x", "sigma", "energy")) == len(BINNINGS[0].edges) - 1


def test_a_version_is_the_same_in_all_evidence_on_a_frozen_sample() -> None:
    """Where it was a rival of the other, the other's evidence has the ratio; not so on test events."""
    _, first = judged(3, **{"v1-network": 0.05, "v9-fit": 0.07})
    _, second = judged(3, **{"v2-network": 0.055, "v1-network": 0.05})
    met = [taking_part(first, "v1-network", "v1", True), taking_part(second, "v2-network", "v2", True)]
    whole, sources = combine(met)
    assert sources == {"v2": RECORDED}
    recorded = second.compared("v1-network", "x", "sigma")[0]
    assert whole.compared("v2", "x", "sigma")[0].ratio == pytest.approx(1 / recorded.ratio)
    _, sources = combine([replace(one, everywhere=False) for one in met])
    assert sources == {"v2": QUADRATURE}
    elsewhere = replace(second, facts=replace(second.facts, sha256="c" * 64))
    _, sources = combine([met[0], replace(met[1], evidence=elsewhere)])
    assert sources == {"v2": QUADRATURE}


def test_other_ratios_have_both_errors_in_quadrature(
    one: tuple[dict[str, Residuals], Evidence], other: tuple[dict[str, Residuals], Evidence]
) -> None:
    whole, sources = combine([taking_part(one[1], "network", "A"), taking_part(other[1], "network", "B")])
    assert sources == {"B": QUADRATURE}
    a, b = one[1].row("network", "x"), other[1].row("network", "x")
    found = whole.compared("B", "x", "sigma")[0]
    assert found.ratio == pytest.approx(a.sigma / b.sigma)
    half = Z * found.ratio * math.hypot(a.sigma_err / a.sigma, b.sigma_err / b.sigma)
    assert (found.ratio_low, found.ratio_high) == pytest.approx((found.ratio - half, found.ratio + half))


def test_paired_is_what_judging_together_gives(one: tuple[dict[str, Residuals], Evidence]) -> None:
    residuals = one[0]
    whole, _ = combine([taking_part(one[1], "network", "A"), taking_part(one[1], "fit", "B")])
    found = paired(whole, {"A": residuals["network"], "B": residuals["fit"]}, 80, 20)
    recorded = one[1].compared("fit", "x", "sigma")[0]
    again = found.compared("B", "x", "sigma")[0]
    assert (again.ratio, again.ratio_low) == pytest.approx((recorded.ratio, recorded.ratio_low))
    assert found.rows == whole.rows
    assert paired(whole, {"B": residuals["fit"]}) == whole, "without the subject there is nothing to pair"
    assert PAIRED not in (RECORDED, QUADRATURE)


def test_pulls_are_normal_where_nothing_differs() -> None:
    """Of independent samples of one estimator; 40 pairs pin the width of the pulls to about 11 %."""
    values = []
    for seed in range(40):
        _, first = judged(100 + seed, network=0.05)
        _, second = judged(200 + seed, "b" * 64, network=0.05)
        whole, _ = combine([taking_part(first, "network", "A"), taking_part(second, "network", "B")])
        values += [pull.sigma for pull in pulls(whole) if not pull.binning]
    assert abs(np.mean(values)) < 0.3
    assert np.std(values) == pytest.approx(1.0, abs=0.25)


def test_only_what_they_have_in_common(one: tuple[dict[str, Residuals], Evidence]) -> None:
    less = replace(
        one[1], quantities=one[1].quantities[:1], binnings=(replace(BINNINGS[0], edges=(2, 50, 200)),)
    )
    whole, _ = combine([taking_part(one[1], "network", "A"), taking_part(less, "fit", "B")])
    assert [quantity.name for quantity in whole.quantities] == ["x"]
    assert whole.binnings == ()
    assert {row.binning for row in whole.rows} == {""}
    assert names(whole, False) == {}


@pytest.mark.parametrize(
    "name",
    ["residuals_x", *(pytest.param(of, marks=pytest.mark.slow) for of in ("sigma_energy", "pulls_distance"))],
)
def test_figures_are_the_same_bytes_for_the_same_numbers(
    one: tuple[dict[str, Residuals], Evidence], name: str
) -> None:
    whole, _ = combine([taking_part(one[1], "network", "A"), taking_part(one[1], "fit", "B")])
    residuals = {"A": one[0]["network"], "B": one[0]["fit"]}
    assert name in names(whole, True)
    first = drawn(lambda: picture(name, whole, residuals), "svg")
    assert first == drawn(lambda: picture(name, whole, residuals), "svg")


def test_labels_that_are_no_mathematics_are_shown_as_they_are() -> None:
    _, first = judged(1, **{"a$b_c": 0.05, r"\frac{": 0.06})
    odd = replace(first, quantities=tuple(replace(q, label=r"$\nonsense{$") for q in first.quantities))
    whole, _ = combine([taking_part(odd, "a$b_c", "a$b_c"), taking_part(odd, r"\frac{", r"\frac{")])
    assert b"<svg" in drawn(lambda: picture("sigma_energy", whole, {}), "svg")
    assert book([lambda: picture("sigma_energy", whole, {})]).startswith(b"%PDF")
