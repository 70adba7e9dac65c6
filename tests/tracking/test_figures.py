"""Figures show what the evidence holds; they are looked at as data."""

from __future__ import annotations

import dataclasses
import io
import sys

import numpy as np
import pytest
from made_up import BINNINGS, QUANTITIES
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure

from tracking.evidence.resolution import Evidence
from tracking.figures.resolution import figures, losses_against, residual_histograms, sigma_against
from tracking.figures.styles import styles
from tracking.statistics.residuals import Residuals


def drawn(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=40)
    return buffer.getvalue()


def series(axes: object, label: str) -> tuple[np.ndarray, np.ndarray]:
    for container in axes.containers:  # type: ignore[attr-defined]
        if isinstance(container, ErrorbarContainer) and container.get_label() == label:
            line, _, (bars,) = container.lines
            segments = np.array(bars.get_segments())
            return np.asarray(line.get_ydata()), (segments[:, 1, 1] - segments[:, 0, 1]) / 2
    raise LookupError(label)


def test_all_of_them_draw(evidence: Evidence, residuals: dict[str, Residuals]) -> None:
    found = figures(evidence, residuals)
    assert set(found) == {"residuals_x", "residuals_energy"} | {
        f"{kind}_against_{binning.name}" for kind in ("sigma", "bias", "losses") for binning in BINNINGS
    }
    for name, figure in found.items():
        assert len(drawn(figure)) > 3000, name
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_sigma_against_a_variable(evidence: Evidence) -> None:
    figure = sigma_against(evidence, BINNINGS[0])
    top, _, ratio, _ = figure.axes
    values, errors = series(top, "fit")
    rows = [row.result for row in evidence.bins("fit", "x", "energy")]
    assert values == pytest.approx([r.sigma for r in rows])
    assert errors == pytest.approx([r.sigma_err for r in rows])
    assert top.get_ylabel().endswith("(cm)")
    assert ratio.get_ylabel() == "ratio to\nfit-tuned"
    assert ratio.get_xlabel() == "true energy (GeV)"
    points = [np.asarray(line.get_ydata(), dtype=float) for line in ratio.lines]
    expected = [c.ratio for c in evidence.compared("fit-tuned", "x", "sigma", "energy")]
    assert any(len(y) == len(expected) and np.allclose(y, expected) for y in points)


def test_losses_against_a_variable(evidence: Evidence) -> None:
    figure = losses_against(evidence, BINNINGS[1])
    values, _ = series(figure.axes[1], "fit")
    counts = evidence.bin_counts("fit", "distance")
    assert values == pytest.approx([100 * (1 - c.efficiency.value) for c in counts])


def test_the_fit_drawn_has_the_area_of_the_histogram(
    evidence: Evidence, residuals: dict[str, Residuals]
) -> None:
    core = residual_histograms(evidence, residuals, QUANTITIES[0]).axes[0]
    label = next(text for text in core.get_legend_handles_labels()[1] if text.startswith("network\n"))
    curve = next(line for line in core.lines if line.get_label() == label)
    area = np.trapezoid(curve.get_ydata(), curve.get_xdata())
    r, values = evidence.row("network", "x"), residuals["network"].values["x"]
    inside = np.mean(np.abs(values - r.mu) <= 2 * r.sigma)
    assert area == pytest.approx(inside, rel=0.02)


def test_variants_share_a_colour_and_the_subject_has_its_own() -> None:
    look = styles(("fit", "fit-tuned", "cog", "network"), "network")
    assert look["fit"].colour == look["fit-tuned"].colour
    assert (look["fit"].line, look["fit-tuned"].line) == ("--", "-")
    assert len({look[name].colour for name in ("fit", "cog", "network")}) == 3
    assert look["cog"] == dataclasses.replace(
        styles(("cog", "network"), "network")["cog"],
        **{name: getattr(look["cog"], name) for name in ("colour", "marker", "shift")},
    )


def test_without_answers_there_still_are_figures(residuals: dict[str, Residuals], evidence: Evidence) -> None:
    from tracking.evidence.from_residuals import build

    nothing = Residuals(
        {name: np.full_like(array, np.nan) for name, array in residuals["fit"].values.items()},
        residuals["fit"].variables,
    )
    silent = {"fit": nothing, "network": residuals["network"]}
    found = build(
        silent, QUANTITIES[:1], BINNINGS[:1], facts=evidence.facts, seed=1, replicas=20, bin_replicas=20
    )
    for figure in figures(found, silent).values():
        assert drawn(figure)


def test_odd_names_are_drawn_as_they_are(residuals: dict[str, Residuals], evidence: Evidence) -> None:
    from tracking.evidence.from_residuals import build

    odd = {"a_b$c^{": residuals["fit"], "network": residuals["network"]}
    found = build(
        odd, QUANTITIES[:1], BINNINGS[:1], facts=evidence.facts, seed=1, replicas=20, bin_replicas=20
    )
    for figure in figures(found, odd).values():
        assert drawn(figure)
