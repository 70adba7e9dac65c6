"""Events of the tree ``h22``: e p -> e p pi0, and some e p -> e p eta that are excluded from training."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from projects.clas12.kinematics import CENTRAL, ETA, PI0, missing_mass_squared, polar
from projects.clas12.simulation import detector
from projects.clas12.simulation.efficiency import probability
from projects.clas12.simulation.generator import Generated, propose
from shashlik.task.sample import Column, Sample, Schema

__all__ = ["ETA_CODE", "PI0_CODE", "SCHEMA", "Detected", "detect", "simulate"]

#: Particle Data Group's codes of the mesons.
PI0_CODE, ETA_CODE = 111, 221
#: Status of forward protons.
FORWARD = 2000
#: Proposals per chunk.
_CHUNK = 400_000


def _momentum(name: str, meaning: str, optional: bool = False, truth: bool = False) -> tuple[Column, ...]:
    suffix, role = ("0", "truth") if truth else ("", "input")
    return tuple(
        Column(
            f"{name}{axis}{suffix}",
            "GeV",
            "float",
            f"{axis} component of the {meaning}",
            False,
            optional,
            role,
        )
        for axis in "xyz"
    )


SCHEMA = Schema(
    "h22",
    (
        Column("run", "", "int", "run number", optional=True, role="id"),
        Column("event", "", "int", "event number within the run", optional=True, role="id"),
        *_momentum("e", "electron's momentum"),
        *_momentum("p", "proton's momentum"),
        *_momentum("g1", "first photon's momentum", optional=True),
        *_momentum("g2", "second photon's momentum", optional=True),
        Column("esec", "", "int", "sector of the electron, 1 to 6", optional=True),
        Column("psec", "", "int", "sector of the proton, 1 to 6", optional=True),
        Column("status", "", "int", "status of the proton: from 4000 on in the central detector"),
        *_momentum("e", "generated electron's momentum", truth=True),
        *_momentum("p", "generated proton's momentum", truth=True),
        Column(
            "meson",
            "",
            "int",
            "code of the meson: 111 pi0, 221 eta; without it pi0",
            optional=True,
            role="truth",
        ),
    ),
)


@dataclass(frozen=True)
class Detected:
    """Selected events.

    Parameters
    ----------
    generated : Generated
    electron, proton : ndarray, shape (n, 3)
        Reconstructed momenta in GeV.
    photons : ndarray, shape (n, 2, 3)
        Reconstructed momenta of the decay photons in GeV.
    central : ndarray of bool, shape (n,)
        Whether the proton is in the central detector.
    """

    generated: Generated
    electron: NDArray[np.floating]
    proton: NDArray[np.floating]
    photons: NDArray[np.floating]
    central: NDArray[np.bool_]


def detect(rng: np.random.Generator, made: Generated) -> Detected:
    """Select the generated events that the detector accepts and the analysis selects."""
    photons = made.photons(rng)
    central = detector.central(rng, polar(made.proton)[1])
    accepted = detector.seen(made.electron, made.proton, photons, central)
    made, photons, central = made.select(accepted), photons[accepted], central[accepted]
    electron = detector.measured_electron(rng, made.electron)
    proton = detector.measured_proton(rng, made.proton, central)
    photons = detector.measured_photons(rng, photons)
    selected = detector.selected(proton, missing_mass_squared(electron, proton), made.mass)
    return Detected(
        made.select(selected), electron[selected], proton[selected], photons[selected], central[selected]
    )


def simulate(events: int, eta_share: float, seed: int) -> Sample:
    """Simulate selected events in random order.

    Parameters
    ----------
    events : int
        Number of events.
    eta_share : float
        Share of events with an eta, 0 to 1.
    seed : int
        Random seed; also the run number, so that events of different seeds have different ids.
    """
    rng = np.random.default_rng(seed)
    etas = round(eta_share * events)
    parts = [_channel(rng, events - etas, PI0, PI0_CODE), _channel(rng, etas, ETA, ETA_CODE)]
    order = rng.permutation(events)
    columns = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    columns |= {"run": np.full(events, seed, dtype=np.int64), "event": np.arange(events)}
    ordered = {name: columns[name] for name in SCHEMA.names}
    return Sample(SCHEMA, ordered, f"simulated e p -> e p pi0 with {eta_share:.0%} eta, seed {seed}")


def _channel(rng: np.random.Generator, events: int, mass: float, code: int) -> dict[str, NDArray]:
    """Simulate columns of `events` selected events with one meson."""
    parts, collected = [_detected(rng, 0, mass, code)], 0
    while collected < events:
        parts.append(_detected(rng, _CHUNK, mass, code))
        collected += len(parts[-1]["meson"])
    return {name: np.concatenate([part[name] for part in parts])[:events] for name in parts[0]}


def _detected(rng: np.random.Generator, proposals: int, mass: float, code: int) -> dict[str, NDArray]:
    """Return columns of the selected events among a number of proposals."""
    proposed = propose(rng, proposals, mass)
    accepted = rng.random(len(proposed.weight)) < probability(
        proposed.electron, proposed.proton, proposed.weight
    )
    detected = detect(rng, proposed.select(accepted))
    momenta = {
        "e": detected.electron,
        "p": detected.proton,
        "g1": detected.photons[:, 0],
        "g2": detected.photons[:, 1],
        "e0": detected.generated.electron,
        "p0": detected.generated.proton,
    }
    columns: dict[str, NDArray] = {
        f"{name[:-1]}{axis}0" if name.endswith("0") else f"{name}{axis}": momentum[:, index]
        for name, momentum in momenta.items()
        for index, axis in enumerate("xyz")
    }
    columns |= {
        "esec": detector.sector(polar(detected.electron)[2]),
        "psec": detector.sector(polar(detected.proton)[2]),
        "status": np.where(detected.central, CENTRAL, FORWARD),
        "meson": np.full(len(detected.central), code),
    }
    return columns
