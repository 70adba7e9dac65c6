"""Electromagnetic showers that fluctuate as a whole, not cell by cell.

A shower is a sum of Lednev terms (core, body, tail). Showers differ as follows.

* The photon converts early or late. Late showers lose energy through the back, from the body rather than the
  core; this makes the low-energy tail at high energy and correlates width with energy.
* The terms are displaced together and against each other, by an amount proportional to 1/sqrt(E), like the
  mean of E independent pieces. Each term has two halves that also move apart, by an amount proportional to
  E^(-1/4), because the square of their distance makes the shower oval.
* The remaining fluctuation is the granularity of the shower: a cell's share fluctuates as if it consisted of
  equal spots of energy, while the sum over all cells fluctuates only by the sampling term.

The numbers are in ``shower_table.json``, derived from Geant4 showers by `projects.ecal.geant4.calibration`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.ecal.detector import X0, shower_depth
from projects.ecal.simulation.profile import REACH, Profile
from shashlik.exceptions import BadInput

__all__ = ["ShowerModel", "Showers", "Typical", "draw", "geant4_model", "smooth", "typical"]

#: Mean depth of a photon's conversion, in cm: 9/7 radiation lengths (Particle Data Group).
CONVERSION_DEPTH = 9 / 7 * X0
#: Critical energy of the shashlik stack, GeV, and the slope of the longitudinal profile (Particle Data
#: Group).
CRITICAL_ENERGY, LONGITUDINAL_SLOPE = 0.0086, 0.5
#: Reference energy of the table, GeV; it depends on ln(E / REFERENCE).
REFERENCE = 10.0


@dataclass(frozen=True)
class ShowerModel:
    """Parameters of the showers; every list over terms has one entry per Lednev term. L = ln(E / 10 GeV).

    Parameters
    ----------
    source : str
        Origin of the numbers.
    weights, weights_slope : tuple of float
        Shares of the terms at 10 GeV, summing to 1, and their change with L, summing to 0.
    widths_cm, widths_slope : tuple of float
        Widths at 10 GeV in cm; the width is multiplied by exp(slope L).
    response : tuple of float
        Coefficients of 1, L of the mean visible energy over true energy, before leakage.
    stochastic : float
        Relative sampling fluctuation of the sum at 1 GeV; falls as 1/sqrt(E).
    leakage_10gev, leakage_exponent, leakage_growth, leakage_spread : float
        Lost share of the visible energy: leakage_10gev (E / 10 GeV)^exponent exp(growth u + spread z), where
        the
        conversion depth is u + 1 mean free paths, u + 1 exponential, and z is normal.
    leakage_shares : tuple of float
        Shares of the terms in the loss; they sum to 1.
    spot_gev : float
        Energy of one spot in GeV: the variance of a cell's energy over its mean.
    displacement : tuple of tuple of float
        Lower triangle that maps independent normal numbers to the displacements of the terms along one
        axis, in cm at 1 GeV; falls as 1/sqrt(E).
    split : tuple of float
        Standard deviation along one axis of half the distance between the halves of a term, cm at 1 GeV;
        falls as E^(-1/4).
    """

    source: str
    weights: tuple[float, ...]
    weights_slope: tuple[float, ...]
    widths_cm: tuple[float, ...]
    widths_slope: tuple[float, ...]
    response: tuple[float, ...]
    stochastic: float
    leakage_10gev: float
    leakage_exponent: float
    leakage_growth: float
    leakage_spread: float
    leakage_shares: tuple[float, ...]
    spot_gev: float
    displacement: tuple[tuple[float, ...], ...]
    split: tuple[float, ...]

    @classmethod
    def read(cls, path: Path) -> ShowerModel:
        """Read the model from the JSON file at `path`."""
        content = json.loads(path.read_text(encoding="utf-8"))
        if missing := sorted(set(cls.__dataclass_fields__) ^ set(content)):
            raise BadInput(f"shower table {path} and this version differ in {missing}; calibrate it anew")
        return cls(**{name: _frozen(value) for name, value in content.items()})

    def write(self, path: Path) -> None:
        """Write the model as JSON to `path`, numbers with 5 digits."""
        content = {name: _rounded(value) for name, value in asdict(self).items()}
        lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in content.items())
        path.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def _frozen(value: Any) -> Any:
    return tuple(_frozen(entry) for entry in value) if isinstance(value, list) else value


def _rounded(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


@cache
def geant4_model() -> ShowerModel:
    """Return the calibration of this package to Geant4 11.4 showers in 155 x (0.8 Pb + 1.55 PS) mm."""
    return ShowerModel.read(Path(__file__).with_name("shower_table.json"))


@dataclass(frozen=True)
class Showers:
    """Showers as sums of displaced Lednev terms.

    Parameters
    ----------
    energy : ndarray, shape (showers, parts)
        Visible energy of each part in GeV; parts of the far tail are negative.
    x, y : ndarray, shape (showers, parts)
        Displacement from the photon's line in cm.
    depth : ndarray, shape (showers, parts)
        Depth of the part below the front face in cm.
    width : ndarray, shape (showers, parts)
        Width b in cm.
    spot : float
        Energy of a spot in GeV; 0 disables granularity.
    """

    energy: NDArray[np.float64]
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    depth: NDArray[np.float64]
    width: NDArray[np.float64]
    spot: float


def smooth(profile: Profile, energy: NDArray[np.float64]) -> Showers:
    """Return showers without fluctuations: `profile` times the true energy, shape (showers,), in GeV."""
    line = np.zeros((len(energy), len(profile.a)))
    return Showers(
        energy=energy[:, None] * np.array(profile.a),
        x=line,
        y=line,
        depth=line + shower_depth(energy)[:, None],
        width=line + np.array(profile.b),
        spot=0.0,
    )


@dataclass(frozen=True)
class Typical:
    """Common properties of showers of one energy, before fluctuations.

    Parameters
    ----------
    seen : ndarray, shape (showers,)
        Mean visible energy in GeV, before leakage.
    leak : ndarray, shape (showers,)
        Lost share of a conversion at the mean depth.
    shares, width : ndarray, shape (showers, terms)
        Shares of the visible energy before leakage, and widths in cm.
    depth, length : ndarray, shape (showers,)
        Half of the energy is `length` above the mean depth, half `length` below it, cm.
    """

    seen: NDArray[np.floating]
    leak: NDArray[np.floating]
    shares: NDArray[np.floating]
    width: NDArray[np.floating]
    depth: NDArray[np.floating]
    length: NDArray[np.floating]


def typical(model: ShowerModel, energy: NDArray[np.floating]) -> Typical:
    """Return the common properties of showers of the true energies in GeV, shape (showers,)."""
    log = np.log(energy / REFERENCE)[:, None]
    width = np.array(model.widths_cm) * np.exp(np.array(model.widths_slope) * log)
    shares = np.array(model.weights) + np.array(model.weights_slope) * log
    # A term of width b contains 1 - b / sqrt(b^2 + r^2) of its energy within r.
    shares = shares / (shares * (1 - width / np.hypot(width, REACH))).sum(axis=1, keepdims=True)
    return Typical(
        seen=energy * np.polynomial.polynomial.polyval(log[:, 0], model.response),
        leak=model.leakage_10gev * (energy / REFERENCE) ** model.leakage_exponent,
        shares=shares,
        width=width,
        depth=shower_depth(energy),
        # The spread of a gamma distribution.
        length=X0 / LONGITUDINAL_SLOPE * np.sqrt(1 + LONGITUDINAL_SLOPE * np.log(energy / CRITICAL_ENERGY)),
    )


def draw(model: ShowerModel, energy: NDArray[np.float64], rng: np.random.Generator) -> Showers:
    """Draw the fluctuations of one shower per true energy in GeV, shape (showers,)."""
    count, terms = len(energy), len(model.weights)
    common = typical(model, energy)
    late = rng.standard_exponential(count) - 1
    leak = common.leak * np.exp(
        model.leakage_growth * late + model.leakage_spread * rng.standard_normal(count)
    )
    visible = common.seen * (1 + model.stochastic / np.sqrt(energy) * rng.standard_normal(count))
    # The loss is bounded; a conversion this late means that the photon almost crosses the stack.
    leak = np.minimum(leak, 0.9)[:, None]
    shares = common.shares - leak * np.array(model.leakage_shares)

    scale = 1 / np.sqrt(energy)[:, None]
    mixing = np.array(model.displacement).T
    halves = []
    for _axis in range(2):
        together = scale * (rng.standard_normal((count, terms)) @ mixing)
        apart = np.sqrt(scale) * rng.standard_normal((count, terms)) * np.array(model.split)
        halves.append(np.concatenate([together - apart, together + apart], axis=1))

    depth = (common.depth + CONVERSION_DEPTH * late)[:, None] + np.zeros((1, terms))
    length = common.length[:, None]
    return Showers(
        energy=np.tile(visible[:, None] * shares / 2, 2),
        x=halves[0],
        y=halves[1],
        depth=np.concatenate([np.maximum(depth - length, 0.0), depth + length], axis=1),
        width=np.tile(common.width, 2),
        spot=model.spot_gev,
    )
