"""Coral and Lednev fits of whole samples: all events at once, in compiled code.

Travels with a registered model: `load` turns the parameter file into a prediction.
"""

from __future__ import annotations

import json
import math
import os
from collections import namedtuple
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from projects.ecal.fits.clusters import label_clusters, lattice
from projects.ecal.fits.compiled_profile import Shape
from projects.ecal.fits.coral import CORAL_LINKS_CORNERS, coral_cells, coral_showers
from projects.ecal.fits.corrections import flat_cells, front_face, true_energy
from projects.ecal.fits.lednev import LEDNEV_LINKS_CORNERS, lednev_cells, lednev_showers, position_error
from projects.ecal.fits.shower_fit import MOST, copy_photons, covariance, minimise

__all__ = ["Found", "Reconstruction", "load", "threaded"]

#: Result of a fit. `photons`: shape (events, kept, 3) of x, y (cm) and energy (GeV), NaN where there is
#: none; `errors`: the same shape; `chi2`: (events,), summed over clusters; `number`: (events,), photons
#: found, possibly more than the number kept.
Found = namedtuple("Found", "photons errors chi2 number")

#: Largest number of photons of one event, before the most energetic are selected.
_ROOM = 64


@njit(cache=True, error_model="numpy")
def _errors(photons, shape, cells, lednev, errors):
    """Fill errors of x, y (cm) and energy (GeV) from the covariance, but Lednev's own for x and y."""
    matrix = covariance(photons, shape, cells)
    for k in range(len(photons)):
        for i in range(3):
            errors[k, i] = math.sqrt(matrix[3 * k + i, 3 * k + i])
        if lednev:
            errors[k, 0] = errors[k, 1] = position_error(photons[k, 2])


@njit(cache=True, error_model="numpy")
def _fit_cluster(event, member, shape, lednev, wanted, threshold, z_target, photons, errors):
    """Fit the photons of one cluster, in cm from cell (0, 0) of the event; return their number and chi2."""
    if lednev:
        cells = lednev_cells(event, member, threshold)
        number, chi2 = lednev_showers(cells, shape, wanted, z_target, photons)
    else:
        cells = coral_cells(event, member, threshold)
        number, chi2 = coral_showers(cells, shape, wanted, photons)
    _errors(photons[:number], shape, cells, lednev, errors)
    return number, chi2


@njit(cache=True, nogil=True, error_model="numpy")
def _fit_events(first, last, offsets, x, y, energy, shape, lednev, wanted, threshold, z_target, out):
    """Reconstruct events `first` to `last` into the arrays of `out`."""
    photons, errors = np.empty((_ROOM + MOST, 3)), np.empty((_ROOM + MOST, 3))
    for n in range(first, last):
        cut = slice(offsets[n], offsets[n + 1])
        good, event = lattice(x[cut], y[cut], energy[cut], shape.pitch, threshold)
        if not good:
            continue
        count = event.ix.size
        if wanted > 0:
            # a fixed number of photons refers to the event, so all its cells form one cluster
            label, clusters = np.zeros(count, np.int64), min(count, 1)
        else:
            label, clusters = label_clusters(event, LEDNEV_LINKS_CORNERS if lednev else CORAL_LINKS_CORNERS)
        number, chi2 = 0, 0.0
        for cluster in range(clusters):
            if number >= _ROOM:
                break
            free = slice(number, number + MOST)
            showers, part = _fit_cluster(
                event,
                label == cluster,
                shape,
                lednev,
                wanted,
                threshold,
                z_target,
                photons[free],
                errors[free],
            )
            if showers > 0:
                number += showers
                chi2 += part
        out.number[n] = number
        out.chi2[n] = chi2 if number > 0 else np.nan
        for k in range(min(number, out.photons.shape[1])):
            strongest = np.argmax(photons[:number, 2])
            copy_photons(photons[strongest : strongest + 1], out.photons[n, k:])
            copy_photons(errors[strongest : strongest + 1], out.errors[n, k:])
            out.photons[n, k, 0] += event.x0
            out.photons[n, k, 1] += event.y0
            photons[strongest, 2] = -1.0


@njit(cache=True, nogil=True, error_model="numpy")
def _refine_events(first, last, offsets, x, y, energy, shape, lednev, starts, threshold, out):
    """Fit events `first` to `last` from the given starts into the arrays of `out`."""
    for n in range(first, last):
        cut = slice(offsets[n], offsets[n + 1])
        good, event = lattice(x[cut], y[cut], energy[cut], shape.pitch, threshold)
        if not good or event.ix.size == 0 or not np.isfinite(starts[n]).all():
            continue
        member = np.ones(event.ix.size, np.bool_)
        cells = lednev_cells(event, member, threshold) if lednev else coral_cells(event, member, threshold)
        photons = starts[n].copy()
        for k in range(len(photons)):
            photons[k, 0] -= event.x0
            photons[k, 1] -= event.y0
        out.chi2[n] = minimise(photons, shape, cells)
        _errors(photons, shape, cells, lednev, out.errors[n])
        for k in range(len(photons)):
            photons[k, 0] += event.x0
            photons[k, 1] += event.y0
        copy_photons(photons, out.photons[n])
        out.number[n] = len(photons)


