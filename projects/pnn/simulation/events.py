"""Simulated events of the search: signal of every mass and four samples of Z + jets, as in a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from projects.pnn.schema import MASSES, SCHEMA, SIGNAL
from projects.pnn.selection import preselected
from projects.pnn.simulation.background import PROCESSES, background
from projects.pnn.simulation.candidates import candidates, kept
from projects.pnn.simulation.detector import Jets, Leptons, jets, leptons
from projects.pnn.simulation.kinematics import Vectors
from projects.pnn.simulation.signal import EXPECTED, signal
from shashlik.task.sample import Sample

__all__ = ["EVENTS", "assembled", "counts", "measured", "simulate"]

#: Relative number of events per mass that pass the preselection: those of the original study at 260, 750, 900
#: and 3000 GeV, a smooth curve through them elsewhere that preserves the study's total.
EVENTS = dict(
    zip(
        MASSES,
        (
            8716,
            9300,
            10800,
            12900,
            14600,
            15900,
            16900,
            17600,
            18100,
            18300,
            18404,
            18400,
            18206,
            18000,
            17000,
            15200,
            12900,
            10400,
            7300,
            4808,
        ),
        strict=True,
    )
)
#: Share of signal among them: 536 927 against 970 952 events without those of 900 GeV, of which 36 413.
SIGNAL_SHARE = (536_927 + 36_413) / (536_927 + 36_413 + 970_952)
#: Events generated at once.
CHUNK = 50_000

Column = NDArray[Any]
#: Columns of events, and the number of generated events behind them.
Part = tuple[dict[str, Column], int]
Generate = Callable[[int, int, int, np.random.Generator], Iterator[Part]]


def counts(events: int) -> dict[tuple[int, int], int]:
    """Split `events` among (process, mass) by the shares above, with largest remainders."""
    total = sum(EVENTS.values())
    shares = {(SIGNAL, mass): SIGNAL_SHARE * number / total for mass, number in EVENTS.items()}
    shares |= {(code, 0): (1 - SIGNAL_SHARE) * process.share for code, process in PROCESSES.items()}
    numbers = {key: int(events * share) for key, share in shares.items()}
    by_remainder = sorted(shares, key=lambda key: numbers[key] - events * shares[key])
    for key in by_remainder[: events - sum(numbers.values())]:
        numbers[key] += 1
    return numbers


def simulate(
    events: int, seed: int, selected: bool = True, numbers: Mapping[tuple[int, int], int] | None = None
) -> Sample:
    """Simulate events of all masses and backgrounds, mixed.

    Parameters
    ----------
    events : int
        Number of events.
    seed : int
        Random seed; also the run number, so that events of different seeds have different ids.
    selected : bool
        Whether to keep only events that pass the preselection.
    numbers : mapping of (process, mass) to int, optional
        Number of events of each, with the sum `events`; those of `counts` by default.
    """

    def generate(process: int, mass: int, number: int, rng: np.random.Generator) -> Iterator[Part]:
        accepted = generated = 0
        while True:
            share = max(accepted / generated, 1e-3) if generated else 0.05
            batch = int(np.clip(1.1 * (number - accepted) / share + 50, 100, CHUNK))
            true, partons, flavour = (
                signal(np.full(batch, float(mass)), rng)
                if process == SIGNAL
                else background(PROCESSES[process], batch, rng)
            )
            columns = measured(true, partons, flavour, rng, rng.random(batch) < 0.5)
            accepted += (
                int(np.count_nonzero(preselected(columns))) if selected else len(columns["ngood_bjets"])
            )
            generated += batch
            yield columns, batch

    return assembled(events, seed, selected, generate, "simulated", numbers)


def assembled(
    events: int,
    seed: int,
    selected: bool,
    generate: Generate,
    how: str,
    numbers: Mapping[tuple[int, int], int] | None = None,
) -> Sample:
    """Assemble a sample of all processes from a generator of single processes.

    Parameters
    ----------
    events, seed, selected, numbers
        See `simulate`.
    generate : callable
        ``generate(process, mass, number, rng)`` yields columns of events of a file, and the number of events
        generated for them, until the caller stops.
    how : str
        Description for the record.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for (process, mass), number in (numbers or counts(events)).items():
        if not number:
            continue
        columns, kept_share, passing = _gathered(generate(process, mass, number, rng), number, selected)
        if process == SIGNAL:
            expected = EXPECTED * kept_share
        else:
            expected = PROCESSES[process].expected * (passing if selected else 1.0)
        facts = {"res_mass": float(mass), "process": process, "weight_central": expected / number}
        parts.append(columns | {name: np.full(number, value) for name, value in facts.items()})
    order = rng.permutation(events)
    mixed = {name: np.concatenate([part[name] for part in parts])[order] for name in parts[0]}
    mixed |= {"run": np.full(events, seed, dtype=np.int64), "event": np.arange(events)}
    # Single precision, as in a file, so that all users have the same values.
    columns = {
        column.name: mixed[column.name].astype(np.int64)
        if column.kind == "int"
        else mixed[column.name].astype(np.float32).astype(np.float64)
        for column in SCHEMA.columns
    }
    return Sample(SCHEMA, columns, f"{how} X -> HH -> bb ZZ and Z + jets, seed {seed}")


def _gathered(parts: Iterator[Part], number: int, selected: bool) -> tuple[dict[str, Column], float, float]:
    """Collect columns of `number` events, their share of the generated events, and of those in a file."""
    kept_columns: list[dict[str, Column]] = []
    collected = in_file = generated = 0
    while collected < number:
        columns, batch = next(parts)
        generated += batch
        in_file += len(columns["ngood_bjets"])
        if selected:
            passed = preselected(columns)
            columns = {name: array[passed] for name, array in columns.items()}
        kept_columns.append(columns)
        collected += len(columns["ngood_bjets"])
    merged = {
        name: np.concatenate([batch_columns[name] for batch_columns in kept_columns])[:number]
        for name in kept_columns[0]
    }
    return merged, collected / generated, collected / in_file


def measured(
    true: Vectors,
    partons: Vectors,
    flavour: NDArray[np.integer],
    rng: np.random.Generator,
    electron: NDArray[np.bool_],
    massive: bool = False,
) -> dict[str, Column]:
    """Measure events; return the columns of those that a file contains.

    Parameters
    ----------
    true : ndarray, shape (4, events, 2)
        Leptons.
    partons, flavour : ndarray, shape (4, events, n) and (events, n)
        Partons, or jets of particles.
    rng : numpy.random.Generator
    electron : ndarray of bool, shape (events,)
        Whether the leptons are electrons.
    massive : bool
        Whether they are jets of particles, which already have the mass of a jet.
    """
    near = leptons(true, electron, rng)
    # Most events fail for a missing lepton: those need no jets.
    dilepton = (near.vectors[0] > 0).all(axis=1)
    near = Leptons(near.vectors[:, dilepton])
    event_jets = jets(partons[:, dilepton], flavour[dilepton], near, rng, massive)
    rows = kept(near, event_jets)
    return candidates(Leptons(near.vectors[:, rows]), Jets(event_jets.vectors[:, rows], event_jets.tag[rows]))
