"""Derivation of the shower table from a library of Geant4 showers.

``python -m projects.ecal.geant4.calibration <library.npz> <table.json> [<reference.json>]``

The library contains for each shower the visible energy in fine pixels around the impact (``maps_MeV``), the
true energy and the energy deposited in scintillator and lead. A first fit to every second shower is evaluated
on the others, which tests for overfitting; the table is then derived from all showers.

Energy: energy deposited in neither scintillator nor lead has leaked; its quantiles give the leakage, the rest
gives response and sampling. Shape: the pixels are summed in ten rings around the impact. A ring's energy and
its first two Fourier components in azimuth have means and covariances. The parameters of the simulated
showers are fitted to them with the same pixels, energies and random numbers in every step, so that the chi
square is a smooth function of the parameters.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from threadpoolctl import threadpool_limits

from projects.ecal.geant4.lateral import moments
from projects.ecal.geant4.library import Library
from projects.ecal.geant4.rings import RingMoments
from projects.ecal.simulation.deposits import deposit
from projects.ecal.simulation.showers import ShowerModel, draw
from shashlik.exceptions import BadInput

__all__ = ["BANDS", "calibrate", "chi_square", "main", "reference"]

#: Energy bands in GeV for the comparison of simulation and Geant4, by name.
BANDS = {"2": (2.0, 3.0), "10": (8.0, 12.5), "40": (32.0, 50.0), "140": (110.0, 180.0)}
#: Placements of a shower for the reference moments; more would repeat the same fluctuations.
PLACEMENTS = 40
#: Fitted parameters: start value and scale. `tail` is the negative far term.
PARAMETERS = {
    "core": (0.3192, 0.05),
    "body": (0.6166, 0.1),
    "tail": (-0.0757, 0.02),
    "core slope": (-0.0011, 0.01),
    "body slope": (0.0076, 0.01),
    "tail slope": (-0.0059, 0.005),
    "ln core width": (-2.1590, 0.2),
    "ln body width": (-0.5329, 0.2),
    "ln halo width": (0.3523, 0.2),
    "ln tail width": (3.3054, 0.2),
    "core width slope": (0.0088, 0.05),
    "body width slope": (0.0051, 0.05),
    "halo width slope": (0.0014, 0.05),
    "spot": (0.0070, 0.001),
    "core along": (0.0821, 0.05),
    "body along core": (0.1559, 0.05),
    "body along": (0.1660, 0.05),
    "halo along core": (0.3463, 0.1),
    "halo along body": (0.8324, 0.1),
    "halo along": (1.1614, 0.1),
    "core split": (0.0615, 0.05),
    "body split": (0.2817, 0.05),
    "halo split": (1.5703, 0.1),
    "core leakage": (0.0746, 0.1),
    "body leakage": (0.1796, 0.1),
}


def _energy_scale(library: Library, model: ShowerModel) -> ShowerModel:
    """Set leakage, response and sampling of `model` to those of `library`."""
    energy = library.energy
    log = np.log(energy / 10.0)
    leak = 1 - (library.visible + library.lead) / energy
    levels = np.array([0.15, 0.3, 0.45, 0.6, 0.75, 0.85, 0.92, 0.97])
    borders = np.linspace(log.min(), log.max() + 1e-9, 9)
    bins = [(log >= low) & (log < high) for low, high in pairwise(borders)]
    quantiles = np.array([np.quantile(leak[bin_], levels) for bin_ in bins])
    centres = np.array([log[bin_].mean() for bin_ in bins])[:, None]
    rng = np.random.default_rng(0)
    late, normal = rng.standard_exponential(50_000) - 1, rng.standard_normal(50_000)

    def deviation(values: NDArray[np.float64]) -> NDArray[np.float64]:
        constant, exponent, growth, spread = values
        expected = np.exp(
            constant + exponent * centres + np.quantile(growth * late + spread * normal, levels)
        )
        # Leakage matters only if it is not small against the sampling fluctuation, about 5 %/sqrt(E).
        return ((expected - quantiles) * np.sqrt(10 * np.exp(centres))).ravel()

    constant, exponent, growth, spread = least_squares(
        deviation, [-4.5, 0.33, 0.4, 0.2], diff_step=0.01, bounds=([-9, 0, 0, 0], [0, 2, 1, 1])
    ).x
    # Leaked energy would have a slightly smaller response than the rest: it is the late, soft part.
    ratio, weight = library.seen / energy, np.sqrt(energy)
    terms = np.stack([np.ones_like(log), log, -leak], axis=1)
    response = np.linalg.lstsq(terms * weight[:, None], ratio * weight, rcond=None)[0]
    sampling = (ratio - terms @ response) / response[0] * weight
    return replace(
        model,
        response=tuple(map(float, response[:2])),
        stochastic=float(sampling.std()),
        leakage_10gev=float(np.exp(constant) * response[2] / response[0]),
        leakage_exponent=float(exponent),
        leakage_growth=float(growth),
        leakage_spread=float(spread),
    )


def _model(start: ShowerModel, values: NDArray[np.float64]) -> ShowerModel:
    """Set the shape parameters of `start` to `values`, in the order of `PARAMETERS`."""
    p = dict(zip(PARAMETERS, map(float, values), strict=True))
    weights = (p["core"], p["body"], 1 - p["core"] - p["body"] - p["tail"], p["tail"])
    slopes = (p["core slope"], p["body slope"])
    return replace(
        start,
        weights=weights,
        weights_slope=(*slopes, -sum(slopes) - p["tail slope"], p["tail slope"]),
        widths_cm=tuple(float(np.exp(p[f"ln {term} width"])) for term in ("core", "body", "halo", "tail")),
        widths_slope=(p["core width slope"], p["body width slope"], p["halo width slope"], 0.0),
        leakage_shares=(p["core leakage"], p["body leakage"], 1 - p["core leakage"] - p["body leakage"], 0.0),
        spot_gev=p["spot"],
        displacement=(
            (p["core along"], 0.0, 0.0, 0.0),
            (p["body along core"], p["body along"], 0.0, 0.0),
            (p["halo along core"], p["halo along body"], p["halo along"], 0.0),
            (0.0, 0.0, 0.0, 0.0),
        ),
        split=(p["core split"], p["body split"], p["halo split"], 0.0),
    )


class _Comparison:
    """Deviation of simulated ring moments from a library's, in standard errors."""

    def __init__(self, library: Library) -> None:
        self.energy = library.energy
        self.measure = RingMoments(library.pixel)
        self.target, self.error = self.measure(self.measure.images(library), self.energy)

    def __call__(self, model: ShowerModel) -> NDArray[np.float64]:
        """Compute deviations of `model`, shape (moments,), with the same random numbers in every call."""
        rng = np.random.default_rng(1)
        side = len(self.measure.edges) - 1
        images, at_origin = np.zeros((len(self.energy), side, side)), np.zeros(len(self.energy))
        showers = draw(model, self.energy, rng)
        deposit(images, np.arange(len(images)), at_origin, at_origin, showers, rng, edges=self.measure.edges)
        # Equal numbers of simulated and real showers give both the same statistical error.
        return (self.measure(images, self.energy)[0] - self.target) / self.error / np.sqrt(2)


