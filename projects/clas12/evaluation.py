"""What is judged: residuals of the proton's momentum and of MM^2, and the numbers that show a bad model.

A model that knows the electron can guess the proton's momentum from the hypothesis that a pi0 is missing. It
then looks better than any detector, and moves the peak of every other meson. So the sample holds events of
an eta that nothing was trained on, and says where their peak went.
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

#: An answer that misses the momentum by more than this share of it has failed.
GROSS = 0.2

#: Share of events left out at either end where the shift of a peak is a mean.
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
    """Corrected less generated momentum in GeV and relative, and MM^2 less that with a perfect proton."""
    known = events.of(sample)
    targets = known.targets
    p, theta, phi = polar(known.true_proton)
    relative = np.expm1(np.asarray(predictions["dlogp"], dtype=np.float64) - targets[:, 0])
    values = {"p": p * relative, "p_relative": relative, "mm2": predictions["dmm2"] - targets[:, 1]}
    variables = {
        "momentum": p,
        "theta": np.degrees(theta),
        "phi": np.degrees(phi),
        "status": np.asarray(sample["status"], dtype=np.float64),
        "meson_mass": np.where(known.eta, ETA, PI0),
    }
    return Residuals(
        {name: array[:, None] for name, array in values.items()},
        {name: array[:, None] for name, array in variables.items()},
        failed=np.abs(relative[:, None]) > GROSS,
    )


def metrics(sample: Sample, predictions: Mapping[str, Predictions]) -> dict[str, float]:
    """Numbers of every estimator.

    ``<estimator>/mse``, ``mse_dlogp`` and ``mse_dmm2`` on events of a pi0, in units of the variance of the
    targets, so that their mean scores 1; ``bias_momentum`` and ``bias_theta``, the largest distance from
    zero of the core of dP/P in a bin; for each meson there is, ``pi0/peak`` (GeV^2) and ``pi0/shift``, how
    far that is from the peak that the generated momentum makes, the direction being as measured: what a
    correction can be blamed for. It is a trimmed mean over events, each against itself, which is twice
    as precise as the difference of two fitted peaks. With ``_err`` their errors.
    """
    known = events.of(sample)
    targets = known.targets
    measured = known.corrected_mm2(np.zeros(len(targets)))
    perfect = known.corrected_mm2(targets[:, 0])
    found: dict[str, float] = {}
    for name, answers in predictions.items():
        missed = np.stack([answers["dlogp"], answers["dmm2"]], axis=1) - targets
        if not known.eta.all():
            scores = np.nanmean(missed[~known.eta] ** 2, axis=0) / targets[~known.eta].var(axis=0)
            parts = ("mse_dlogp", "mse_dmm2", "mse")
            found |= {
                f"{name}/{part}": float(v) for part, v in zip(parts, (*scores, scores.mean()), strict=True)
            }
        judged = residuals(sample, answers)
        for variable in ("momentum", "theta"):
            found |= _farthest(f"{name}/bias_{variable}", judged, variable)
        for meson, rows in (("pi0", ~known.eta), ("eta", known.eta)):
            corrected = (measured + answers["dmm2"])[rows]
            found |= _peak(f"{name}/{meson}", corrected, perfect[rows])
    return found


def _peak(name: str, corrected: NDArray[np.floating], perfect: NDArray[np.floating]) -> dict[str, float]:
    """Where the core of MM^2 lies, and how far events moved from where a perfect correction has them."""
    core = resolution(corrected)
    if not np.isfinite(core.mu):
        return {}
    moved = (corrected - perfect)[np.isfinite(corrected)]
    low, high = np.quantile(moved, (TRIMMED, 1.0 - TRIMMED))
    kept = moved[(moved >= low) & (moved <= high)]
    numbers = {
        "peak": core.mu,
        "peak_err": core.mu_err,
        "shift": kept.mean(),
        "shift_err": kept.std() / np.sqrt(len(kept)),
    }
    return {f"{name}/{key}": float(value) for key, value in numbers.items()}


def _farthest(name: str, judged: Residuals, variable: str) -> dict[str, float]:
    """The core of dP/P, among bins of a variable, that lies farthest from zero."""
    (binning,) = (one for one in BINNINGS if one.name == variable)
    at, values = judged.variables[variable], judged.values["p_relative"]
    cores = [resolution(values[(at >= low) & (at < high)]) for low, high in pairwise(binning.edges)]
    worst = max((core for core in cores if np.isfinite(core.mu)), key=lambda core: abs(core.mu), default=None)
    return {name: abs(worst.mu), f"{name}_err": worst.mu_err} if worst else {}
