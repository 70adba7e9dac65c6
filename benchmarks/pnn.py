"""Benchmark the parameterised network: speed, held-out masses, responses against the mass, tail
probabilities.

``python -m benchmarks.pnn [speed] [held-out] [response] [tails] [--events 100000]`` prints a table for each;
by default all four. Speeds are ratios within one run, after the first epoch, in which TensorFlow compiles.
Areas have the errors of DeLong's method, differences those of the same events.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from projects.pnn import cross_fit
from projects.pnn.baselines import Trees
from projects.pnn.ensemble.methods import Committee, Ensemble
from projects.pnn.ensemble.one_cycle import Cycle
from projects.pnn.ensemble.stacked_step import Events, Member
from projects.pnn.ensemble.training import train
from projects.pnn.halves import Half, balanced, features, folds, halves, scales
from projects.pnn.predictor import network_responses
from projects.pnn.schema import HELD_OUT, MASSES, SIGNAL, is_signal, label
from projects.pnn.simulation.events import simulate
from projects.pnn.tail_probability import tabulated, tail_probability
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from tracking.statistics.roc import influence
from tracking.statistics.scores import Scores

#: Original study: seconds per model, and training events of a model: 9 of 10 folds of 753 940, 15 epochs.
SEED_SECONDS, SEED_EVENTS = 401.1, 753_940 * 0.9 * 15
#: Masses held out together.
THREE = (400, 650, 900)


def speed(sample: Sample, members: int = 10, epochs: int = 4) -> None:
    """Time ten members trained together against one after another, by wall clock and processor."""
    half = halves(sample, HELD_OUT, 1)[0]
    inputs = np.concatenate([half.features, half.masses[:, None]], axis=1)
    mean, deviation = scales(inputs)
    events = Events(((inputs - mean) / deviation).astype(np.float32), half.signal, half.weights)
    fold = folds(half, 10, np.random.default_rng(1))
    group = [Member(np.flatnonzero(fold != index), np.flatnonzero(fold == index)) for index in range(members)]
    print(f"\n{len(half)} events, {members} members, {epochs} epochs\n")
    print("| batch | | seconds a model | processor | events/s | the study's events | than the study |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for batch in (256, 1024):
        cycle = Cycle(epochs=epochs, batch=batch)
        times = {
            "together": _timed(events, group, cycle),
            "one by one": sum(_timed(events, [member], cycle) for member in group),
        }
        for name, seconds in times.items():
            clock, processor = seconds / members
            rate = len(group[0].train) * (epochs - 1) / clock
            print(
                f"| {batch} | {name} | {clock:.2f} | {processor:.2f} | {rate:.0f} | "
                f"{SEED_EVENTS / rate:.0f} s | {SEED_SECONDS * rate / SEED_EVENTS:.1f} x faster |"
            )
        ratio = times["one by one"] / times["together"]
        print(f"| {batch} | ratio | {ratio[0]:.1f} | {ratio[1]:.1f} | | | |")


def _timed(events: Events, group: list[Member], cycle: Cycle) -> NDArray[np.floating]:
    """Measure wall and processor seconds of all epochs except the first."""
    ends: list[NDArray[np.floating]] = []

    def curve(*facts: object) -> None:
        ends.append(np.array([time.perf_counter(), time.process_time()]))

    with tempfile.TemporaryDirectory() as folder:
        train("speed", events, group, (25, 3), cycle, Bench(seed=1, scratch=Path(folder), curve=curve))
    return ends[-1] - ends[0]


@dataclass(frozen=True)
class Crossed:
    """Committees of two halves, each of which predicts the other half."""

    parts: tuple[Committee, Committee]

    def responses(
        self, sample: Sample, rows: NDArray[np.integer], masses: tuple[int, ...]
    ) -> NDArray[np.floating]:
        """Compute responses of selected events under selected masses."""
        matrix, odd = features(sample)[rows], sample["event"][rows] % 2 == 1
        responses = np.empty((len(rows), len(masses)))
        for part, mask in zip(self.parts, (odd, ~odd), strict=True):
            responses[mask] = network_responses(part.model, matrix[mask], masses)
        return responses


def learned(sample: Sample, method: Ensemble, held_out: tuple[int, ...], only: int = 0) -> Crossed:
    """Train a method on both halves; with `only`, the signal is restricted to that mass."""
    parts = []
    for half, name in zip(halves(sample, held_out, 1), ("even", "odd"), strict=True):
        selected = _of_mass(half, only) if only else half
        with tempfile.TemporaryDirectory() as folder:
            parts.append(method.learn(selected, name, Bench(seed=1, scratch=Path(folder))))
    return Crossed((parts[0], parts[1]))


def _of_mass(half: Half, mass: int) -> Half:
    rows = ~half.signal | (half.masses == mass)
    some = replace(half, **{column.name: getattr(half, column.name)[rows] for column in fields(half)})
    masses = np.full(len(some), mass, np.float32)
    return replace(some, masses=masses, weights=balanced(some.signal, masses))


def _richer(sample: Sample, mass: int) -> Sample:
    """Combine the background with as much signal of one mass as the sample has in total."""
    number = int(is_signal(sample).sum())
    signal = simulate(number, 2, numbers={(SIGNAL, mass): number})
    return Sample.concatenate([sample.select(~is_signal(sample)), signal])


def _scores(sample: Sample, rows: NDArray[np.integer], mass: int, way: Crossed) -> Scores:
    signal, response = is_signal(sample)[rows], way.responses(sample, rows, (mass,))
    ones = np.ones(len(rows))
    return Scores(
        response,
        np.ones((len(rows), 1), bool),
        signal,
        ones,
        ones,
        (label(mass),),
        np.array([float(mass)]),
        np.array([True]),
    )


def held_out(sample: Sample, members: int, epochs: int, own: bool) -> None:
    """Compare the network at masses excluded from training with dedicated networks and one without the mass.

    A dedicated network trains on as much signal of its mass as the network has in total; with `own`, only on
    the signal of that mass in the sample.
    """
    method = Ensemble(members=members, cycle=Cycle(epochs=epochs))
    blind = replace(method, parameterised=False)
    ways = {
        "900 held out": learned(sample, method, HELD_OUT),
        "three held out": learned(sample, method, THREE),
        "nothing held out": learned(sample, method, ()),
        "without mass, 900 held out": learned(sample, blind, HELD_OUT),
    }
    print(f"\n{len(sample)} events, {members} members, {epochs} epochs; area under the curve\n")
    print("| mass | network | area | less the dedicated network's |\n|---:|---|---:|---:|")
    signal, true = is_signal(sample), sample["res_mass"]
    for mass in THREE:
        dedicated = learned(sample if own else _richer(sample, mass), blind, (), only=mass)
        rows = np.flatnonzero(~signal | (true == mass))
        base, parts = influence(_scores(sample, rows, mass, dedicated))
        error = np.sqrt(np.sum(parts**2))
        print(f"| {mass} | dedicated, {members} members | {base[0]:.4f} ± {error:.4f} | |")
        for name, way in ways.items():
            if name.endswith("900 held out") and mass not in HELD_OUT:
                continue
            area, each = influence(_scores(sample, rows, mass, way))
            errors = [np.sqrt(np.sum(terms**2)) for terms in (each, each - parts)]
            less = f"{area[0] - base[0]:+.4f} ± {errors[1]:.4f}"
            print(f"| {mass} | {name} | {area[0]:.4f} ± {errors[0]:.4f} | {less} |")


def response(sample: Sample, members: int, epochs: int) -> None:
    """Print the mean response of background and of the signal of each mass under all masses."""
    way = learned(sample, Ensemble(members=members, cycle=Cycle(epochs=epochs)), HELD_OUT)
    responses = way.responses(sample, np.arange(len(sample)), MASSES)
    signal, true = is_signal(sample), sample["res_mass"]
    print(
        "\n| events | peaks at | steps from its own | response there | at its own |\n"
        "|---|---:|---:|---:|---:|"
    )
    for index, mass in enumerate(MASSES):
        mean = responses[signal & (true == mass)].mean(axis=0)
        peak = int(np.argmax(mean))
        print(
            f"| signal {mass} | {MASSES[peak]} | {abs(peak - index)} | {mean[peak]:.3f} | {mean[index]:.3f} |"
        )
    means = responses[~signal].mean(axis=0)
    errors = responses[~signal].std(axis=0) / np.sqrt(np.count_nonzero(~signal))
    high, low = int(np.argmax(means)), int(np.argmin(means))
    ratio = means[high] / means[low]
    error = ratio * np.hypot(errors[high] / means[high], errors[low] / means[low])
    print("\n| background under | " + " | ".join(str(mass) for mass in MASSES) + " |")
    print("|---|" + "---:|" * len(MASSES))
    print("| mean response | " + " | ".join(f"{value:.3f}" for value in means) + " |")
    print(
        f"\nbackground: largest {means[high]:.4f} ± {errors[high]:.4f} under {MASSES[high]}, least "
        f"{means[low]:.4f} ± {errors[low]:.4f} under {MASSES[low]}, ratio {ratio:.1f} ± {error:.1f}"
    )


def tails(sample: Sample, members: int, epochs: int) -> None:
    """Print the share of new background below a tail probability, by the source of its table.

    The source is a quarter of the half that a method trained on, a quarter of the other half or, for the
    method's own predictions, both quarters of the other half. Shares are averages over the masses; the
    largest over the smallest is given too.
    """
    new = simulate(len(sample), 3)
    new = new.select(~is_signal(new))
    ways: dict[str, cross_fit.Method] = {
        "trees": Trees(100),
        "network": Ensemble(members=members, cycle=Cycle(epochs=epochs)),
    }
    levels = (0.1, 0.01, 0.001)
    print(f"\n{len(sample)} events, asked {len(new)} new ones of the background\n")
    print("| | table from | mean | " + " | ".join(f"{100 * level:g} % meant" for level in levels) + " |")
    print("|---|---|" + "---:|" * (1 + len(levels)))
    for name, method in ways.items():
        with tempfile.TemporaryDirectory() as folder:
            way = cross_fit.Crossed(name, method, HELD_OUT).fit(sample, Bench(seed=1, scratch=Path(folder)))
        responses = [part.responses(new.columns) for part in way.parts]
        probabilities = {}
        for text, other in (("learned from", 0), ("not learned from", 1)):
            parts = []
            for parity, part in enumerate(way.parts):
                background = sample.select(~is_signal(sample) & (sample["event"] % 4 == (parity + other) % 2))
                table = tabulated(part.responses(background.columns), np.ones(len(background)))
                parts.append(tail_probability(responses[parity], table))
            probabilities[text] = np.concatenate(parts)
        answers = way.predict(new)
        probabilities["as it answers"] = np.stack([answers[f"p{mass}"] for mass in MASSES], axis=1)
        for text, values in probabilities.items():
            rows = [values.mean(axis=0), *(100 * np.mean(values <= level, axis=0) for level in levels)]
            cells = " | ".join(f"{row.mean():.4g} ({row.max() / row.min():.3f})" for row in rows)
            print(f"| {name} | {text} | {cells} |")


def main() -> None:
    """Print the selected parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help="speed, held-out, response, tails; all without")
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--members", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--own-signal", action="store_true", help="dedicated networks get no more signal")
    options = parser.parse_args()
    all_parts = {"speed", "held-out", "response", "tails"}
    if unknown := set(options.what) - all_parts:
        parser.error(f"no part {unknown.pop()!r}; known: {', '.join(sorted(all_parts))}")
    sample = simulate(options.events, 1)
    selected = set(options.what) or all_parts
    if "speed" in selected:
        speed(sample)
    if "held-out" in selected:
        held_out(sample, options.members, options.epochs, options.own_signal)
    if "response" in selected:
        response(sample, options.members, options.epochs)
    if "tails" in selected:
        tails(sample, options.members, options.epochs)


if __name__ == "__main__":
    main()
