"""Physics quantities of events: momenta, features and targets, from the columns of a sample."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import (
    CENTRAL,
    features,
    missing_mass_squared,
    momenta,
    polar,
    shift_of_missing_mass_squared,
)
from projects.clas12.simulation.events import ETA_CODE, PI0_CODE
from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["Events", "of"]

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Events:
    """Momenta of shape (n, 3) in GeV.

    Parameters
    ----------
    electron, proton : ndarray
        Reconstructed momenta.
    central : ndarray of bool, shape (n,)
        Whether the proton is in the central detector.
    true_electron, true_proton : ndarray
        Generated momenta.
    eta : ndarray of bool, shape (n,)
        Whether the meson is an eta.
    """

    electron: Array
    proton: Array
    central: NDArray[np.bool_]
    true_electron: Array
    true_proton: Array
    eta: NDArray[np.bool_]

    @property
    def features(self) -> Array:
        """Features; see `projects.clas12.kinematics.features`."""
        return features(self.electron, self.proton)

    @property
    def targets(self) -> Array:
        """dlogp, and dMM2 in GeV^2, shape (n, 2): the corrections of log p and of MM^2.

        MM^2 with the generated proton uses the *reconstructed* electron: the result of a perfect proton.
        """
        dlogp = np.log(polar(self.true_proton)[0] / polar(self.proton)[0])
        best = missing_mass_squared(self.electron, self.true_proton)
        return np.stack([dlogp, best - missing_mass_squared(self.electron, self.proton)], axis=1)

    @property
    def learnt(self) -> tuple[Array, Array]:
        """Training inputs: columns as in `projects.clas12.corrections.COLUMNS`, and `targets`."""
        status = np.where(self.central, CENTRAL, 0.0)
        return np.column_stack([self.electron, self.proton, status]), self.targets

    def select(self, rows: NDArray[np.bool_]) -> Events:
        """Select events by `rows`."""
        return Events(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def corrected_mm2(self, dlogp: Array) -> Array:
        """Return MM^2 in GeV^2 with the proton's momentum times exp(dlogp)."""
        measured = missing_mass_squared(self.electron, self.proton)
        return measured + shift_of_missing_mass_squared(self.electron, self.proton, dlogp)


def of(sample: Sample) -> Events:
    """Convert a sample to events.

    Raises
    ------
    BadInput
        For a proton or electron without momentum, and a meson that is neither pi0 nor eta.
    """
    vectors = {
        "electron": momenta(sample.columns, "e"),
        "proton": momenta(sample.columns, "p"),
        "true_electron": momenta(sample.columns, "e", "0"),
        "true_proton": momenta(sample.columns, "p", "0"),
    }
    for name, momentum in vectors.items():
        still = np.asarray(~momentum.any(axis=1))
        if still.any():
            raise BadInput(
                f"{sample.source}: the {name.replace('_', ' ')} of {_first(sample, still)} has no "
                "momentum; remove such events"
            )
    meson = np.asarray(sample["meson"]) if "meson" in sample else np.full(len(sample), PI0_CODE)
    if (unknown := ~np.isin(meson, (PI0_CODE, ETA_CODE))).any():
        raise BadInput(
            f"{sample.source}: meson={meson[unknown][0]} in {_first(sample, unknown)} is unknown; "
            f"{PI0_CODE} is a pi0, {ETA_CODE} an eta"
        )
    central = np.asarray(sample["status"]) >= CENTRAL
    eta: NDArray[np.bool_] = meson == ETA_CODE
    return Events(**vectors, central=central, eta=eta)


def _first(sample: Sample, rows: NDArray[np.bool_]) -> str:
    """Describe the first of some events by its number; positions are ambiguous, as files are halved."""
    if "event" in sample:
        return f"event {sample['event'][rows][0]}"
    return f"{np.count_nonzero(rows)} of {len(sample)} events"
