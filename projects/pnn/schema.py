"""Columns, masses and samples of the search for X -> HH -> bb ZZ*, under the names of the original study."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from shashlik.task.sample import Column, Sample, Schema

__all__ = [
    "BACKGROUNDS",
    "FEATURES",
    "HELD_OUT",
    "MASSES",
    "SCHEMA",
    "SIGNAL",
    "hypotheses",
    "is_signal",
    "label",
    "named",
    "outputs",
]

#: Masses of X in GeV that are simulated.
MASSES = (
    260,
    270,
    300,
    350,
    400,
    450,
    500,
    550,
    600,
    650,
    750,
    800,
    900,
    1000,
    1250,
    1500,
    1750,
    2000,
    2500,
    3000,
)

#: Masses excluded from training, as in the original study: they test the network's interpolation.
HELD_OUT = (900,)

#: Code of an event's process, and the beginning of its file's name in the original study.
SIGNAL, BACKGROUNDS = 0, {1: "DYJetsToLL_M-10to50", 2: "DYToLL_0J", 3: "DYToLL_1J", 4: "DYToLL_2J"}

#: Inputs of the networks besides the mass, in the order of the original study.
FEATURES = (
    "Higgsbb_cand_pt",
    "Zjet_cand_pt",
    "leading_Hbb_pt",
    "trailing_Hbb_pt",
    "leading_jet_pt",
    "trailing_jet_pt",
    "Higgsbb_cand_mass",
    "HiggsZZ_cand_mass",
    "Zlep_cand_mass",
    "Zjet_cand_mass",
    "Zlep_cand_pt",
    "dR_l1j1",
    "dR_l1j2",
    "dR_l1b1",
    "dR_l1b2",
    "dR_l2j1",
    "dR_l2j2",
    "dR_l2b1",
    "dR_l2b2",
    "dR_j1j2",
    "dR_b1b2",
)

_MEANING = {
    "Higgsbb_cand_pt": "transverse momentum of the pair of b jets",
    "Zjet_cand_pt": "transverse momentum of the pair of other jets",
    "leading_Hbb_pt": "transverse momentum of the jet most like a b jet",
    "trailing_Hbb_pt": "transverse momentum of the jet second most like a b jet",
    "leading_jet_pt": "transverse momentum of the first jet of the Z",
    "trailing_jet_pt": "transverse momentum of the second jet of the Z",
    "Higgsbb_cand_mass": "mass of the pair of b jets",
    "HiggsZZ_cand_mass": "mass of leptons and other jets",
    "Zlep_cand_mass": "mass of the lepton pair",
    "Zjet_cand_mass": "mass of the pair of other jets",
    "Zlep_cand_pt": "transverse momentum of the lepton pair",
}
_OBJECTS = {
    "l1": "leading lepton",
    "l2": "trailing lepton",
    "j1": "first jet of the Z",
    "j2": "second jet of the Z",
    "b1": "first b jet",
    "b2": "second b jet",
}


def _feature(name: str) -> Column:
    if name in _MEANING:
        return Column(name, "GeV", "float", _MEANING[name])
    first, second = name[3:5], name[5:]
    return Column(name, "", "float", f"distance in eta and phi of {_OBJECTS[first]} and {_OBJECTS[second]}")


def named(file: str) -> dict[str, float]:
    """Parse the name of a file of the original study: return the columns of its events' truth.

    ``..._M-260_narrow...`` is signal of that mass, ``DYToLL_1J...`` and similar names are backgrounds; other
    names give nothing. Weights are 1, as in the study.
    """
    base = re.split(r"[/\\]", file)[-1]
    for code, start in BACKGROUNDS.items():
        if base.startswith(start):
            return {"process": code, "res_mass": 0.0, "weight_central": 1.0}
    if match := re.search(r"HH.*_M-(\d+)_", base):
        return {"process": SIGNAL, "res_mass": float(match[1]), "weight_central": 1.0}
    return {}


SCHEMA = Schema(
    "Events",
    (
        Column("run", "", "int", "run number", optional=True, role="id"),
        Column("event", "", "int", "event number; even and odd ones are the two halves", role="id"),
        *(_feature(name) for name in FEATURES),
        Column("ngood_bjets", "", "int", "jets that pass the b tag"),
        Column("leading_lep_pt", "GeV", "float", "transverse momentum of the leading lepton"),
        Column("trailing_lep_pt", "GeV", "float", "transverse momentum of the trailing lepton"),
        Column("lep_category", "", "int", "number of selected leptons"),
        Column("HH_cand_mass", "GeV", "float", "mass of all; what a window is cut on", optional=True),
        Column("res_mass", "GeV", "float", "true mass of X, 0 for background", role="truth"),
        Column("process", "", "int", "0 signal, 1 to 4 Z + jets: low mass, 0, 1, 2 partons", role="truth"),
        Column(
            "weight_central", "", "float", "events expected in the data for each of the file", role="truth"
        ),
    ),
    named,
)


def label(mass: float) -> str:
    """Return the name of a hypothesis in metrics and tables: ``m260``."""
    return f"m{mass:g}"


def hypotheses() -> tuple[str, ...]:
    """Return the names of all hypotheses, by rising mass."""
    return tuple(label(mass) for mass in MASSES)


def outputs(responses: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """Return responses, shape (events, masses), as one prediction per hypothesis."""
    return {name: responses[:, index] for index, name in enumerate(hypotheses())}


def is_signal(sample: Sample) -> NDArray[np.bool_]:
    """Return which events are signal."""
    return np.asarray(sample["process"]) == SIGNAL
