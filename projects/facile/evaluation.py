"""Evaluation: residuals of the energy, and the response next to every resolution.

An apparent resolution can hide a missing response: a constant prediction of the mean energy has no width at
all. Therefore energies are brought to one scale, by a single factor, before their residuals are evaluated,
and the response in bins of the true energy is reported next to the resolution that is corrected for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from projects.facile.hits import positive
from projects.facile.simulation.generator import LAST_BARREL
from shashlik.statistics import Binning, Quantity, Residuals, resolution
from shashlik.task.sample import Predictions, Sample

__all__ = [
    "BINNINGS",
    "ENERGIES",
    "MOMENTA",
    "PILE_UP",
    "QUANTITIES",
    "Response",
    "carried",
    "metrics",
    "residuals",
    "response",
    "scale",
]

#: A prediction that is wrong by more than this factor is a failure.
GROSS = 3.0
#: Smallest energy in GeV of hits that define the scale, and of bins in the bias of the response.
_SCALED = 8.0
#: Fewest hits for a response.
_FEWEST = 25

QUANTITIES = (
    Quantity("stochastic", "√GeV", r"$(E/R - E_{gen})/\sqrt{E_{gen}}$"),
    Quantity("e", "GeV", "$E - E_{gen}$"),
)

ENERGIES = Binning(
    "energy",
    "GeV",
    "$E_{gen}$",
    (0.2, 2.0, 4.0, 6.0, 8.0, 11.0, 14.0, 17.0, 20.0, 25.0, 40.0, 60.0, 80.0, 100.0),
    log=True,
)
MOMENTA = Binning("pt", "GeV", "$p_T$", (1.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 60.0, 80.0, 100.0))
PILE_UP = Binning("pu", "", "pile-up", (30.0, 60.0, 80.0, 110.0))
BINNINGS = (
    ENERGIES,
    MOMENTA,
    PILE_UP,
    Binning("depth", "", "depth", (0.5, 1.5, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5)),
    Binning("ieta", "", r"$|i\eta|$, endcap from 17 on", (0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 29.5)),
)


def residuals(sample: Sample, predictions: Predictions) -> Residuals:
    """Return the scaled error in units of a calorimeter of 100 %, and the unscaled error.

    The resolution of hits of 0.2 and of 100 GeV differs by a factor of twenty. Times the root of the energy
    it is nearly constant, so that no energies dominate: the stochastic term.
    """
    true = positive(sample, "genE")
    energy = np.asarray(predictions["energy"], dtype=np.float64)
    on_scale = energy / scale(true, energy)
    values = {"stochastic": (on_scale - true) / np.sqrt(true), "e": energy - true}
    with np.errstate(divide="ignore"):
        wrong = np.abs(np.log(np.maximum(energy, 0.0) / true)) > np.log(GROSS)
    return Residuals(
        {name: array[:, None] for name, array in values.items()},
        {name: array[:, None] for name, array in _variables(sample).items()},
        failed=wrong[:, None],
    )


def carried(sample: Sample) -> dict[str, Predictions]:
    """Return energies from the file, by CMS's own reconstruction."""
    names = {"cms-mahi": "energy", "cms-m3": "em3", "cms-m0": "eraw"}
    return {name: {"energy": sample[column]} for name, column in names.items() if column in sample}


def scale(true: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """Return the median response of hits from `_SCALED` GeV on (below, pile-up dominates); 1 without any."""
    rows = (true >= _SCALED) & np.isfinite(found)
    middle = float(np.median(found[rows] / true[rows])) if np.count_nonzero(rows) >= _FEWEST else 1.0
    return middle if middle > 0.0 else 1.0


@dataclass(frozen=True)
class Response:
    """Response of some hits and the resolution corrected for it.

    Parameters
    ----------
    mean, mean_err, median, median_err : float
        Ratio of predicted and true energy.
    corrected, corrected_err : float
        Half the interval that contains the central 68.3 % of the ratios, over their median. It is meaningless
        for a constant prediction: compare the medians of several bins.
    """

    mean: float = np.nan
    mean_err: float = np.nan
    median: float = np.nan
    median_err: float = np.nan
    corrected: float = np.nan
    corrected_err: float = np.nan


def response(ratios: NDArray[np.floating]) -> Response:
    """Compute the response from the finite ratios; NaN for too few, or for a median that is not positive."""
    ratios = ratios[np.isfinite(ratios)]
    number = len(ratios)
    middle = float(np.median(ratios)) if number >= _FEWEST else 0.0
    if middle <= 0.0:
        return Response()
    width = resolution(ratios)
    return Response(
        mean=float(ratios.mean()),
        mean_err=float(ratios.std() / np.sqrt(number)),
        median=middle,
        # The median of a Gaussian of the central width.
        median_err=float(np.sqrt(0.5 * np.pi / number) * width.q68),
        corrected=width.q68 / middle,
        corrected_err=width.q68_err / middle,
    )


def metrics(sample: Sample, predictions: Mapping[str, Predictions]) -> dict[str, float]:
    """Return the metrics of every estimator, with ``_err`` their errors.

    For every bin of the true energy and class of pile-up, as in ``energy_8_11`` and ``pu_30_60``:
    ``<estimator>/<bin>/median`` and ``mean``, the response, and ``corrected``, the resolution. The same for
    hits of 10 to 30 GeV in barrel and endcap in every class of pile-up, ``barrel_10_30_pu_30_60``. And
    ``<estimator>/bias_energy``, the largest distance of the median from 1 in a bin from 8 GeV on.
    """
    true, numbers = np.asarray(sample["genE"], dtype=np.float64), dict[str, float]()
    for name, prediction in predictions.items():
        ratios = np.asarray(prediction["energy"], dtype=np.float64) / true
        worst = Response(median=1.0, median_err=0.0)
        for where, rows in _places(sample):
            bin_response = response(ratios[rows])
            for statistic in ("median", "mean", "corrected"):
                for suffix in ("", "_err"):
                    numbers[f"{name}/{where}/{statistic}{suffix}"] = getattr(bin_response, statistic + suffix)
            high = where.startswith("energy") and true[rows].min(initial=np.inf) >= _SCALED
            if high and abs(bin_response.median - 1.0) > abs(worst.median - 1.0):
                worst = bin_response
        numbers[f"{name}/bias_energy"] = abs(worst.median - 1.0)
        numbers[f"{name}/bias_energy_err"] = worst.median_err
    return {name: value for name, value in numbers.items() if np.isfinite(value)}


def _variables(sample: Sample) -> dict[str, NDArray[np.floating]]:
    columns = {"energy": "genE", "pt": "pt", "pu": "PU", "depth": "depth", "ieta": "ieta"}
    return {name: np.abs(np.asarray(sample[column], np.float64)) for name, column in columns.items()}


def _places(sample: Sample) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield name and hits of every bin that has its own response."""
    at = _variables(sample)
    classes = list(_bins(PILE_UP, at["pu"]))
    yield from _bins(ENERGIES, at["energy"])
    yield from classes
    middle, barrel = (at["energy"] >= 10.0) & (at["energy"] < 30.0), at["ieta"] <= LAST_BARREL
    for part, rows in (("barrel", barrel), ("endcap", ~barrel)):
        for name, in_class in classes:
            yield f"{part}_10_30_{name}", rows & middle & in_class


def _bins(binning: Binning, values: NDArray[np.floating]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    for low, high in pairwise(binning.edges):
        yield f"{binning.name}_{low:g}_{high:g}", (values >= low) & (values < high)
