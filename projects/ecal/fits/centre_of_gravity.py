"""Corrected centre of gravity: the classical position estimate of a single photon.

The centre of gravity of 3x3 cells is biased towards the centre of the highest cell (the S-curve). With u its
distance from that centre in cells, the corrected position is a sum of odd powers of u whose coefficients are
linear in ln E. The module travels with a registered model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.ecal.fits.corrections import flat_cells, front_face, true_energy

__all__ = ["Gravity", "curve_terms", "load"]

_POWERS = (1, 3, 5, 7, 9)


def curve_terms(u: NDArray[np.floating], energy: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return the S-curve terms, shape (events, 10): odd powers of `u` (cells), and these times ln E (GeV)."""
    powers = u[:, None] ** np.array(_POWERS)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.concatenate([powers, powers * np.log(energy)[:, None]], axis=1)


@dataclass(frozen=True)
class Gravity:
    """The 3x3 centre of gravity with its corrections.

    Parameters
    ----------
    pitch, z_target, radiation_length : float
        Cell pitch, distance from the target, radiation length (cm).
    threshold : float
        Threshold of the cells (GeV); cells below it are ignored.
    incidence : {"normal", "target"}
        Whether the shower position is scaled back to the front face as for a photon from the target.
    curve : tuple of float
        Coefficients of `curve_terms`, corrected position in cells; the default leaves u as it is.
    response : tuple of float
        Of the 3x3 sum, see `true_energy`.
    """

    pitch: float
    z_target: float
    radiation_length: float
    threshold: float = 0.1
    incidence: str = "normal"
    curve: tuple[float, ...] = (1.0,) + 9 * (0.0,)
    response: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def moments(
        self, offsets: NDArray[Any], x: NDArray[Any], y: NDArray[Any], energy: NDArray[Any]
    ) -> dict[str, NDArray[np.float64]]:
        """Compute the moments of every event, arrays of shape (events,).

        Centre (`x`, `y`, cm) of the highest cell, centre of gravity relative to it (`u`, `v`, cells) and sum
        (`e`, GeV). NaN for events without a cell above threshold or with a cell that is not finite.

        Parameters
        ----------
        offsets : ndarray of int, shape (events + 1,)
        x, y, energy : ndarray, shape (cells,)
            Cells of event n from ``offsets[n]`` to ``offsets[n + 1]``: centres (cm), energies (GeV).
        """
        events = len(offsets) - 1
        event = np.repeat(np.arange(events), np.diff(offsets))
        finite = np.isfinite(x) & np.isfinite(y) & np.isfinite(energy)
        broken = np.bincount(event[~finite], minlength=events) > 0
        lit = finite & (energy >= self.threshold)
        event, x, y, energy = event[lit], x[lit], y[lit], energy[lit]
        rising = np.lexsort((energy, event))
        last = np.flatnonzero(np.append(np.diff(event[rising]) > 0, True)) if len(event) else np.empty(0, int)
        highest = np.full((events, 2), np.nan)
        highest[event[rising[last]]] = np.stack([x, y], axis=1)[rising[last]]
        highest[broken] = np.nan
        u, v = (x - highest[event, 0]) / self.pitch, (y - highest[event, 1]) / self.pitch
        near = (np.abs(u) < 1.5) & (np.abs(v) < 1.5)
        total = np.bincount(event[near], energy[near], events)
        with np.errstate(invalid="ignore", divide="ignore"):
            return {
                "x": highest[:, 0],
                "y": highest[:, 1],
                "u": np.bincount(event[near], energy[near] * u[near], events) / total,
                "v": np.bincount(event[near], energy[near] * v[near], events) / total,
                "e": np.where(total > 0, total, np.nan),
            }

    def columns(self, moments: Mapping[str, NDArray[np.float64]]) -> dict[str, NDArray[np.float64]]:
        """Return the predictions ``x1 y1 e1`` at the front face."""
        curve = np.array(self.curve)
        energy = true_energy(moments["e"], self.response)
        x = moments["x"] + self.pitch * (curve_terms(moments["u"], moments["e"]) @ curve)
        y = moments["y"] + self.pitch * (curve_terms(moments["v"], moments["e"]) @ curve)
        if self.incidence == "target":
            scale = front_face(energy, self.radiation_length, self.z_target)
            x, y = x * scale, y * scale
        return {"x1": x, "y1": y, "e1": energy}


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.float64]]]:
    """Load the prediction whose parameters are in the JSON file ``files["parameters"]``."""
    gravity = Gravity(**json.loads(Path(files["parameters"]).read_text()))
    return lambda columns: gravity.columns(gravity.moments(*flat_cells(columns)))
