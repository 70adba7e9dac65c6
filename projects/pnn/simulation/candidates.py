"""Candidates of an event from measured leptons and jets: H -> bb, Z -> ll, Z -> jj, H -> ZZ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.pnn.simulation.detector import TAG, Jets, Leptons
from projects.pnn.simulation.kinematics import Vectors, angles, distance, mass

__all__ = ["FEWEST_JETS", "LOOSE", "Z_MASS", "candidates", "kept"]

Z_MASS = 91.1876
#: A file contains events with two leptons and three jets, of which one is loosely tagged.
FEWEST_JETS, LOOSE = 3, 2.57


def kept(leptons: Leptons, jets: Jets) -> NDArray[np.bool_]:
    """Return which events a file contains: two leptons, and jets of which one is loosely tagged."""
    dilepton = (leptons.vectors[0] > 0).all(axis=1)
    present = np.isfinite(jets.tag)
    return dilepton & (present.sum(axis=1) >= FEWEST_JETS) & (jets.tag.max(axis=1) > LOOSE)


def candidates(leptons: Leptons, jets: Jets, tagged: float = TAG) -> dict[str, NDArray[Any]]:
    """Compute columns of the schema for events that are `kept`.

    The two jets most like b jets form the Higgs boson; of the others, the pair whose mass is nearest to that
    of the Z is the hadronic Z. With only three jets, the third and the less b-like of the two b jets are that
    pair: the candidates share a jet, as in the original study. A jet whose discriminant exceeds `tagged` is a
    good b jet.
    """
    events = np.arange(len(jets.tag))
    order = np.argsort(-jets.tag, axis=1)
    b = [jets.vectors[:, events, order[:, index]] for index in range(2)]
    j = _pair(jets, order)
    l1, l2 = leptons.vectors[:, :, 0], leptons.vectors[:, :, 1]
    objects = {"l1": l1, "l2": l2, "j1": j[0], "j2": j[1], "b1": b[0], "b2": b[1]}
    directions = {name: angles(vectors) for name, vectors in objects.items()}
    higgs, leptonic, hadronic = b[0] + b[1], l1 + l2, j[0] + j[1]
    columns: dict[str, NDArray[Any]] = {
        "Higgsbb_cand_pt": angles(higgs)[0],
        "Zjet_cand_pt": angles(hadronic)[0],
        "leading_Hbb_pt": directions["b1"][0],
        "trailing_Hbb_pt": directions["b2"][0],
        "leading_jet_pt": directions["j1"][0],
        "trailing_jet_pt": directions["j2"][0],
        "Higgsbb_cand_mass": mass(higgs),
        "HiggsZZ_cand_mass": mass(leptonic + hadronic),
        "Zlep_cand_mass": mass(leptonic),
        "Zjet_cand_mass": mass(hadronic),
        "Zlep_cand_pt": angles(leptonic)[0],
    }
    pairs = [(lepton, jet) for lepton in ("l1", "l2") for jet in ("j1", "j2", "b1", "b2")]
    for first, second in (*pairs, ("j1", "j2"), ("b1", "b2")):
        columns[f"dR_{first}{second}"] = distance(*directions[first][1:], *directions[second][1:])
    columns["ngood_bjets"] = (jets.tag > tagged).sum(axis=1)
    columns["leading_lep_pt"], columns["trailing_lep_pt"] = directions["l1"][0], directions["l2"][0]
    columns["lep_category"] = np.full(len(events), 2)
    columns["HH_cand_mass"] = mass(higgs + leptonic + hadronic)
    return columns


def _pair(jets: Jets, order: NDArray[np.integer]) -> tuple[Vectors, Vectors]:
    """Select the two jets of the hadronic Z, the harder one first."""
    events = np.arange(len(order))
    number = order.shape[1]
    best = np.full(len(order), np.inf)
    # With three jets: the less b-like b jet and the third.
    selected = np.stack([order[:, 1], order[:, 2]])
    for i in range(2, number):
        for j in range(i + 1, number):
            pair = np.stack([order[:, i], order[:, j]])
            present = np.isfinite(jets.tag[events, pair[1]])
            vectors = jets.vectors[:, events, pair[0]] + jets.vectors[:, events, pair[1]]
            off = np.abs(mass(vectors) - Z_MASS)
            better = present & (off < best)
            best = np.where(better, off, best)
            selected = np.where(better, pair, selected)
    first, second = (jets.vectors[:, events, index] for index in selected)
    harder = angles(first)[0] >= angles(second)[0]
    return np.where(harder, first, second), np.where(harder, second, first)
