"""Events of mean showers, profile times energy, on a small grid: their answer is known."""

from __future__ import annotations

import awkward as ak
import numpy as np

from projects.ecal.detector import PITCH, SCHEMA
from projects.ecal.simulation.profile import Profile
from shashlik.task.sample import Sample

TOY = Profile((0.4, 0.62, -0.02), (0.16, 0.8, 9.0))


def mean_cells(truth: np.ndarray, profile: Profile = TOY, half: int = 4):
    """Columns, rows and mean energies (GeV), shape (events, cells), of photons (x, y, e) about the origin."""
    row, column = np.mgrid[-half : half + 1, -half : half + 1]
    ix, iy = column.ravel(), row.ravel()
    dx = ix * PITCH - truth[:, :, None, 0]
    dy = iy * PITCH - truth[:, :, None, 1]
    return ix, iy, (truth[:, :, None, 2] * profile.fraction(dx, dy)).sum(axis=1)


def flat(ix, iy, energy, lit):
    """Offsets and flat cells of the events, of the cells `lit` only."""
    x, y = np.broadcast_to(ix * PITCH, lit.shape), np.broadcast_to(iy * PITCH, lit.shape)
    offsets = np.concatenate([[0], np.cumsum(lit.sum(axis=1))])
    return offsets, x[lit], y[lit], energy[lit]


def pairs(rng: np.random.Generator, events: int, apart: float = 8.0) -> np.ndarray:
    """True (x, y, e) of two photons `apart` cm from each other, shape (events, 2, 3)."""
    middle = rng.uniform(-PITCH / 2, PITCH / 2, (events, 2))
    turn = rng.uniform(0, 2 * np.pi, events)
    arm = apart / 2 * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    position = np.stack([middle + arm, middle - arm], axis=1)
    return np.concatenate([position, rng.uniform(10, 100, (events, 2, 1))], axis=2)


def singles(rng: np.random.Generator, events: int) -> np.ndarray:
    """True (x, y, e) of a photon in the central cell, shape (events, 1, 3)."""
    position = rng.uniform(-PITCH / 2, PITCH / 2, (events, 1, 2))
    return np.concatenate([position, rng.uniform(10, 100, (events, 1, 1))], axis=2)


def sample(truth: np.ndarray, cells) -> Sample:
    """A sample in the calorimeter's schema."""
    offsets, x, y, energy = cells
    counts = np.diff(offsets)
    columns = {"run": np.ones(len(truth), np.int64), "event": np.arange(len(truth))}
    for name, values in (("cell_x", x), ("cell_y", y), ("cell_e", energy)):
        columns[name] = ak.unflatten(values, counts)
    for i, name in enumerate(("true_x", "true_y", "true_e")):
        columns[name] = ak.from_regular(ak.Array(truth[:, :, i]))
    for name in ("true_tx", "true_ty"):
        columns[name] = ak.zeros_like(columns["true_x"])
    return Sample(SCHEMA, columns, "toy showers")
