"""How much cells can say about photons, and how much of it a run's estimators take.

``python -m projects.ecal.bound_study <folder> [--evidence evidence.json]``

Writes tables and a figure: the bound of one photon against its energy and of two against their distance;
what the best linear estimate reaches when it is started at the truth of simulated showers; and, from the
evidence of a run of `ecal_stage4`, its estimators over the bound of the same events.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from projects.ecal.bound import bound, covariances, moments_of
from projects.ecal.deposits import deposit
from projects.ecal.photons import BINNINGS, true_photons
from projects.ecal.showers import ShowerModel, draw, geant4_model
from projects.ecal.simulation import Scene, simulate
from projects.task import BadInput
from tracking.evidence import LIMIT, Evidence, from_json
from tracking.resolution import resolution

__all__ = ["against_distance", "against_energy", "figure", "linear_estimates", "main", "over_the_bound"]

ENERGIES = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 140.0, 200.0)
#: Impact of the photons on which the linear estimate is tried: middle, edge and corner of a cell, cm.
IMPACTS = ((0.2, -0.4), (1.6, 0.3), (1.85, 1.7))
BEAMS = {
    "parallel": Scene(photons=1),
    "from the target": Scene(photons=1, incidence="target", region="shashlik"),
}


def against_energy(scene: Scene, photons: int, energies: Sequence[float] = ENERGIES) -> NDArray:
    """Median bound of x, y (cm) and relative energy of photons anywhere, shape (energies, 3)."""
    truth = true_photons(simulate(scene, photons, seed=1), 1)
    found = []
    for energy in energies:
        covariance = covariances(scene, truth | {"e": np.full_like(truth["e"], energy)})
        found.append(np.median(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), axis=0))
    return np.array(found)


def against_distance(pairs: int) -> NDArray:
    """Median bound of x, y (cm) and relative energy in the bins of distance, shape (bins, 3)."""
    sample = simulate(Scene(), pairs, seed=1)
    truth, answers = true_photons(sample, 2), bound(Scene(), sample)
    apart = np.hypot(np.diff(truth["x"])[:, 0], np.diff(truth["y"])[:, 0])
    sigma = np.stack([np.stack([answers[f"s{name}{i}"] for i in (1, 2)], axis=1) for name in "xye"], axis=2)
    sigma[:, :, 2] /= truth["e"]
    edges = _binning("distance").edges
    chosen = [sigma[(apart >= low) & (apart < high)].reshape(-1, 3) for low, high in pairwise(edges)]
    return np.array([np.median(part, axis=0) for part in chosen])


def _binning(name: str):
    return next(binning for binning in BINNINGS if binning.name == name)


def linear_estimates(
    energy: float, impact: tuple[float, float], events: int, model: ShowerModel | None = None
) -> tuple[NDArray, NDArray]:
    """Core and rms of linear estimates from the truth over the bound's sigma, for x, y and energy.

    Showers of one energy (GeV) and impact (cm from the centre of a cell) are drawn and read out without a
    threshold; of cells with more than 0.15 GeV the linear combination is taken that is best according to
    mean and covariance. Where this is 1, the bound is reached; below 1, showers that are not Gaussian let an
    estimate be better than a Gaussian one.
    """
    model = model or geant4_model()
    scene = Scene(photons=1, threshold=0.0, grid=9)
    truth = {"x": impact[0], "y": impact[1], "e": energy, "tx": 0.0, "ty": 0.0}
    place, mean, slope, covariance, _ = moments_of(
        scene, {name: np.full((1, 1), value) for name, value in truth.items()}, model
    )
    rng = np.random.default_rng(1)
    cells = np.zeros((events, 9, 9))
    x, y = (np.full(events, value) for value in impact)
    deposit(cells, np.arange(events), x, y, draw(model, np.full(events, energy), rng), rng)
    cells *= 1 + scene.gain_spread * rng.standard_normal(cells.shape)
    cells += scene.noise * rng.standard_normal(cells.shape)
    chosen = mean > 0.15
    slope, weight = slope[:, chosen], np.linalg.inv(covariance[np.ix_(chosen, chosen)])
    inverse = np.linalg.inv(slope @ weight @ slope.T)
    estimate = (cells.reshape(events, -1)[:, place[chosen]] - mean[chosen]) @ (inverse @ slope @ weight).T
    sigma = np.sqrt(np.diag(inverse))
    return np.array([resolution(part).sigma for part in estimate.T]) / sigma, estimate.std(axis=0) / sigma


def over_the_bound(evidence: Evidence, binning: str) -> list[list[str]]:
    """Ratios of the subject and of the best other in x, y and energy to the bound, bin by bin.

    The subject's have their 95 % interval from the paired bootstrap.
    """
    rows = []
    for index, row in enumerate(evidence.bins(LIMIT, "x", binning)):
        cells = [f"{row.low:g}-{row.high:g}" if binning else "all"]
        for quantity in evidence.quantities:
            best = evidence.best_other(quantity.name)
            ours = evidence.compared(LIMIT, quantity.name, "sigma", binning)[index]
            limit = evidence.bins(LIMIT, quantity.name, binning)[index].result.sigma
            cells.append(f"{ours.ratio:.3f} [{ours.ratio_low:.3f}, {ours.ratio_high:.3f}]")
            if best is not None:
                theirs = evidence.bins(best, quantity.name, binning)[index].result.sigma
                cells.append(f"{theirs / limit:.3f} ({best})")
        rows.append(cells)
    return rows


def figure(singles: dict[str, NDArray], pairs: NDArray, evidence: Evidence | None) -> Figure:
    """Bound of one photon against energy, of two against distance with a run's estimators beside it."""
    picture = Figure(figsize=(10, 7), layout="constrained")
    for row, (place, name, scale) in enumerate(((0, "x (mm)", 10), (2, "E (%)", 100))):
        left, right = picture.add_subplot(2, 2, 2 * row + 1), picture.add_subplot(2, 2, 2 * row + 2)
        for style, (beam, values) in zip(("-", "--"), singles.items(), strict=False):
            left.plot(ENERGIES, scale * values[:, place], f"k{style}", label=f"bound, {beam}")
        left.set(xscale="log", yscale="log", xlabel="photon energy (GeV)", ylabel=f"$\\sigma$ of {name}")
        left.set_title("one photon, median", fontsize=9)
        _pairs(right, pairs[:, place], ("x", "y", "energy")[place], scale, evidence)
        right.set(xlabel="distance of the photons (cm)", ylabel=f"$\\sigma$ of {name}")
        for axes in (left, right):
            axes.legend(frameon=False, fontsize=8)
            axes.grid(True, which="both", color="0.92", linewidth=0.6)
    return picture


