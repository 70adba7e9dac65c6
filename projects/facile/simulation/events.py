"""Hits of the tree ``Events``: charged pions in CMS's HCAL, read out in eight time slices."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from projects.facile.noise import photo_noise
from projects.facile.pulse import SLICES
from projects.facile.simulation.generator import hits, pile_up
from projects.facile.simulation.readout import digitised
from shashlik.task.sample import Column, Sample, Schema

__all__ = ["SCHEMA", "simulate"]


def _slices(name: str, meaning: str) -> Column:
    return Column(name, "fC", "float", f"{meaning}, eight time slices", jagged=True, count=SLICES)


def _result(name: str, meaning: str) -> Column:
    return Column(
        name, "GeV", "float", f"{meaning}, by CMS's own reconstruction", optional=True, role="result"
    )


SCHEMA = Schema(
    "Events",
    (
        Column("event", "", "int", "number of the hit", optional=True, role="id"),
        Column("run", "", "int", "run number", optional=True, role="id"),
        Column("PU", "", "float", "mean number of interactions in a crossing"),
        Column("depth", "", "int", "layer of the tower, 1 to 7"),
        Column("pt", "GeV", "float", "transverse momentum of the pion", role="truth"),
        Column("ieta", "", "int", "tower in pseudorapidity, 1 to 29 and negative; the barrel to 16"),
        Column("iphi", "", "int", "tower in azimuth, 1 to 72"),
        Column("gain", "GeV/fC", "float", "energy for a charge"),
        Column("inPedAvg", "fC2", "float", "square of the pedestal's width, averaged over capacitors"),
        Column("lambda", "", "float", "cross-talk of the photo-sensor, 0 in the simulation"),
        Column("darkCurrent", "uA", "float", "dark current"),
        _slices("raw", "charge, pedestal included"),
        _slices("ped", "pedestal"),
        _slices("inNoiseADC", "noise by the steps of QIE11"),
        _slices("inNoisePhoto", "noise by photo-statistics"),
        Column("genE", "GeV", "float", "energy that the pion left", role="truth"),
        _result("energy", "energy by MAHI"),
        _result("em3", "energy by Method 3"),
        _result("eraw", "energy by Method 0"),
    ),
)


def simulate(number: int, seed: int) -> Sample:
    """Simulate hits in random order.

    Parameters
    ----------
    number : int
        Number of hits.
    seed : int
        Random seed; also the run number, so that hits of different seeds have different ids.
    """
    rng = np.random.default_rng(seed)
    generated = hits(rng, number)
    read = digitised(rng, generated, pile_up(rng, generated))
    columns: dict[str, Any] = {
        "event": np.arange(number),
        "run": np.full(number, seed, dtype=np.int64),
        "PU": generated.interactions,
        "depth": generated.depth,
        "pt": generated.pt,
        "ieta": generated.ieta,
        "iphi": generated.iphi,
        "gain": generated.gain,
        "inPedAvg": read.width**2,
        "lambda": np.zeros(number),
        "darkCurrent": read.dark_current,
        "raw": _jagged(read.raw),
        "ped": _jagged(read.pedestal),
        "inNoiseADC": _jagged(read.adc_noise),
        "inNoisePhoto": _jagged(photo_noise(read.raw - read.pedestal, read.width[:, None])),
        "genE": generated.energy,
    }
    return Sample(SCHEMA, columns, f"simulated hits of pions in HCAL, seed {seed}")


def _jagged(values: NDArray[np.floating]) -> ak.Array:
    return ak.from_regular(ak.from_numpy(values))
