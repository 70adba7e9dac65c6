"""Photons of the evaluation: true photons, reconstructed photons, and their residuals."""

from __future__ import annotations

from itertools import permutations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import PITCH
from shashlik.exceptions import BadInput
from shashlik.statistics import Binning, Quantity, Residuals
from shashlik.task.sample import Predictions, Sample

__all__ = [
    "BINNINGS",
    "QUANTITIES",
    "assign",
    "carried",
    "of_number",
    "predicted_photons",
    "residuals",
    "true_photons",
]

#: Results beyond these limits are failures: they describe another photon.
FAILED_DISTANCE_CM = 2.0
FAILED_ENERGY = 0.5

QUANTITIES = (
    Quantity("x", "cm", r"$x - x_{\mathrm{true}}$", wish=0.25),
    Quantity("y", "cm", r"$y - y_{\mathrm{true}}$", wish=0.25),
    Quantity("energy", "", r"$E / E_{\mathrm{true}} - 1$", wish=0.025),
)

BINNINGS = (
    Binning("energy", "GeV", "photon energy", (2, 5, 10, 20, 40, 80, 120, 160, 200), log=True),
    Binning("distance", "cm", "distance of the photons", (4, 5, 6, 8, 10, 12, 14, 16)),
    Binning("energy_ratio", "", "energy / neighbour's energy", (0.01, 0.1, 0.3, 1, 3, 10, 100), log=True),
    Binning("cell_position", "", "distance to the cell centre / pitch", (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.71)),
    Binning("angle", "mrad", "angle to the beam axis", (0, 6, 12, 18, 27)),
)


def true_photons(sample: Sample, photons: int, fewest: int | None = None) -> dict[str, NDArray[np.floating]]:
    """Return true ``x, y, e, tx, ty`` of every photon, arrays of shape (events, photons).

    Parameters
    ----------
    sample : Sample
    photons : int
        Photons of an event.
    fewest : int, optional
        If the number varies: the smallest number of photons of an event, `photons` the largest; NaN fills
        rows.

    Raises
    ------
    BadInput
        If an event has another number of photons or a photon without energy.
    """
    number = ak.to_numpy(ak.num(sample["true_e"]))
    low = photons if fewest is None else fewest
    if ((number < low) | (number > photons)).any():
        event = int(np.flatnonzero((number < low) | (number > photons))[0])
        allowed = f"{photons}" if low == photons else f"{low} to {photons}"
        raise BadInput(
            f"{sample.source}: event {event} has {number[event]} true photons; this task judges "
            f"events with {allowed}"
        )
    truth = {
        name: ak.to_numpy(ak.fill_none(ak.pad_none(sample[f"true_{name}"], photons), np.nan))
        .astype(float)
        .reshape(-1, photons)
        for name in ("x", "y", "e", "tx", "ty")
    }
    if (truth["e"] <= 0).any():
        event = int(np.flatnonzero((truth["e"] <= 0).any(axis=1))[0])
        raise BadInput(
            f"{sample.source}: event {event} has a true photon of {np.nanmin(truth['e'][event]):g} GeV; "
            "energies must be positive"
        )
    return truth


def of_number(sample: Sample, photons: int) -> Sample:
    """Select the events with that many true photons; raise `BadInput` if there are none."""
    rows = ak.to_numpy(ak.num(sample["true_e"])) == photons
    if not rows.any():
        raise BadInput(
            f"{sample.source}: none of {len(sample)} events has {photons} photons, of which the fits are "
            f"tuned; give such events, or allow fewer photons"
        )
    return sample.select(rows)


def predicted_photons(predictions: Predictions, photons: int) -> dict[str, NDArray[np.floating]]:
    """Return reconstructed ``x, y, e``, arrays of shape (events, photons) in the estimator's own order.

    NaN for photons beyond the number that the estimator reports.
    """
    nothing = np.full_like(predictions["x1"], np.nan)
    return {
        name: np.stack([predictions.get(f"{name}{index + 1}", nothing) for index in range(photons)], axis=1)
        for name in ("x", "y", "e")
    }


