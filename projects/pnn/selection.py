"""The preselection of the original study; the file travels with the registered models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["PRESELECTION", "preselected"]

#: Lower limits of the columns; in addition, an event has exactly two leptons.
PRESELECTION = {
    "ngood_bjets": 0,
    "Zlep_cand_mass": 15.0,
    "leading_lep_pt": 20.0,
    "trailing_lep_pt": 10.0,
    "leading_Hbb_pt": 20.0,
    "trailing_Hbb_pt": 20.0,
    "leading_jet_pt": 20.0,
    "trailing_jet_pt": 20.0,
}


def preselected(columns: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Return which events pass, for any mapping with these columns."""
    passed = np.asarray(columns["lep_category"]) == 2
    for name, limit in PRESELECTION.items():
        passed = passed & (np.asarray(columns[name]) > limit)
    return passed
