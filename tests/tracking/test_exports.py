"""Tables as files: all digits in CSV, those of the page in LaTeX, and nothing that a program would run."""

from __future__ import annotations

import csv
import io
import math

import pytest

from tracking.evidence.resolution import Evidence
from tracking.report import resolution_tables
from tracking.report.exports import to_csv, to_latex
from tracking.report.numbers import MISSING
from tracking.report.table import ERROR, LIMITS, Cell, Column, Table, between, measured, number, share

COLUMNS = (Column("who"), Column("σ x", "cm", ERROR), Column("ratio", parts=LIMITS))
NASTY = r"50 % of_{a} & $b$ #1 \input{/etc/passwd} <script> ~^"


def small(name: str) -> Table:
    return Table("A caption", COLUMNS, ((Cell(name), measured(0.1, 0.0123), between(0.9, 0.85, math.inf)),))


def test_cells_are_read_by_people_and_know_their_numbers() -> None:
    assert measured(0.0389, 0.0011) == Cell("0.0389 ± 0.0011", (0.0389, 0.0011))
    assert between(0.912, 0.897, 0.926).text == "0.912 [0.897, 0.926]"
    assert share(0.0231, 0.0219, 0.0243) == Cell("2.31 ± 0.12 %", (0.0231, 0.0219, 0.0243))
    assert number(math.nan) == Cell(MISSING, (pytest.approx(math.nan, nan_ok=True),))


def test_a_row_has_a_cell_for_each_column() -> None:
    with pytest.raises(ValueError, match="1 cells under 3 columns"):
        Table("A", COLUMNS, ((Cell("a"),),))


def test_csv_has_all_digits(evidence: Evidence) -> None:
    text = to_csv([resolution_tables.resolution(evidence)])
    lines = list(csv.DictReader(io.StringIO(text)))
    assert len(lines) == len(evidence.estimators) * len(evidence.quantities)
    for line, wanted in zip(lines, resolution_tables.resolution(evidence).rows, strict=True):
        row = evidence.row(line["estimator"], line["quantity"].partition(" ")[0])
        assert float(line["sigma"]) == row.sigma
        assert float(line["sigma_err"]) == row.sigma_err
        assert float(line["chi2"]) == row.chi2
        assert line["estimator"] == wanted[1].text


def test_csv_of_several_tables_has_their_captions() -> None:
    first, second = to_csv([small("a"), small("b")]).split("\n\n")
    assert first.splitlines()[0] == second.splitlines()[0] == "A caption"
    assert first.splitlines()[1] == "who,sigma_x_cm,sigma_x_cm_err,ratio,ratio_low,ratio_high"
    assert first.splitlines()[2] == "a,0.1,0.0123,0.9,0.85,inf"


@pytest.mark.parametrize("name", ["=1+1", "@x", "+1", "-cmd|' /C calc'!A0", "\t=1"])
def test_csv_is_no_formula(name: str) -> None:
    (_, line) = csv.reader(io.StringIO(to_csv([small(name)])))
    assert line[0] == f"'{name}"


def test_latex_has_the_digits_of_the_page() -> None:
    text = to_latex([small(NASTY)], "from\nsomewhere")
    assert text.startswith("% from somewhere\n")
    row = next(line for line in text.splitlines() if "50" in line)
    assert r"50 \% of\_\{a\} \& \$b\$ \#1 \textbackslash{}input\{/etc/passwd\}" in row
    assert r"0.100 $\pm$ 0.012" in row
    tiny = Table("A", COLUMNS[:2], ((Cell("a"), measured(-3.2e-12, 9e-14)),))
    assert r"$(-3.200 \pm 0.090) \times 10^{-12}$" in to_latex([tiny], "")
