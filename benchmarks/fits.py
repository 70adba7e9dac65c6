"""Benchmark the batched two-photon fit against iminuit event by event: same cells, chi2 and starts, in one
run.

``python benchmarks/fits.py`` prints rates per CPU second and their ratio, the agreement of the minima, the
rates of the complete reconstructions, and the gain of the vectorisable arctangent over that of the
mathematical library.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from iminuit import Minuit
from numba import njit

from projects.ecal.detector import PITCH
from projects.ecal.fits.baselines import ProfileFit, baselines, cell_arrays, truth_array
from projects.ecal.fits.clusters import lattice
from projects.ecal.fits.compiled_profile import arctangent
from projects.ecal.fits.coral import coral_cells
from projects.ecal.fits.reconstruction import Reconstruction
from projects.ecal.fits.shower_fit import unexplained
from projects.ecal.simulation.events import Scene, simulate
from projects.ecal.simulation.profile import Profile


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Measure CPU seconds and result of `work`."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def numpy_chi2(method: Reconstruction, event: Any, fitted: Any) -> Callable[[np.ndarray], float]:
    """Build the chi2 of the photons (x, y, e, x, y, e) in plain numpy."""
    profile = Profile(method.a, method.b)
    at_x, at_y = event.x0 + fitted.ix * PITCH, event.y0 + fitted.iy * PITCH

    def chi2(point: np.ndarray) -> float:
        expected = sum(e * profile.fraction(at_x - x, at_y - y) for x, y, e in point.reshape(-1, 3))
        off = np.where(fitted.limit, np.maximum(expected - fitted.energy, 0.0), expected - fitted.energy)
        return float(np.sum(fitted.weight * off * off))

    return chi2


def compiled_chi2(method: Reconstruction, event: Any, fitted: Any) -> Callable[[np.ndarray], float]:
    """Build the same chi2 with the compiled profile of this package.

    The remaining difference to the batched fit is the cost of single events.
    """
    shape, corner = method.shape, np.array([event.x0, event.y0, 0.0])

    def chi2(point: np.ndarray) -> float:
        off = unexplained(point.reshape(-1, 3) - corner, shape, fitted)
        off[fitted.limit] = np.minimum(off[fitted.limit], 0.0)
        return float(np.sum(fitted.weight * off * off))

    return chi2


def with_iminuit(method: Reconstruction, cells: Any, starts: np.ndarray, chi2_of: Callable[..., Any]) -> Any:
    """Fit one event after the other by iminuit with its defaults: photons and chi2."""
    offsets, x, y, energy = cells
    photons, chi2 = np.empty_like(starts), np.empty(len(starts))
    for n, start in enumerate(starts):
        cut = slice(offsets[n], offsets[n + 1])
        _, event = lattice(x[cut], y[cut], energy[cut], PITCH, method.threshold)
        fitted = coral_cells(event, np.ones(len(event.ix), bool), method.threshold)
        minuit = Minuit(chi2_of(method, event, fitted), start.ravel())
        minuit.errordef = Minuit.LEAST_SQUARES
        minuit.migrad()
        photons[n], chi2[n] = np.array(minuit.values).reshape(-1, 3), minuit.fval
    return photons, chi2


@njit(error_model="numpy")
def _library(p, q, out):
    for c in range(p.size):
        out[c] = math.atan(p[c] / q[c])


@njit(error_model="numpy")
def _vectorised(p, q, out):
    for c in range(p.size):
        out[c] = arctangent(p[c], q[c])


def repeated(loop: Callable[..., None], *arrays: np.ndarray) -> None:
    """Run a loop often enough to time it."""
    for _ in range(5000):
        loop(*arrays)


def arctangents(rng: np.random.Generator) -> float:
    """Measure the speed of the fit's arctangent relative to ``math.atan`` in the same loop."""
    p, q, out = rng.normal(0, 5, 1000), rng.uniform(0.1, 5, 1000), np.empty(1000)
    spent = []
    for loop in (_library, _vectorised):
        loop(p, q, out)
        spent.append(seconds(partial(repeated, loop, p, q, out))[0])
    return spent[0] / spent[1]


def main() -> None:
    """Print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--events", type=int, default=20000, help="events of the batched fits")
    parser.add_argument("--iminuit-events", type=int, default=300, help="events fitted by iminuit")
    arguments = parser.parse_args()
    sample = simulate(Scene(), arguments.events, seed=1)
    cells, truth = cell_arrays(sample), truth_array(sample, 2)
    rng = np.random.default_rng(2)
    starts = truth + rng.normal(0, 0.5, truth.shape)
    starts[:, :, 2] = truth[:, :, 2] * rng.uniform(0.9, 1.1, truth.shape[:2])
    fits = {
        baseline.name: baseline.method
        for baseline in baselines(2, "normal")
        if isinstance(baseline, ProfileFit) and not baseline.tuned
    }
    coral = fits["coral"]
    coral.refine(cells[0][:3], *cells[1:], starts[:2])  # compiles

    batched, solution = seconds(lambda: coral.refine(*cells, starts))
    few = min(arguments.iminuit_events, arguments.events)
    rate = arguments.events / batched
    print(f"two-photon fits per CPU second: batched {rate:.0f}")
    for label, chi2_of in (("numpy", numpy_chi2), ("compiled", compiled_chi2)):
        with_iminuit(coral, cells, starts[:2], chi2_of)  # compiles
        spent, (photons, chi2) = seconds(partial(with_iminuit, coral, cells, starts[:few], chi2_of))
        gap, shift = (
            solution.chi2[:few] - chi2,
            np.abs(solution.photons[:few] - photons) / solution.errors[:few],
        )
        print(f"iminuit, chi2 in {label} code: {few / spent:.0f}, ratio {rate * spent / few:.0f}")
        print(
            f"    chi2 of the batched fit within 0.01 in {np.mean(np.abs(gap) < 0.01):.1%} of {few}, "
            f"lower in {np.mean(gap < -0.01):.1%}, higher in {np.mean(gap > 0.01):.1%}; "
            f"median distance {np.nanmedian(shift):.1e} of an error"
        )
    for name, method in fits.items():
        for label, photons_wanted in (("by its rules", 0), ("two photons given", 2)):
            fixed = replace(method, wanted=photons_wanted)
            spent, _ = seconds(partial(fixed.find, *cells))
            print(f"{name}, {label}: {arguments.events / spent:.0f} events per CPU second")
    print(f"arctangent: {arctangents(rng):.1f} times as fast as the mathematical library's")


if __name__ == "__main__":
    main()
