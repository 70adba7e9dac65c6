"""Conversion of an experiment's events, leptons and jets, to the columns of the search.

The original study derived its columns in this way from ntuples of CMS. A layout gives the names of the
required branches in a file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from projects.pnn.schema import SCHEMA
from projects.pnn.simulation.candidates import FEWEST_JETS, candidates
from projects.pnn.simulation.detector import ETA, JET_PT, LEPTON_PT, RADIUS, Jets, Leptons
from projects.pnn.simulation.kinematics import angles, distance, from_angles
from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["BACON", "NANOAOD", "Layout", "convert"]


@dataclass(frozen=True)
class Layout:
    """Names of branches.

    Parameters
    ----------
    run, event : str
    electrons, muons : mapping of str to str
        Branches of ``pt``, ``eta``, ``phi`` and ``charge``.
    jets : mapping of str to str
        Branches of ``pt``, ``eta``, ``phi``, ``mass`` and ``tag``.
    tagged : float
        Discriminant above which a jet counts as a b jet.
    """

    run: str
    event: str
    electrons: Mapping[str, str]
    muons: Mapping[str, str]
    jets: Mapping[str, str]
    tagged: float


def _names(prefix: str, **fields: str) -> dict[str, str]:
    return {name: f"{prefix}{field}" for name, field in fields.items()}


#: CMS NanoAOD, with the medium working point of DeepJet in 2018.
NANOAOD = Layout(
    "run",
    "event",
    _names("Electron_", pt="pt", eta="eta", phi="phi", charge="charge"),
    _names("Muon_", pt="pt", eta="eta", phi="phi", charge="charge"),
    _names("Jet_", pt="pt", eta="eta", phi="phi", mass="mass", tag="btagDeepFlavB"),
    0.2783,
)
#: Bacon ntuples, the source of the original study's; medium working point of CSVv2 in 2016.
BACON = Layout(
    "Info/runNum",
    "Info/evtNum",
    _names("Electron/Electron.", pt="pt", eta="eta", phi="phi", charge="q"),
    _names("Muon/Muon.", pt="pt", eta="eta", phi="phi", charge="q"),
    _names("AK4CHS/AK4CHS.", pt="pt", eta="eta", phi="phi", mass="mass", tag="csv"),
    0.8484,
)


def convert(file: str, layout: Layout, truth: Mapping[str, float] | None = None) -> Sample:
    """Convert events of a ROOT file with a pair of leptons and three jets to the columns of the search.

    Parameters
    ----------
    file : str
        File with a tree ``Events``.
    layout : Layout
    truth : mapping of str to float, optional
        Columns of the truth; by default those from the name of the file, 0 for data.

    Raises
    ------
    BadInput
        For a file that cannot be read or lacks a branch.
    """
    branches = [layout.run, layout.event]
    for group in (layout.electrons, layout.muons, layout.jets):
        branches += group.values()
    try:
        with uproot.open(file) as opened:
            tree = opened["Events"]
            missing = [name for name in branches if name not in tree]
            if missing:
                raise BadInput(
                    f"{file}: 'Events' lacks the branch {missing[0]!r}; choose the layout that it has"
                )
            read = {name: tree[name].array() for name in branches}
    except BadInput:
        raise
    except Exception as error:  # uproot raises many kinds for files that it cannot read
        raise BadInput(f"cannot read {file} ({type(error).__name__}): it needs a tree 'Events'") from error
    leptons, number = _pairs(
        *({key: read[name] for key, name in group.items()} for group in (layout.electrons, layout.muons))
    )
    jets = _jets({key: read[name] for key, name in layout.jets.items()}, leptons)
    rows = (leptons.vectors[0] > 0).all(axis=1) & (np.isfinite(jets.tag).sum(axis=1) >= FEWEST_JETS)
    if not rows.any():
        raise BadInput(f"{file}: no event has a pair of leptons and {FEWEST_JETS} jets")
    columns = candidates(
        Leptons(leptons.vectors[:, rows]), Jets(jets.vectors[:, rows], jets.tag[rows]), layout.tagged
    )
    columns |= {"lep_category": number[rows]}
    ids = {
        name: ak.to_numpy(read[branch])[rows].astype(np.int64)
        for name, branch in (("run", layout.run), ("event", layout.event))
    }
    truth_values = {"res_mass": 0.0, "process": 1, "weight_central": 1.0} | dict(truth or SCHEMA.named(file))
    facts = {name: np.full(rows.sum(), value) for name, value in truth_values.items()}
    merged = ids | columns | facts
    return Sample(SCHEMA, {name: merged[name] for name in SCHEMA.names}, file)


def _padded(columns: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Pad lists to arrays of shape (events, most); absent entries have zero transverse momentum."""
    most = max(int(ak.max(ak.num(columns["pt"])) or 0), 1)  # none where there is no event
    return {
        name: ak.to_numpy(ak.fill_none(ak.pad_none(values, most, clip=True), 0.0)).astype(np.float64)
        for name, values in columns.items()
    }


def _pairs(*flavours: Mapping[str, Any]) -> tuple[Leptons, NDArray[np.integer]]:
    """Select each event's harder pair of one flavour and opposite charge; also return its lepton number."""
    pairs, sums, numbers = [], [], []
    for columns in flavours:
        padded = _padded(columns)
        good = (padded["pt"] > LEPTON_PT) & (np.abs(padded["eta"]) < ETA)
        numbers.append(good.sum(axis=1))
        pt = padded["pt"] * good
        events = np.arange(len(pt))
        first = np.argmax(pt, axis=1)
        opposite = padded["charge"] * padded["charge"][events, first][:, None] < 0
        second = np.argmax(pt * opposite, axis=1)
        pair = np.stack([first, second], axis=1)
        present = (pt[events, first] > 0) & ((pt * opposite)[events, second] > 0)
        eta, phi = (np.take_along_axis(padded[name], pair, axis=1) for name in ("eta", "phi"))
        vectors = from_angles(np.take_along_axis(pt, pair, axis=1), eta, phi, np.zeros(pair.shape))
        pairs.append(vectors * present[:, None])
        sums.append(np.take_along_axis(pt, pair, axis=1).sum(axis=1) * present)
    muons = sums[1] > sums[0]
    return Leptons(np.where(muons[:, None], pairs[1], pairs[0])), np.sum(numbers, axis=0)


def _jets(columns: Mapping[str, Any], leptons: Leptons) -> Jets:
    """Select jets that are not leptons, the hardest first."""
    padded = _padded(columns)
    good = (padded["pt"] > JET_PT) & (np.abs(padded["eta"]) < ETA)
    lepton_pt, eta, phi = angles(leptons.vectors)
    for index in range(2):
        close = distance(padded["eta"], padded["phi"], eta[:, index, None], phi[:, index, None]) < RADIUS
        good &= ~(close & (lepton_pt[:, index, None] > 0))
    order = np.argsort(-padded["pt"] * good, axis=1)
    vectors = from_angles(padded["pt"], padded["eta"], padded["phi"], padded["mass"]) * good
    tag = np.where(good, padded["tag"], -np.inf)
    return Jets(np.take_along_axis(vectors, order[None], axis=2), np.take_along_axis(tag, order, axis=1))
