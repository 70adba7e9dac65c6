"""Information in the cells about photons, compared with the resolution of a run's estimators.

``python -m projects.ecal.limit.bound_study <folder> [--run <evidence>]``

Writes tables and a figure: the bound of one photon against its energy and of two against their distance; the
resolution of the best linear estimate started at the truth of simulated showers; and, from a run of
`ecal_stage4`, the residuals of its estimators over the bound of each event.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from projects.ecal.evaluation.photons import true_photons
from projects.ecal.limit.bound import bound, covariances, moments_of
from projects.ecal.limit.bound_pulls import Finished, binning, pull_tables, pulls
from projects.ecal.simulation.deposits import deposit
from projects.ecal.simulation.events import Scene, simulate
from projects.ecal.simulation.showers import draw, geant4_model
from shashlik.exceptions import BadInput
from shashlik.figures import points, styles
from shashlik.statistics import resolution

__all__ = ["against_distance", "against_energy", "figure", "linear_estimates", "main"]

ENERGIES = (2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 140.0, 200.0)
#: Photon impacts for the test of the linear estimate: middle, edge and corner of a cell, cm.
IMPACTS = ((0.2, -0.4), (1.6, 0.3), (1.85, 1.7))
BEAMS = {
    "parallel": Scene(photons=1),
    "from the target": Scene(photons=1, incidence="target", region="shashlik"),
}


def against_energy(scene: Scene, photons: int, energies: Sequence[float] = ENERGIES) -> NDArray:
    """Compute the median bound of x, y (cm) and relative energy over random photons, shape (energies, 3)."""
    truth = true_photons(simulate(scene, photons, seed=1), 1)
    medians = []
    for energy in energies:
        covariance = covariances(scene, truth | {"e": np.full_like(truth["e"], energy)})
        medians.append(np.median(np.sqrt(np.diagonal(covariance, axis1=1, axis2=2)), axis=0))
    return np.array(medians)


def against_distance(pairs: int) -> NDArray:
    """Compute the median bound of x, y (cm) and relative energy in bins of distance, shape (bins, 3)."""
    sample = simulate(Scene(), pairs, seed=1)
    truth, limit = true_photons(sample, 2), bound(Scene(), sample)
    apart = np.hypot(np.diff(truth["x"])[:, 0], np.diff(truth["y"])[:, 0])
    sigma = np.stack([np.stack([limit[f"s{name}{i}"] for i in (1, 2)], axis=1) for name in "xye"], axis=2)
    sigma[:, :, 2] /= truth["e"]
    edges = binning("distance").edges
    by_bin = [sigma[(apart >= low) & (apart < high)].reshape(-1, 3) for low, high in pairwise(edges)]
    return np.array([np.median(part, axis=0) for part in by_bin])


def linear_estimates(
    energy: float, impact: tuple[float, float], events: int, angle: float = 0.0
) -> tuple[NDArray, NDArray]:
    """Return core and rms of linear estimates from the truth over the expected sigma of x, y, energy.

    Showers of one energy (GeV), impact (cm from the centre of a cell) and slope dx/dz are simulated and read
    out without a threshold. Cells with more than 0.15 GeV enter the linear combination that is best for the
    given mean and covariance, which yields the first term of the information. An rms of 1 confirms mean and
    covariance; a core below 1 shows that showers are not Gaussian.
    """
    scene = Scene(photons=1, threshold=0.0, grid=9, incidence="target")
    truth = {"x": impact[0], "y": impact[1], "e": energy, "tx": angle, "ty": 0.0}
    cell_index, mean, slope, covariance, _ = moments_of(
        scene, {name: np.full((1, 1), value) for name, value in truth.items()}
    )
    rng = np.random.default_rng(1)
    cells = np.zeros((events, 9, 9))
    x, y = (np.full(events, value) for value in impact)
    showers = draw(geant4_model(), np.full(events, energy), rng)
    deposit(cells, np.arange(events), x, y, showers, rng, (np.full(events, angle), np.zeros(events)))
    cells *= 1 + scene.gain_spread * rng.standard_normal(cells.shape)
    cells += scene.noise * rng.standard_normal(cells.shape)
    selected = mean > 0.15
    slope, weight = slope[:, selected], np.linalg.inv(covariance[np.ix_(selected, selected)])
    inverse = np.linalg.inv(slope @ weight @ slope.T)
    estimate = (cells.reshape(events, -1)[:, cell_index[selected]] - mean[selected]) @ (
        inverse @ slope @ weight
    ).T
    sigma = np.sqrt(np.diag(inverse))
    return np.array([resolution(part).sigma for part in estimate.T]) / sigma, estimate.std(axis=0) / sigma


def figure(singles: dict[str, NDArray], pairs: NDArray, run: Finished | None) -> Figure:
    """Draw the bound against energy and against distance, and a run's estimators relative to it."""
    columns = 2 if run is None else 3
    picture = Figure(figsize=(4.6 * columns, 7), layout="constrained")
    grid = picture.subplots(2, columns)
    apart = np.array(binning("distance").edges)
    centre = (apart[1:] + apart[:-1]) / 2
    for row, (index, name, scale) in zip(grid, ((0, "x (mm)", 10), (2, "E (%)", 100)), strict=True):
        for style, (beam, values) in zip(("-", "--"), singles.items(), strict=False):
            row[0].plot(ENERGIES, scale * values[:, index], f"k{style}", label=f"bound, {beam}")
        row[0].set(xscale="log", yscale="log", xlabel="photon energy (GeV)")
        row[0].set_title("one photon: median bound", fontsize=10)
        for axis in (row[0].xaxis, row[0].yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter("")
        row[0].set_yticks([value for value in (0.3, 0.5, 1, 2, 3, 5) if index == 0 or value >= 1])
        row[1].plot(centre, scale * pairs[:, index], "k-", label="bound")
        row[1].set_title("two photons of 2 to 200 GeV: median bound", fontsize=10)
        for axes in row[:2]:
            axes.set_ylabel(f"$\\sigma$ of {name}")
        if run is not None:
            _relative(row[2], run, ("x", "y") if index == 0 else ("energy",))
        for axes in row[1:]:
            axes.set_xlabel("distance of the photons (cm)")
        for axes in row:
            axes.legend(frameon=False, fontsize=8)
            axes.grid(True, which="both", color="0.92", linewidth=0.6)
    return picture


def _relative(axes: Axes, run: Finished, quantities: tuple[str, ...]) -> None:
    """Draw the core of the pulls against the distance."""
    look = styles(run.evidence.estimators, run.evidence.subject)
    distance_binning = binning("distance")
    axes.axhline(1, color="k")
    for name in run.shown:
        estimator_pulls = pulls(run, name)
        apart = estimator_pulls.variables["distance"]
        bins = [(apart >= low) & (apart < high) for low, high in pairwise(distance_binning.edges)]
        widths = [estimator_pulls.width(quantities, rows) for rows in bins]
        values, errors = (np.array([getattr(w, part) for w in widths]) for part in ("sigma", "sigma_err"))
        points(axes, distance_binning, values, errors, look[name], name)
    quantity = "position" if "x" in quantities else "energy"
    axes.set_title(f"core of the residuals of {quantity} over the bound", fontsize=10)


def _markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _report(singles: dict[str, NDArray], pairs: NDArray, events: int, run: Finished | None) -> str:
    """Format all tables as markdown."""
    single_rows = [
        [f"{energy:g}", *(f"{10 * row[0]:.3f} | {10 * row[1]:.3f} | {100 * row[2]:.2f}" for row in rows)]
        for energy, *rows in zip(ENERGIES, *singles.values(), strict=True)
    ]
    columns = [f"{beam}: x (mm) | y (mm) | E (%)" for beam in singles]
    head = " | ".join(["E (GeV)", *columns]).split(" | ")
    texts = [_markdown(head, [" | ".join(row).split(" | ") for row in single_rows])]
    bins = pairwise(binning("distance").edges)
    rows = [
        [f"{low:g}-{high:g}", f"{10 * row[0]:.3f}", f"{10 * row[1]:.3f}", f"{100 * row[2]:.2f}"]
        for (low, high), row in zip(bins, pairs, strict=True)
    ]
    texts.append(_markdown(["distance (cm)", "x (mm)", "y (mm)", "E (%)"], rows))
    reached = []
    for angle, energy, impact in product((0.0, 0.02), (5.0, 20.0, 60.0, 180.0), IMPACTS):
        # Threads of a linear algebra library wait for each other on matrices as small as these.
        with threadpool_limits(1):
            core, rms = linear_estimates(energy, impact, events, angle)
        cells = [
            f"{core_value:.3f} / {rms_value:.3f}" for core_value, rms_value in zip(core, rms, strict=True)
        ]
        reached.append([f"{1e3 * angle:g}", f"{energy:g}", f"{impact[0]:g}, {impact[1]:g}", *cells])
    texts.append(_markdown(["angle (mrad)", "E (GeV)", "impact (cm)", "x: core / rms", "y", "E"], reached))
    if run is not None:
        texts += [_markdown(*table) for table in pull_tables(run)]
    return "\n\n".join(texts) + "\n"


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("python -m projects.ecal.limit.bound_study")
    parser.add_argument("folder", type=Path, help="where tables and figure go")
    parser.add_argument(
        "--run", type=Path, help="folder with the artifacts evidence/ of a run of ecal_stage4"
    )
    parser.add_argument(
        "--events", type=int, default=20_000, help="showers a point of the linear estimates; others as fit"
    )
    options = parser.parse_args(arguments)
    try:
        if options.events < 1000:
            raise BadInput(f"--events {options.events}; at least 1000, or widths mean nothing")
        finished = None if options.run is None else Finished.read(options.run)
        singles = {beam: against_energy(scene, options.events // 10) for beam, scene in BEAMS.items()}
        pairs = against_distance(options.events // 2)
        options.folder.mkdir(parents=True, exist_ok=True)
        text = _report(singles, pairs, options.events, finished)
        (options.folder / "information_limit.md").write_text(text, encoding="utf-8")
        figure(singles, pairs, finished).savefig(options.folder / "information_limit.png", dpi=110)
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