def assign(
    truth: dict[str, NDArray[np.floating]], predicted: dict[str, NDArray[np.floating]]
) -> NDArray[np.integer]:
    """Return the index of the reconstructed photon of each true photon, shape (events, photons).

    The assignment minimises the sum of squared distances in the plane of the calorimeter. Photons not found
    count as farther than any other, so that the reconstructed photons go to their nearest true photons. The
    same holds for absent true photons, which receive the remaining ones.
    """
    far = 1e6
    dx = truth["x"][:, :, None] - predicted["x"][:, None, :]
    dy = truth["y"][:, :, None] - predicted["y"][:, None, :]
    cost = np.where(np.isfinite(dx + dy), dx**2 + dy**2, far)
    photons = cost.shape[1]
    orders = np.array(list(permutations(range(photons))))
    totals = np.stack([sum(cost[:, i, order[i]] for i in range(photons)) for order in orders], axis=1)
    return orders[np.argmin(totals, axis=1)]


def residuals(sample: Sample, predictions: Predictions, photons: int, fewest: int | None = None) -> Residuals:
    """Compute residuals of every true photon: x and y in cm, energy relative to the true one.

    A failure is farther than 2 cm from the photon or off by more than half of its energy. If events have
    different numbers of photons (`fewest` as for `true_photons`), there are as many columns as the largest
    number of photons, and surplus reconstructed photons are not evaluated.
    """
    truth = true_photons(sample, photons, fewest)
    predicted = predicted_photons(predictions, photons)
    order = assign(truth, predicted)
    if fewest is not None:
        width = max(int(np.isfinite(truth["e"]).sum(axis=1).max(initial=1)), 1)
        truth, order = {name: array[:, :width] for name, array in truth.items()}, order[:, :width]
    matched = {name: np.take_along_axis(array, order, axis=1) for name, array in predicted.items()}
    # A photon counts as found only if all its numbers are finite.
    lost = ~np.isfinite(matched["x"] + matched["y"] + matched["e"])
    dx = np.where(lost, np.nan, matched["x"] - truth["x"])
    dy = np.where(lost, np.nan, matched["y"] - truth["y"])
    de = np.where(lost, np.nan, matched["e"] / truth["e"] - 1)
    return Residuals(
        values={"x": dx, "y": dy, "energy": de},
        variables=_variables(truth, fewest is not None),
        failed=~lost & ((np.hypot(dx, dy) > FAILED_DISTANCE_CM) | (np.abs(de) > FAILED_ENERGY)),
        real=None if fewest is None else np.isfinite(truth["e"]),
    )


def _variables(
    truth: dict[str, NDArray[np.floating]], mixed: bool = False
) -> dict[str, NDArray[np.floating]]:
    """Return true variables for the binnings, arrays of shape (events, photons).

    Distance and ratio of energies refer to the nearest other photon, infinite for a single photon.
    """
    x, y, e = truth["x"], truth["y"], truth["e"]
    offset = [(position + PITCH / 2) % PITCH - PITCH / 2 for position in (x, y)]
    variables = {
        "energy": e,
        "cell_position": np.hypot(*offset) / PITCH,
        "angle": 1e3 * np.hypot(truth["tx"], truth["ty"]),
    }
    if x.shape[1] > 1 or mixed:
        apart = np.hypot(x[:, :, None] - x[:, None], y[:, :, None] - y[:, None])
        apart = np.where(np.isnan(apart) | np.eye(x.shape[1], dtype=bool), np.inf, apart)
        nearest = np.take_along_axis(e, apart.argmin(axis=2), axis=1)
        variables["distance"] = apart.min(axis=2)
        variables["energy_ratio"] = np.where(np.isfinite(variables["distance"]), e / nearest, np.inf)
        variables["photons"] = np.repeat(np.isfinite(e).sum(axis=1, keepdims=True), x.shape[1], axis=1)
    return variables


def carried(sample: Sample, photons: int) -> dict[str, Predictions]:
    """Return results of coral's and Lednev's own fits from the file, most energetic photons first."""
    results: dict[str, Predictions] = {}
    for name in ("coral", "lednev"):
        columns = [f"{name}_{axis}" for axis in "xye"]
        if not all(column in sample for column in columns):
            continue
        order = ak.argsort(sample[f"{name}_e"], axis=1, ascending=False)
        results[f"{name}-file"] = {
            f"{axis}{index + 1}": ak.to_numpy(
                ak.fill_none(ak.pad_none(sample[f"{name}_{axis}"][order], photons, clip=True), np.nan)
            )[:, index].astype(float)
            for axis in "xye"
            for index in range(photons)
        }
    return results