def _pairs(axes: Axes, median: NDArray, quantity: str, scale: float, evidence: Evidence | None) -> None:
    if evidence is None:
        edges = np.array(_binning("distance").edges)
        axes.plot((edges[1:] + edges[:-1]) / 2, scale * median, "k-", label="bound, median")
        axes.set_title("two photons, median", fontsize=9)
        return
    axes.set_title(f"two photons, core of {evidence.facts.events} events", fontsize=9)
    shown = [LIMIT, evidence.subject, *(name for name in evidence.estimators if name.endswith("-tuned"))]
    for name in shown:
        rows = evidence.bins(name, quantity, "distance")
        at = [(row.low + row.high) / 2 for row in rows]
        values, errors = (
            [scale * getattr(row.result, part) for row in rows] for part in ("sigma", "sigma_err")
        )
        axes.errorbar(at, values, errors, marker="o", ms=3, color="k" if name == LIMIT else None, label=name)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _report(singles: dict[str, NDArray], pairs: NDArray, events: int, evidence: Evidence | None) -> str:
    """All tables as markdown."""
    both = [
        [f"{energy:g}", *(f"{10 * row[0]:.3f} | {10 * row[1]:.3f} | {100 * row[2]:.2f}" for row in rows)]
        for energy, *rows in zip(ENERGIES, *singles.values(), strict=True)
    ]
    columns = [f"{beam}: x (mm) | y (mm) | E (%)" for beam in singles]
    head = " | ".join(["E (GeV)", *columns]).split(" | ")
    texts = [_markdown(head, [" | ".join(row).split(" | ") for row in both])]
    bins = pairwise(_binning("distance").edges)
    rows = [
        [f"{low:g}-{high:g}", f"{10 * row[0]:.3f}", f"{10 * row[1]:.3f}", f"{100 * row[2]:.2f}"]
        for (low, high), row in zip(bins, pairs, strict=True)
    ]
    texts.append(_markdown(["distance (cm)", "x (mm)", "y (mm)", "E (%)"], rows))
    reached = []
    for energy in (5.0, 20.0, 60.0, 180.0):
        for impact in IMPACTS:
            core, rms = linear_estimates(energy, impact, events)
            cells = [f"{one:.3f} / {two:.3f}" for one, two in zip(core, rms, strict=True)]
            reached.append([f"{energy:g}", f"{impact[0]:g}, {impact[1]:g}", *cells])
    texts.append(_markdown(["E (GeV)", "impact (cm)", "x: core / rms", "y", "E"], reached))
    if evidence is not None:
        for binning in ("", "distance", "energy"):
            rows = over_the_bound(evidence, binning)
            names = [[f"{evidence.subject} {q.name}", "best other"] for q in evidence.quantities]
            head = [binning or "sample", *(name for pair in names for name in pair)]
            texts.append(_markdown(head[: len(rows[0])], rows))
    return "\n\n".join(texts) + "\n"


def main(arguments: list[str]) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser("python -m projects.ecal.bound_study")
    parser.add_argument("folder", type=Path, help="where tables and figure go")
    parser.add_argument("--evidence", type=Path, help="evidence/evidence.json of a run of ecal_stage4")
    parser.add_argument(
        "--events", type=int, default=20_000, help="showers a point of the linear estimates; others as fit"
    )
    options = parser.parse_args(arguments)
    try:
        if options.events < 1000:
            raise BadInput(f"--events {options.events}; at least 1000, or widths mean nothing")
        evidence = None if options.evidence is None else _read(options.evidence)
        singles = {beam: against_energy(scene, options.events // 10) for beam, scene in BEAMS.items()}
        pairs = against_distance(options.events // 2)
        options.folder.mkdir(parents=True, exist_ok=True)
        text = _report(singles, pairs, options.events, evidence)
        (options.folder / "information_limit.md").write_text(text, encoding="utf-8")
        figure(singles, pairs, evidence).savefig(options.folder / "information_limit.png", dpi=110)
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    return 0


def _read(path: Path) -> Evidence:
    """Evidence of a run with the bound in it."""
    try:
        evidence = from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(
            f"{path} is not the evidence of a run: {error}; give its evidence/evidence.json"
        ) from None
    if LIMIT not in evidence.estimators:
        raise BadInput(
            f"{path} has no {LIMIT}, but {', '.join(evidence.estimators)}; "
            "give the evidence of a run on simulated events"
        )
    return evidence


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
