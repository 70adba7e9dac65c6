"""Simulated events of the search: signal of every mass and four samples of Z + jets, as the files hold them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from projects.pnn.background import PROCESSES, background
from projects.pnn.candidates import candidates, kept
from projects.pnn.detector import jets, leptons
from projects.pnn.kinematics import Vectors
from projects.pnn.schema import MASSES, SCHEMA, SIGNAL
from projects.pnn.selection import preselected
from projects.pnn.signal import EXPECTED, signal
from projects.task import Sample

__all__ = ["EVENTS", "counts", "generate", "simulate"]

#: Relative number of events a mass that pass the preselection: those of the original study at 260, 750, 900 and
#: 3000 GeV, a smooth curve through them elsewhere that keeps the study's total.
EVENTS = dict(
    zip(
        MASSES,
        (
            8716, 9300, 10800, 12900, 14600, 15900, 16900, 17600, 18100, 18300, 18404, 18400, 18206, 18000,
            17000, 15200, 12900, 10400, 7300, 4808,
        ),
        strict=True,
    )
)  # fmt: skip
#: Share of signal among them: 536 927 against 970 952 events without those of 900 GeV, of which 36 413.
SIGNAL_SHARE = (536_927 + 36_413) / (536_927 + 36_413 + 970_952)
#: Events generated at once.
CHUNK = 50_000

Partons = Callable[[int, np.random.Generator], tuple[Vectors, Vectors, NDArray[np.integer]]]


def counts(events: int) -> dict[tuple[int, int], int]:
    """How many of `events` are of which (process, mass): the shares above, by largest remainders."""
    total = sum(EVENTS.values())
    wanted = {(SIGNAL, mass): SIGNAL_SHARE * number / total for mass, number in EVENTS.items()}
    wanted |= {(code, 0): (1 - SIGNAL_SHARE) * process.share for code, process in PROCESSES.items()}
    numbers = {key: int(events * share) for key, share in wanted.items()}
    rest = sorted(wanted, key=lambda key: numbers[key] - events * wanted[key])
    for key in rest[: events - sum(numbers.values())]:
        numbers[key] += 1
    return numbers


def simulate(events: int, seed: int, selected: bool = True) -> Sample:
    """Events of all masses and backgrounds, mixed.

    Parameters
    ----------
    events : int
        How many.
    seed : int
        Becomes the run number, so that events of different seeds never share their ids.
    selected : bool
        Whether only those are kept that pass the preselection.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for (process, mass), number in counts(events).items():
        if number:
            columns, efficiency = generate(process, mass, number, selected, rng)
            expected = EXPECTED * efficiency if process == SIGNAL else _expected(process, selected)
            facts = {"res_mass": float(mass), "process": process, "weight_central": expected / number}
            parts.append(columns | {name: np.full(number, value) for name, value in facts.items()})
    order = rng.permutation(events)
    mixed = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    ids = {"run": np.full(events, seed, dtype=np.int64), "event": np.arange(events)}
    # What a file holds, single precision, is what everybody works with.
    columns = {
        column.name: array.astype(np.int64) if column.kind == "int" else array.astype(np.float32).astype(float)
        for column in SCHEMA.columns
        if (array := (ids | mixed)[column.name]) is not None
    }
    return Sample(SCHEMA, columns, f"simulated X -> HH -> bb ZZ and Z + jets, seed {seed}")


#: Share of the background's events in a file that pass the preselection, measured once.
PASSING = 0.577


def _expected(process: int, selected: bool) -> float:
    return PROCESSES[process].expected * (PASSING if selected else 1.0)


def generate(
    process: int, mass: int, number: int, selected: bool, rng: np.random.Generator
) -> tuple[dict[str, NDArray[np.generic]], float]:
    """Columns of `number` events of a process, and the share of generated events that they are.

    Parameters
    ----------
    process : int
        Code, see `projects.pnn.schema`.
    mass : int
        Of X, for signal.
    number : int
        Events wanted.
    selected : bool
        Whether they pass the preselection.
    rng : numpy.random.Generator
    """
    parts: list[Mapping[str, NDArray[np.generic]]] = []
    found = made = 0
    while found < number:
        share = max(found / made, 1e-3) if made else 0.05 if process == SIGNAL else 0.15
        batch = int(np.clip(1.1 * (number - found) / share + 50, 100, CHUNK))
        true, partons, flavour = (
            signal(np.full(batch, float(mass)), rng)
            if process == SIGNAL
            else background(PROCESSES[process], batch, rng)
        )
        columns = measured(true, partons, flavour, rng)
        if selected:
            passed = preselected(columns)
            columns = {name: array[passed] for name, array in columns.items()}
        parts.append(columns)
        found += len(columns["ngood_bjets"])
        made += batch
    merged = {name: np.concatenate([part[name] for part in parts])[:number] for name in parts[0]}
    return merged, found / made


def measured(
    true: Vectors, partons: Vectors, flavour: NDArray[np.integer], rng: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Columns of the events that a file holds."""
    near = leptons(true, rng.random(true.shape[1]) < 0.5, rng)
    # Most events are lost with a lepton: those need no jets.
    both = (near.vectors[0] > 0).all(axis=1)
    near = type(near)(near.vectors[:, both])
    found = jets(partons[:, both], flavour[both], near, rng)
    rows = kept(near, found)
    return candidates(type(near)(near.vectors[:, rows]), type(found)(found.vectors[:, rows], found.tag[rows]))
