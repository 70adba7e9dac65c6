"""From measured leptons and jets to the candidates of an event: H -> bb, Z -> ll, Z -> jj, H -> ZZ."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.pnn.simulation.detector import TAG, Jets, Leptons
from projects.pnn.simulation.kinematics import Vectors, angles, distance, mass

__all__ = ["FEWEST_JETS", "LOOSE", "Z_MASS", "candidates", "kept"]

Z_MASS = 91.1876
#: An event is kept in a file with two leptons, three jets, and one of them loosely tagged.
FEWEST_JETS, LOOSE = 3, 2.57


def kept(leptons: Leptons, jets: Jets) -> NDArray[np.bool_]:
    """Which events a file holds: with two leptons, and jets of which one may be a b jet."""
    both = (leptons.vectors[0] > 0).all(axis=1)
    there = np.isfinite(jets.tag)
    return both & (there.sum(axis=1) >= FEWEST_JETS) & (jets.tag.max(axis=1) > LOOSE)


def candidates(leptons: Leptons, jets: Jets, tagged: float = TAG) -> dict[str, NDArray[Any]]:
    """Columns of the schema for events that are `kept`.

    The two jets that look most like b jets are those of the Higgs boson; of the others the pair whose mass
    is nearest to that of the Z is the hadronic Z. With three jets only, the third and the worse of the two b
    jets are that pair: the candidates share a jet, as those of the original study do. A jet whose
    discriminant exceeds `tagged` is a good b jet.
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
    for one, other in (*pairs, ("j1", "j2"), ("b1", "b2")):
        columns[f"dR_{one}{other}"] = distance(*directions[one][1:], *directions[other][1:])
    columns["ngood_bjets"] = (jets.tag > tagged).sum(axis=1)
    columns["leading_lep_pt"], columns["trailing_lep_pt"] = directions["l1"][0], directions["l2"][0]
    columns["lep_category"] = np.full(len(events), 2)
    columns["HH_cand_mass"] = mass(higgs + leptonic + hadronic)
    return columns


def _pair(jets: Jets, order: NDArray[np.integer]) -> tuple[Vectors, Vectors]:
    """The two jets of the hadronic Z, the harder one first."""
    events = np.arange(len(order))
    number = order.shape[1]
    best = np.full(len(order), np.inf)
    # With three jets: the worse b jet and the third.
    chosen = np.stack([order[:, 1], order[:, 2]])
    for one in range(2, number):
        for other in range(one + 1, number):
            pair = np.stack([order[:, one], order[:, other]])
            there = np.isfinite(jets.tag[events, pair[1]])
            vectors = jets.vectors[:, events, pair[0]] + jets.vectors[:, events, pair[1]]
            off = np.abs(mass(vectors) - Z_MASS)
            better = there & (off < best)
            best = np.where(better, off, best)
            chosen = np.where(better, pair, chosen)
    first, second = (jets.vectors[:, events, index] for index in chosen)
    harder = angles(first)[0] >= angles(second)[0]
    return np.where(harder, first, second), np.where(harder, second, first)