@dataclass(frozen=True)
class Reconstruction:
    """One of the two fits with all its parameters.

    Parameters
    ----------
    rules : {"coral", "lednev"}
        Clusters, neighbours, starts and acceptance rules.
    a, b : tuple of float
        Weights and widths (cm) of the shower profile.
    pitch, z_target, radiation_length : float
        Cell pitch, distance from the target, radiation length (cm).
    threshold : float
        Threshold of the cells (GeV); cells below it are ignored.
    kept : int
        Photons reported, the most energetic first.
    wanted : int
        Number of photons assumed; 0 lets the fit decide by its rules.
    incidence : {"normal", "target"}
        Whether photons are assumed to come from the target, so that the fitted position, that of the shower
        at its depth, is scaled back to the front face, see `projects.ecal.fits.corrections.front_face`.
    response : tuple of float
        Response of the fitted energy, see `projects.ecal.fits.corrections.true_energy`; the experiments' own
        fits do not have one.
    """

    rules: str
    a: tuple[float, ...]
    b: tuple[float, ...]
    pitch: float
    z_target: float
    radiation_length: float
    threshold: float = 0.1
    kept: int = 2
    wanted: int = 0
    incidence: str = "normal"
    response: tuple[float, float, float] = (1.0, 0.0, 0.0)

    def find(self, offsets: NDArray[Any], x: NDArray[Any], y: NDArray[Any], energy: NDArray[Any]) -> Found:
        """Find and fit the photons of all events.

        Parameters
        ----------
        offsets : ndarray of int, shape (events + 1,)
            Event n has the cells from ``offsets[n]`` to ``offsets[n + 1]``.
        x, y, energy : ndarray, shape (cells,)
            Cell centres (cm) and energies (GeV).

        Returns
        -------
        Found
            As fitted, without corrections for angle and response. An event without cells above threshold, or
            with a cell that is not finite, has 0 photons.
        """
        out = _no_photons(len(offsets) - 1, self.kept)
        cells = _arrays(offsets, x, y, energy)
        threaded(
            lambda first, last: _fit_events(
                first,
                last,
                *cells,
                self.shape,
                self.rules == "lednev",
                self.wanted,
                self.threshold,
                self.z_target,
                out,
            ),
            len(offsets) - 1,
        )
        return out

    def refine(
        self,
        offsets: NDArray[Any],
        x: NDArray[Any],
        y: NDArray[Any],
        energy: NDArray[Any],
        starts: NDArray[Any],
    ) -> Found:
        """Fit all events from the given starts, all cells of an event together and without acceptance rules.

        Parameters
        ----------
        offsets, x, y, energy
            As in `find`.
        starts : ndarray, shape (events, photons, 3)
            x, y (cm) and energy (GeV); an event with a start that is not finite gets no result.

        Returns
        -------
        Found
            Photons in the order of their starts.
        """
        starts = np.ascontiguousarray(starts, dtype=np.float64)
        out = _no_photons(len(offsets) - 1, starts.shape[1])
        cells = _arrays(offsets, x, y, energy)
        threaded(
            lambda first, last: _refine_events(
                first, last, *cells, self.shape, self.rules == "lednev", starts, self.threshold, out
            ),
            len(offsets) - 1,
        )
        return out

    def columns(self, found: Found) -> dict[str, NDArray[np.float64]]:
        """Return predictions ``x1 y1 e1 ...`` at the front face, ``sx1 ...``, ``chi2`` and ``photons``.

        Energies are corrected for the response and positions for the angle. If fewer photons are found than
        requested, the last ones are NaN: a single photon found in an event with a pair comes first and counts
        as a result for one of the two.
        """
        energy = true_energy(found.photons[:, :, 2], self.response)
        scale = energy / found.photons[:, :, 2]
        front = np.ones_like(energy)
        if self.incidence == "target":
            front = front_face(energy, self.radiation_length, self.z_target)
        columns: dict[str, NDArray[np.float64]] = {}
        for k in range(self.kept):
            for i, (name, factor) in enumerate((("x", front), ("y", front), ("e", scale))):
                columns[f"{name}{k + 1}"] = found.photons[:, k, i] * factor[:, k]
                columns[f"s{name}{k + 1}"] = found.errors[:, k, i] * factor[:, k]
        return columns | {"chi2": found.chi2, "photons": found.number.astype(np.float64)}

    @property
    def shape(self) -> Shape:
        """Profile and pitch in the form that the compiled code takes."""
        return Shape(
            np.array(self.a, dtype=np.float64), np.array(self.b, dtype=np.float64), float(self.pitch)
        )


def _no_photons(events: int, kept: int) -> Found:
    """Return a result without photons in any event."""
    photons = np.full((events, kept, 3), np.nan)
    return Found(photons, photons.copy(), np.full(events, np.nan), np.zeros(events, dtype=np.int64))


def _arrays(offsets: NDArray[Any], *cells: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Convert cells to the types that the compiled code takes."""
    return (
        np.asarray(offsets, dtype=np.int64),
        *(np.ascontiguousarray(part, dtype=np.float64) for part in cells),
    )


def threaded(work: Callable[[int, int], None], events: int) -> None:
    """Run `work(first, last)` over all events on every core; reproducible, because events are independent."""
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    edges = np.linspace(0, events, 4 * threads + 1).astype(int)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, edges[:-1], edges[1:]))


def load(files: Mapping[str, str]) -> Callable[[Mapping[str, Any]], dict[str, NDArray[np.float64]]]:
    """Load the prediction of the fit whose parameters are in the JSON file ``files["parameters"]``."""
    fit = Reconstruction(**json.loads(Path(files["parameters"]).read_text()))
    return lambda columns: fit.columns(fit.find(*flat_cells(columns)))
