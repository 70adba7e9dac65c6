"""The lateral profile of a shower: the share of its energy in a cell.

A.A. Lednev, Nucl. Instrum. Meth. A366 (1995) 292: the energy density is a sum of terms
a b / (2 pi (b^2 + r^2)^(3/2)), whose integral over a rectangle is elementary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from projects.ecal.detector import PITCH
from shashlik.exceptions import BadInput

__all__ = ["PROFILES", "REACH", "Profile"]

#: Distance in cm beyond which a cell gets no energy.
REACH = 20.0


@dataclass(frozen=True)
class Profile:
    """A shower profile of any number of Lednev terms.

    Parameters
    ----------
    a : tuple of float
        Weights of the terms; they sum to 1.
    b : tuple of float
        Widths of the terms in cm, positive.

    Raises
    ------
    BadInput
        If the weights do not sum to 1, a width is not positive or the two differ in length.
    """

    a: tuple[float, ...]
    b: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.a) != len(self.b) or not self.a:
            raise BadInput(
                f"profile with {len(self.a)} weights and {len(self.b)} widths; give one width a weight"
            )
        if not abs(sum(self.a) - 1) < 1e-6:
            raise BadInput(
                f"profile weights {self.a} sum to {sum(self.a):g}; they must sum to 1: divide by the sum"
            )
        if not all(width > 0 for width in self.b):
            raise BadInput(f"profile widths {self.b} cm; all must be above 0 cm")

    def cumulative(self, x: ArrayLike, y: ArrayLike) -> NDArray[np.floating]:
        """Return the share of energy left of x and below y, cm from the shower axis; they broadcast.

        F(x, y) = 1/4 + 1/(2 pi) sum_i a_i [atan(x/b_i) + atan(y/b_i) + atan(x y / (b_i sqrt(b_i^2+x^2+y^2)))]
        """
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape))
        for a, b in zip(self.a, self.b, strict=True):
            corner = np.arctan(x * y / (b * np.sqrt(b * b + x * x + y * y)))
            total += a * (np.arctan(x / b) + np.arctan(y / b) + corner)
        return 0.25 + total / (2 * np.pi)

    def fraction(self, dx: ArrayLike, dy: ArrayLike) -> NDArray[np.floating]:
        """Return the share of energy in cells centred at (dx, dy) cm from the shower axis; they broadcast.

        Zero for centres more than `REACH` away, as in coral.
        """
        dx, dy = np.asarray(dx, dtype=float), np.asarray(dy, dtype=float)
        half = PITCH / 2
        share = (
            self.cumulative(dx + half, dy + half)
            - self.cumulative(dx + half, dy - half)
            - self.cumulative(dx - half, dy + half)
            + self.cumulative(dx - half, dy - half)
        )
        return np.where(np.hypot(dx, dy) > REACH, 0.0, share)


#: Profiles by name: coral's shashlik sets for simulation and for data, the default of the Lednev fit (all
#: from the sources of coral), and a fit to 10 GeV Geant4 11.4 showers in 155 x (0.8 mm Pb + 1.55 mm
#: scintillator).
PROFILES: dict[str, Profile] = {
    "coral-mc-2008": Profile((1.2231, -0.1421, -0.0810), (0.62825, 3.04875, 4.24935)),
    "data-2009": Profile((0.885, -0.14, 0.255), (0.8104, 5.586, 0.152)),
    "lednev-new": Profile((0.272, 0.728), (0.1517, 0.729)),
    "geant4": Profile((0.359, 0.686, -0.045), (0.141, 0.745, 18.3)),
}