def chi_square(model: ShowerModel, library: Library) -> float:
    """Return the chi square per ring moment of `model` on a library's showers."""
    return float((_Comparison(library)(model) ** 2).mean())


def calibrate(library: Library, source: str, steps: int = 12) -> ShowerModel:
    """Fit the shower model to a library.

    Parameters
    ----------
    library : Library
        Showers for the fit.
    source : str
        Description of the showers, for the table.
    steps : int
        Iterations of the shape fit.
    """
    start, scale = np.array(list(PARAMETERS.values())).T
    blank = ShowerModel(source, (), (), (), (), (), 0.0, 0.0, 0.0, 0.0, 0.0, (), 0.0, (), ())
    base = _energy_scale(library, blank)
    compare = _Comparison(library)

    def model(values: NDArray[np.float64]) -> ShowerModel:
        return _model(base, start + scale * (values - 1))

    # Values start at 1 because the derivative's step is relative; 0.05 is far above the noise of cells that
    # cross zero. soft_l1 keeps moments that no sum of Lednev terms describes from dominating the fit.
    # Threads of a linear algebra library wait for each other, by spinning, on matrices as small as these.
    with threadpool_limits(limits=1, user_api="blas"):
        fit = least_squares(
            lambda values: compare(model(values)),
            np.ones(len(start)),
            diff_step=0.05,
            max_nfev=steps,
            loss="soft_l1",
            f_scale=2.0,
        )
    return model(fit.x)


def reference(library: Library, source: str) -> dict[str, object]:
    """Compute moments of `projects.ecal.geant4.lateral.moments` in `BANDS`, for tests of the simulation."""
    rng = np.random.default_rng(2)
    placed = [library.cells(rng) for _ in range(PLACEMENTS)]
    cells, x, y = (np.concatenate(part) for part in zip(*placed, strict=True))
    energy, visible = np.tile(library.energy, PLACEMENTS), np.tile(library.seen, PLACEMENTS)
    bands = {}
    for name, (low, high) in BANDS.items():
        band = (energy >= low) & (energy < high)
        values = moments(cells[band], x[band], y[band], energy[band], visible[band])
        bands[name] = {"range_gev": [low, high], "showers": int(band.sum()) // PLACEMENTS} | values
    return {"source": source, "bands": bands}


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code."""
    if len(arguments) not in (2, 3):
        print(
            "usage: python -m projects.ecal.geant4.calibration library.npz table.json [reference.json]",
            file=sys.stderr,
        )
        return 2
    try:
        library = Library.read(Path(arguments[0]))
        source = (
            "Geant4 11.4.0, 155 x (0.8 mm Pb + 1.55 mm polystyrene), photons 2-200 GeV at normal incidence; "
            f"{len(library.energy)} showers"
        )
        even, odd = library.select(slice(0, None, 2)), library.select(slice(1, None, 2))
        half = calibrate(even, source)
        print(f"fitted to the even showers: chi square per moment {chi_square(half, even):.2f},", end=" ")
        print(f"on the odd ones {chi_square(half, odd):.2f}")
        model = calibrate(library, source)
        model.write(Path(arguments[1]))
        print(f"{arguments[1]}: chi square per moment {chi_square(model, library):.2f}")
        if len(arguments) == 3:
            content = reference(library, source)
            Path(arguments[2]).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
            print(f"{arguments[2]}: moments at {', '.join(BANDS)} GeV")
    except BadInput as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
