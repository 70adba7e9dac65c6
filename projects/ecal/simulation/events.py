"""Fast simulation of photons in the shashlik calorimeter, parallel or from the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from projects.ecal.detector import (
    COLUMNS,
    PITCH,
    ROWS,
    SCHEMA,
    SHASHLIK,
    Z_TARGET,
    cell_index,
    is_shashlik,
)
from projects.ecal.simulation.deposits import deposit
from projects.ecal.simulation.profile import PROFILES
from projects.ecal.simulation.showers import draw, geant4_model, smooth
from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["Scene", "simulate"]

#: Events generated at once; part of the definition of a seed's random numbers.
CHUNK = 4096
#: Largest angle from the target in the first data set of the COMPASS study, rad.
DATASET1_ANGLE = 0.012


@dataclass(frozen=True)
class Scene:
    """Photons on the calorimeter and their read-out.

    Parameters
    ----------
    photons : int
        Photons per event.
    energy : pair of float
        Range of the uniform photon energies in GeV.
    distance : pair of float
        Range of the uniform distance of every further photon from the first in cm, in a random direction.
    incidence : {"normal", "target"}
        Parallel to the z axis or from the target.
    region : {"central", "dataset1", "shashlik"}
        Region of the photons' mean position, uniform: the cell at the origin of an endless calorimeter,
        ECAL2's shashlik part up to 0.012 rad, or all of it. In ECAL2 events are selected whose cells above
        threshold are all shashlik.
    grid : int
        Cells per side, odd, of the square around the photons that is read out.
    noise : float
        Gaussian noise of a cell in GeV.
    threshold : float
        Cells with at most this energy in GeV are dropped.
    gain_spread : float
        Relative spread of the cells' gains, random in every event.
    fluctuations : {"full", "none"}
        Showers that fluctuate like those of Geant4, or the profile ``geant4`` times the true energy.
    smearing : {"none", "coral"}
        ``coral`` replaces noise and gains with those of coral's own simulation.

    Raises
    ------
    BadInput
        If a value is not allowed.
    """

    photons: int = 2
    energy: tuple[float, float] = (2.0, 200.0)
    distance: tuple[float, float] = (4.0, 16.0)
    incidence: Literal["normal", "target"] = "normal"
    region: Literal["central", "dataset1", "shashlik"] = "central"
    grid: int = 17
    noise: float = 0.02
    threshold: float = 0.1
    gain_spread: float = 0.01
    fluctuations: Literal["full", "none"] = "full"
    smearing: Literal["none", "coral"] = "none"

    def __post_init__(self) -> None:
        allowed = {
            "incidence": ("normal", "target"),
            "region": ("central", "dataset1", "shashlik"),
            "fluctuations": ("full", "none"),
            "smearing": ("none", "coral"),
        }
        for name, values in allowed.items():
            if getattr(self, name) not in values:
                raise BadInput(f"{name} {getattr(self, name)!r}; allowed: {', '.join(values)}")
        if self.photons < 1:
            raise BadInput(f"photons {self.photons}; at least 1")
        if not 0 < self.energy[0] <= self.energy[1]:
            raise BadInput(f"energy range {self.energy} GeV; give 0 < least <= most")
        if not 0 <= self.distance[0] <= self.distance[1]:
            raise BadInput(f"distance range {self.distance} cm; give 0 <= least <= most")
        if self.grid < 1 or self.grid % 2 == 0:
            raise BadInput(f"grid {self.grid}; an odd number of cells, 1 or more")
        for name in ("noise", "threshold", "gain_spread"):
            if not getattr(self, name) >= 0:
                raise BadInput(f"{name} {getattr(self, name)}; 0 or more")


def simulate(scene: Scene, events: int, seed: int, progress: bool = False) -> Sample:
    """Simulate events.

    Parameters
    ----------
    scene : Scene
        Photons and read-out.
    events : int
        Number of events.
    seed : int
        Random seed; it is also the run number, so that events of different seeds have different identities.
        0 or more.
    progress : bool
        Whether to show a progress bar on standard error.

    Returns
    -------
    Sample
        Columns of `projects.ecal.detector.SCHEMA` without the results of other programs; the cells of an
        event run along x first.

    Raises
    ------
    BadInput
        If `events` or `seed` is negative, or no event fits into the region.
    """
    if events < 0 or seed < 0:
        raise BadInput(f"events {events}, seed {seed}; both must be 0 or more")
    chunks: list[dict[str, ak.Array | NDArray]] = []
    simulated_events = 0
    with tqdm(total=events, unit="event", desc="simulation", disable=not progress) as bar:
        while simulated_events < events or not chunks:
            rng = np.random.default_rng([seed, len(chunks)])
            size = CHUNK if scene.region != "central" else min(CHUNK, events - simulated_events)
            chunk = _chunk(scene, size, rng)
            if size and not len(chunk["true_e"]):
                raise BadInput(
                    f"none of {size} events with photons {scene.distance} cm apart fits on {scene.region} "
                    "cells; shorten the distance or use region central"
                )
            chunk = {name: array[: events - simulated_events] for name, array in chunk.items()}
            chunks.append(chunk)
            simulated_events += len(chunk["true_e"])
            bar.update(len(chunk["true_e"]))
    columns = {name: ak.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    columns["run"] = np.full(events, seed, dtype=np.int64)
    columns["event"] = np.arange(events, dtype=np.int64)
    ordered = {name: columns[name] for name in SCHEMA.names if name in columns}
    return Sample(SCHEMA, ordered, source=f"simulation, seed {seed}, {scene}")


def _chunk(scene: Scene, size: int, rng: np.random.Generator) -> dict[str, ak.Array]:
    """Simulate up to `size` events; fewer if the region rejects some."""
    x, y, energy = _photons(scene, size, rng)
    centre_x, centre_y = _grid_centre(scene, x.mean(axis=1), y.mean(axis=1))
    slope_x, slope_y = (x / Z_TARGET, y / Z_TARGET) if scene.incidence == "target" else (0 * x, 0 * y)

    cells = np.zeros((size, scene.grid, scene.grid))
    event = np.repeat(np.arange(size), scene.photons)
    flat = energy.ravel()
    if scene.fluctuations == "full":
        showers = draw(geant4_model(), flat, rng)
    else:
        showers = smooth(PROFILES["geant4"], flat)
    local_x, local_y = (x - centre_x[:, None]).ravel(), (y - centre_y[:, None]).ravel()
    slope = (slope_x.ravel(), slope_y.ravel()) if scene.incidence == "target" else None
    deposit(cells, event, local_x, local_y, showers, rng, slope)
    cells = _read_out(scene, cells, rng)

    steps = (np.arange(scene.grid) - scene.grid // 2) * PITCH
    grid_x, grid_y = centre_x[:, None] + steps, centre_y[:, None] + steps
    lit = cells > scene.threshold
    keep = np.ones(size, dtype=bool)
    if scene.region != "central":
        keep, present = _contained(x, y, grid_x, grid_y, lit)
        lit &= present
    lit &= keep[:, None, None]
    counts = lit.sum(axis=(1, 2))[keep]

    def jagged(values: NDArray) -> ak.Array:
        return ak.unflatten(values, counts)

    def truth(values: NDArray) -> ak.Array:
        return ak.unflatten(values[keep].ravel(), np.full(keep.sum(), scene.photons))

    return {
        "cell_x": jagged(np.broadcast_to(grid_x[:, None, :], cells.shape)[lit]),
        "cell_y": jagged(np.broadcast_to(grid_y[:, :, None], cells.shape)[lit]),
        "cell_e": jagged(cells[lit]),
        "cell_type": jagged(np.full(counts.sum(), SHASHLIK, dtype=np.int64)),
        "true_x": truth(x),
        "true_y": truth(y),
        "true_e": truth(energy),
        "true_tx": truth(slope_x),
        "true_ty": truth(slope_y),
    }


def _photons(scene: Scene, size: int, rng: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
    """Draw true x, y (cm) and energy (GeV) of the photons, each of shape (size, photons)."""
    shape = (size, scene.photons)
    energy = rng.uniform(*scene.energy, shape)
    distance = rng.uniform(*scene.distance, shape)
    distance[:, 0] = 0
    angle = rng.uniform(0, 2 * np.pi, shape)
    x, y = distance * np.cos(angle), distance * np.sin(angle)
    if scene.region == "central":
        half_x = half_y = PITCH / 2
    elif scene.region == "dataset1":
        half_x = half_y = DATASET1_ANGLE * Z_TARGET
    else:
        half_x, half_y = 24 * PITCH, 12 * PITCH
    x += rng.uniform(-half_x, half_x, (size, 1)) - x.mean(axis=1, keepdims=True)
    y += rng.uniform(-half_y, half_y, (size, 1)) - y.mean(axis=1, keepdims=True)
    return x, y, energy


def _grid_centre(scene: Scene, x: NDArray, y: NDArray) -> tuple[NDArray, NDArray]:
    """Return the centre of the middle cell of the grid around (x, y), cm."""
    if scene.region == "central":
        return np.zeros_like(x), np.zeros_like(y)
    ix, iy = cell_index(x, y)
    return (ix - (COLUMNS - 1) / 2) * PITCH, (iy - (ROWS - 1) / 2) * PITCH


def _contained(
    x: NDArray, y: NDArray, grid_x: NDArray, grid_y: NDArray, lit: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Select events of the required kind, shape (events,), and positions that hold a cell, shape of `lit`."""
    ix, iy = cell_index(grid_x[:, None, :], grid_y[:, :, None])
    present = is_shashlik(ix, iy)
    hole = (ix >= 34) & (ix <= 35) & (iy >= 23) & (iy <= 24)
    on_cells = is_shashlik(*cell_index(x, y)).all(axis=1)
    return np.asarray(on_cells & ~(lit & ~present & ~hole).any(axis=(1, 2))), present


def _read_out(scene: Scene, cells: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return measured energies in GeV of cells with the given deposits, same shape."""

    def normal() -> NDArray[np.float32]:
        return rng.standard_normal(cells.shape, dtype=np.float32)

    if scene.smearing == "coral":
        smeared = cells + np.where(cells > 0.1, 0.02 * cells, 0.0) * normal()
        smeared += np.where(cells > 0.005, 0.065 * np.sqrt(cells), 0.0) * normal()
        smeared += 0.01 * normal()
        return np.where(smeared > 0.01, smeared, 0.0)
    return cells * (1 + scene.gain_spread * normal()) + scene.noise * normal()
