"""Figures of the pages: those of single runs, of several runs, and pulls; as SVG, PDF or PNG."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import matplotlib
import numpy as np
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure

from registry.server.pages.compare.side_by_side import pulls
from tracking.evidence.resolution import Evidence
from tracking.figures.drawing import legend, points, tidy, variable
from tracking.figures.resolution import bias_against, losses_against, residual_histograms, sigma_against
from tracking.figures.styles import literal, styles
from tracking.statistics.residuals import Binning, Residuals

__all__ = ["KINDS", "book", "drawn", "names", "picture", "pulls_against"]

#: Formats of figures with their media types.
KINDS = {"svg": "image/svg+xml", "pdf": "application/pdf", "png": "image/png"}
#: Dots per inch of a PNG.
RESOLUTION = 130
_AGAINST = {
    "sigma": "σ against",
    "bias": "μ against",
    "losses": "failures and missing answers against",
    "pulls": "pulls against",
}
#: matplotlib's parsers of fonts and mathematics are shared by all figures of a process.
_ONE_AT_A_TIME = threading.Lock()

Drawn = TypeVar("Drawn")


def names(evidence: Evidence, kept: bool) -> dict[str, str]:
    """List the figures that can be drawn, with their titles, the most important first.

    Parameters
    ----------
    kept : bool
        Whether there are residuals.
    """
    titles = {f"sigma_{binning.name}": f"{_AGAINST['sigma']} {binning.name}" for binning in evidence.binnings}
    if kept:
        titles |= {f"residuals_{q.name}": f"residuals of {q.name}" for q in evidence.quantities}
    for kind, words in _AGAINST.items():
        for binning in evidence.binnings:
            if kind != "pulls" or len(evidence.estimators) > 1:
                titles[f"{kind}_{binning.name}"] = f"{words} {binning.name}"
    return titles


def picture(name: str, evidence: Evidence, residuals: Mapping[str, Residuals]) -> Figure:
    """Draw one of the figures of `names`.

    Raises
    ------
    KeyError
        If there is none of that name.
    """
    kind, _, subject = name.partition("_")
    if kind == "residuals":
        quantity = {q.name: q for q in evidence.quantities}[subject]
        selected = {label: residuals[label] for label in evidence.estimators if label in residuals}
        return residual_histograms(_only(evidence, set(selected)), selected, quantity)
    draw: dict[str, Callable[[Evidence, Binning], Figure]] = {
        "sigma": sigma_against,
        "bias": bias_against,
        "losses": losses_against,
        "pulls": pulls_against,
    }
    return draw[kind](evidence, {binning.name: binning for binning in evidence.binnings}[subject])


def _only(evidence: Evidence, names: set[str]) -> Evidence:
    """Return the evidence of some of its estimators."""
    return Evidence(
        evidence.facts,
        evidence.subject,
        evidence.quantities,
        evidence.binnings,
        tuple(row for row in evidence.rows if row.estimator in names),
        tuple(count for count in evidence.counts if count.estimator in names),
        (),
    )


def pulls_against(evidence: Evidence, binning: Binning) -> Figure:
    """Draw pulls of σ and μ to the subject, bin by bin; the bands are one and two standard deviations."""
    look = styles(evidence.estimators, evidence.subject)
    number = len(evidence.quantities)
    figure = Figure(figsize=(max(4.6 * number, 6.5), 5.2), layout="constrained")
    grid = figure.subplots(2, number, sharex=True, squeeze=False)
    differences = pulls(evidence)
    for quantity, column in zip(evidence.quantities, grid.T, strict=True):
        for axes, statistic, sign in zip(column, ("sigma", "mu"), (r"\sigma", r"\mu"), strict=True):
            for reach, shade in ((2, "0.95"), (1, "0.88")):
                axes.axhspan(-reach, reach, color=shade, zorder=0)
            for label in evidence.estimators:
                values = np.array(
                    [
                        getattr(pull, statistic)
                        for pull in differences
                        if (pull.label, pull.quantity, pull.binning) == (label, quantity.name, binning.name)
                    ]
                )
                if len(values):
                    points(axes, binning, values, None, look[label], literal(label))
            axes.set_ylabel(f"pull of ${sign}$({literal(quantity.name)})")
            tidy(axes)
        variable(column[-1], binning)
    legend(figure, grid[0, 0])
    figure.supxlabel(f"relative to {literal(evidence.subject)}", fontsize=9, x=0.99, ha="right")
    return figure


def drawn(make: Callable[[], Figure], kind: str) -> bytes:
    """Render a figure in one of `KINDS`; the same figure gives the same bytes."""
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]

    def saved() -> bytes:
        out = io.BytesIO()
        make().savefig(out, format=kind, dpi=RESOLUTION, metadata=metadata)
        return out.getvalue()

    with _ONE_AT_A_TIME, matplotlib.rc_context({"svg.hashsalt": "shashlik"}):
        return _literally(saved)


def book(makes: Sequence[Callable[[], Figure]]) -> bytes:
    """Render several figures as one PDF, one page each."""
    out = io.BytesIO()
    with _ONE_AT_A_TIME, PdfPages(out, metadata={"CreationDate": None}) as pages:
        for make in makes:
            _literally(lambda make=make: pages.savefig(make()))  # type: ignore[misc]
    return out.getvalue()


def _literally(draw: Callable[[], Drawn]) -> Drawn:
    """Draw; if labels of the evidence are invalid mathematics, draw them as plain text."""
    try:
        return draw()
    except ValueError:
        with matplotlib.rc_context({"text.parse_math": False}):
            return draw()
