"""Evaluation: residuals of the proton's momentum and of MM^2, and tests for a bad model.

A model whose inputs include the electron can infer the proton's momentum from the hypothesis of a missing
pi0. It then seems better than any detector, and shifts the peak of every other meson. Therefore the sample
includes events with an eta, which are excluded from training, and the metrics report the shift of their peak.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from projects.clas12 import events
from projects.clas12.kinematics import ETA, PI0, polar
from shashlik.statistics import Binning, Quantity, Residuals, resolution
from shashlik.task.sample import Predictions, Sample

__all__ = ["BINNINGS", "QUANTITIES", "metrics", "residuals"]

#: A prediction that misses the momentum by more than this share of it is a failure.
GROSS = 0.2

#: Share of events excluded at either end from the mean shift of a peak.
TRIMMED = 0.01

QUANTITIES = (
    Quantity("p", "GeV", "$p - p_{gen}$"),
    Quantity("p_relative", "", "$p / p_{gen} - 1$"),
    Quantity("mm2", "GeV²", "$MM^2 - MM^2(p_{gen})$"),
)

BINNINGS = (
    Binning("momentum", "GeV", "$p_{gen}$", (0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.2, 1.5, 1.8, 2.3)),
    Binning("theta", "deg", r"$\theta_{gen}$", (8.0, 14.0, 18.0, 22.0, 26.0, 30.0, 33.0, 36.0, 38.0, 41.0)),
    Binning("phi", "deg", r"$\phi_{gen}$", (-180.0, -120.0, -60.0, 0.0, 60.0, 120.0, 180.0)),
    Binning("status", "", "proton forward (2000 to 4000), central (4000 to 6000)", (2000.0, 4000.0, 6000.0)),
    Binning("meson_mass", "GeV", r"meson: $\pi^0$ (below 0.3 GeV), $\eta$", (0.0, 0.3, 0.6)),
)


def residuals(sample: Sample, predictions: Predictions) -> Residuals:
    """Return residuals of the corrected momentum, in GeV and relative, and of MM^2 with a perfect proton."""
    particles = events.of(sample)
    targets = particles.targets
    p, theta, phi = polar(particles.true_proton)
    relative = np.expm1(np.asarray(predictions["dlogp"], dtype=np.float64) - targets[:, 0])
    values = {"p": p * relative, "p_relative": relative, "mm2": predictions["dmm2"] - targets[:, 1]}
    variables = {
        "momentum": p,
        "theta": np.degrees(theta),
        "phi": np.degrees(phi),
        "status": np.asarray(sample["status"], dtype=np.float64),
        "meson_mass": np.where(particles.eta, ETA, PI0),
    }
    return Residuals(
        {name: array[:, None] for name, array in values.items()},
        {name: array[:, None] for name, array in variables.items()},
        failed=np.abs(relative[:, None]) > GROSS,
    )


def metrics(sample: Sample, predictions: Mapping[str, Predictions]) -> dict[str, float]:
    """Return the metrics of every estimator.

    ``<estimator>/mse``, ``mse_dlogp`` and ``mse_dmm2`` on events with a pi0, in units of the variance of the
    targets, so that a prediction of their mean scores 1; ``bias_momentum`` and ``bias_theta``, the largest
    distance from zero of the core of dP/P in a bin; for each meson present, ``pi0/peak`` (GeV^2) and
    ``pi0/shift``, its distance from the peak with the generated momentum and the measured direction, which is
    the error of the correction itself. The shift is a trimmed mean over events, each compared with itself,
    which is twice as precise as the difference of two fitted peaks. ``_err`` denotes their errors.
    """
    particles = events.of(sample)
    targets = particles.targets
    measured = particles.corrected_mm2(np.zeros(len(targets)))
    perfect = particles.corrected_mm2(targets[:, 0])
    numbers: dict[str, float] = {}
    for name, prediction in predictions.items():
        missed = np.stack([prediction["dlogp"], prediction["dmm2"]], axis=1) - targets
        if not particles.eta.all():
            scores = np.nanmean(missed[~particles.eta] ** 2, axis=0) / targets[~particles.eta].var(axis=0)
            parts = ("mse_dlogp", "mse_dmm2", "mse")
            numbers |= {
                f"{name}/{part}": float(v) for part, v in zip(parts, (*scores, scores.mean()), strict=True)
            }
        residual = residuals(sample, prediction)
        for variable in ("momentum", "theta"):
            numbers |= _farthest(f"{name}/bias_{variable}", residual, variable)
        for meson, rows in (("pi0", ~particles.eta), ("eta", particles.eta)):
            corrected = (measured + prediction["dmm2"])[rows]
            numbers |= _peak(f"{name}/{meson}", corrected, perfect[rows])
    return numbers


def _peak(name: str, corrected: NDArray[np.floating], perfect: NDArray[np.floating]) -> dict[str, float]:
    """Return the position of the core of MM^2, and the mean shift of events from a perfect correction."""
    core = resolution(corrected)
    if not np.isfinite(core.mu):
        return {}
    shifts = (corrected - perfect)[np.isfinite(corrected)]
    low, high = np.quantile(shifts, (TRIMMED, 1.0 - TRIMMED))
    trimmed = shifts[(shifts >= low) & (shifts <= high)]
    numbers = {
        "peak": core.mu,
        "peak_err": core.mu_err,
        "shift": trimmed.mean(),
        "shift_err": trimmed.std() / np.sqrt(len(trimmed)),
    }
    return {f"{name}/{key}": float(value) for key, value in numbers.items()}


def _farthest(name: str, residual: Residuals, variable: str) -> dict[str, float]:
    """Return the core of dP/P that is farthest from zero among bins of a variable."""
    (binning,) = (candidate for candidate in BINNINGS if candidate.name == variable)
    at, values = residual.variables[variable], residual.values["p_relative"]
    cores = [resolution(values[(at >= low) & (at < high)]) for low, high in pairwise(binning.edges)]
    worst = max((core for core in cores if np.isfinite(core.mu)), key=lambda core: abs(core.mu), default=None)
    return {name: abs(worst.mu), f"{name}_err": worst.mu_err} if worst else {}
