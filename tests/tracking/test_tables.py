"""Numbers are rounded to their errors, tables hold them, names cannot break them."""

from __future__ import annotations

import dataclasses

import pytest

from tracking.evidence.resolution import Evidence
from tracking.report import numbers
from tracking.report.rendering import escaped, headline, markdown, sentence, terminal

NAN = float("nan")


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        (0.038912, 0.001134, "0.0389 ± 0.0011"),
        (0.03, 0.000996, "0.0300 ± 0.0010"),
        (-0.00004, 0.00012, "−0.00004 ± 0.00012"),
        (-0.0000001, 0.012, "0.000 ± 0.012"),
        (1234.5, 56.7, "1234 ± 57"),
        (123456.0, 7890.0, "123500 ± 7900"),
        (9.96, 0.0999, "9.96 ± 0.10"),
        (2.459e-16, 1.96e-17, "(2.46 ± 0.20)e−16"),
        (-5.2e-18, 2.0e-17, "(−0.5 ± 2.0)e−17"),
        (1.99e-13, NAN, "1.990e−13"),
        (1.0, NAN, "1.000"),
        (1.0, 0.0, "1.000"),
        (NAN, 0.1, "–"),
    ],
)
def test_value_and_error(value: float, error: float, text: str) -> None:
    assert numbers.with_error(value, error) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.9123, 0.8967, 0.9261), "0.912 [0.897, 0.926]"),
        ((0.0, 0.0, 0.123), "0.00 [0.00, 0.12]"),
        ((2.0, 1.2, float("inf")), "2.00 [1.20, ∞]"),
        ((NAN, 0.1, 0.2), "–"),
        ((1.0, 1.0, 1.0), "1.000"),
    ],
)
def test_value_and_interval(arguments: tuple[float, float, float], text: str) -> None:
    assert numbers.interval(*arguments) == text


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((0.0231, 0.0219, 0.0243), "2.31 ± 0.12 %"),
        ((0.001, 0.0006, 0.0017), "0.100 (+0.070 −0.040) %"),
        ((1.0, 1.0, 1.0), "100.0 %"),
        ((NAN, NAN, NAN), "–"),
    ],
)
def test_percent(arguments: tuple[float, float, float], text: str) -> None:
    assert numbers.percent(*arguments) == text


def cells(line: str) -> list[str]:
    return [cell.strip("\u2002 ") for cell in line.strip("|").split(" | ")]


def test_the_headline_comes_first_and_holds_the_numbers(evidence: Evidence) -> None:
    text = markdown(evidence)
    assert text.startswith("**network: σ(x) = ")
    r = evidence.row("fit-tuned", "x")
    table = [cells(line) for line in text.split("\n\n")[1].splitlines()]
    assert table[0][:5] == ["quantity", "estimator", "μ", "σ", "q68"]
    assert len(table) == 2 + 2 * 3
    row = next(line for line in table if line[:2] == ["x (cm)", "fit-tuned"])
    assert row[2] == numbers.with_error(r.mu, r.mu_err)
    assert row[3] == numbers.with_error(r.sigma, r.sigma_err)
    assert "pi0/mass" in text


def test_own_numbers_stand_beside_their_errors(evidence: Evidence) -> None:
    own = {
        "pi0/mu": 134.976,
        "pi0/mu_err": 0.123,
        "yield": 0.75,
        "yield_low": 0.71,
        "yield_high": 0.78,
        "spread_err": 0.5,
        "events_low": 3.0,
    }
    text = markdown(dataclasses.replace(evidence, extra=own))
    (table,) = (block for block in text.split("\n\n") if block.startswith("| number"))
    assert [cells(line) for line in table.splitlines()[2:]] == [
        ["pi0/mu", "134.98 ± 0.12"],
        ["yield", r"0.750 \[0.710, 0.780]"],
        [r"spread\_err", "0.50000"],
        [r"events\_low", "3.0000"],
    ]


def test_own_numbers_of_estimators_have_columns(evidence: Evidence) -> None:
    """One for each estimator that has some, and one for what belongs to none."""
    own = {"network/mse": 0.5, "network/mse_err": 0.1, "fit/mse": 0.75, "fit/pi0/mu": 135.0, "yield": 2.0}
    text = markdown(dataclasses.replace(evidence, extra=own))
    (table,) = (block for block in text.split("\n\n") if block.startswith("| number"))
    assert [cells(line) for line in table.splitlines() if "---" not in line] == [
        ["number", "network", "fit", "value"],
        ["mse", "0.50 ± 0.10", "0.75000", "–"],
        ["pi0/mu", "–", "135.00", "–"],
        ["yield", "–", "–", "2.0000"],
    ]


def test_every_table_is_a_table(evidence: Evidence) -> None:
    tables = [block for block in markdown(evidence).split("\n\n") if block.startswith("|")]
    assert len(tables) == 4 + len(evidence.binnings) * (len(evidence.quantities) + 1)
    for table in tables:
        lines = table.splitlines()
        assert len({line.replace(r"\|", "").count("|") for line in lines}) == 1
        assert set(lines[1]) <= set("|-:")


def test_the_terminal_shows_the_same_numbers(evidence: Evidence) -> None:
    r = evidence.row("network", "energy")
    text = terminal(evidence)
    assert numbers.with_error(r.sigma, r.sigma_err) in text
    assert "network / fit-tuned" in text
    assert "\\" not in text


def test_the_sentence_names_the_best_rival(evidence: Evidence) -> None:
    assert "of fit-tuned" in sentence(evidence)
    assert "of fit;" not in sentence(evidence)


def test_names_cannot_break_a_table_or_smuggle_html(evidence: Evidence) -> None:
    nasty = "<script>alert(1)</script>|*_`[x](y)\n# h"
    spoilt = dataclasses.replace(evidence, facts=dataclasses.replace(evidence.facts, source=nasty))
    text = markdown(spoilt)
    assert "<script>" not in text
    assert "\n# h" not in text
    assert escaped("a|b") == r"a\|b"
    assert escaped("[x](y)").startswith(r"\[")


def test_without_a_rival_there_is_no_ratio(evidence: Evidence) -> None:
    alone = dataclasses.replace(
        evidence,
        rows=tuple(row for row in evidence.rows if row.estimator == "network"),
        counts=tuple(count for count in evidence.counts if count.estimator == "network"),
        comparisons=(),
    )
    assert "relative to" not in "".join(headline(alone))
    assert terminal(alone)
