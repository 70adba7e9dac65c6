"""Comparison of the moments of the simulation with those of the real sample.

``python -m projects.clas12.simulation.moments [events] [seed]`` prints the table; with ``--calibrate`` it
first fits the coefficients of `projects.clas12.simulation.efficiency`, with twenty times as many proposals,
and prints them.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from projects.clas12.events import Events, of
from projects.clas12.kinematics import PI0
from projects.clas12.simulation import efficiency
from projects.clas12.simulation.events import detect, simulate
from projects.clas12.simulation.generator import propose

__all__ = ["REAL", "calibrate", "main", "moments", "table"]

#: Mean and standard deviation of 265 928 events of e p -> e p pi0, by the original study.
REAL = {
    "log eP": (1.7128, 0.2744),
    "theta_e": (0.2579, 0.08476),
    "phi_e": (-0.097, 1.824),
    "log pP": (-0.01355, 0.43991),
    "theta_p": (0.48495, 0.13848),
    "phi_p": (-0.019, 1.820),
    "log Q2": (1.26354, 0.38928),
    "log(-t)": (-0.26438, 0.72681),
    "dlogp": (0.025778, 0.041148),
    "dMM2": (0.025418, 0.097911),
}
#: Variables whose moments the efficiency prescribes: -t is a function of pP, and the detector sets the
#: targets.
_PRESCRIBED = ("log eP", "theta_e", "phi_e", "log pP", "theta_p", "phi_p", "log Q2")


def _values(events: Events) -> dict[str, NDArray[np.floating]]:
    return dict(zip(REAL, np.hstack([events.features, events.targets]).T, strict=True))


def moments(events: Events) -> dict[str, tuple[float, float]]:
    """Return mean and standard deviation of the eight features and both targets."""
    return {name: (float(np.mean(v)), float(np.std(v))) for name, v in _values(events).items()}


def table(found: Mapping[str, tuple[float, float]]) -> str:
    """Format Markdown: both samples, the distance of means in standard deviations, their ratio."""
    lines = ["| | mean | real | difference / sd | sd | real | ratio |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name, (mean, sd) in found.items():
        real_mean, real_sd = REAL[name]
        away = f"{(mean - real_mean) / real_sd:+.3f}"
        lines.append(
            f"| {name} | {mean:.4f} | {real_mean:.4f} | {away} | {sd:.4f} | {real_sd:.4f} "
            f"| {sd / real_sd:.3f} |"
        )
    return "\n".join(lines)


def calibrate(proposals: int, seed: int) -> tuple[NDArray[np.floating], float]:
    """Fit the efficiency's coefficients and ceiling, so that reconstructed events have `REAL` moments."""
    rng = np.random.default_rng(seed)
    detected = detect(rng, propose(rng, proposals, PI0))
    generated, none = detected.generated, np.zeros(len(detected.central), dtype=bool)
    events = Events(
        detected.electron, detected.proton, detected.central, generated.electron, generated.proton, none
    )
    values = _values(events)
    scaled = np.stack([(values[name] - REAL[name][0]) / REAL[name][1] for name in _PRESCRIBED], axis=1)
    deviations = np.hstack([scaled, scaled**2 - 1.0])
    parts, start = efficiency.functions(generated.electron, generated.proton), np.log(generated.weight)

    def shares(coefficients: NDArray) -> NDArray:
        logs = start + parts @ coefficients
        weight = np.exp(logs - logs.max())
        return weight / weight.sum()

    def slopes(coefficients: NDArray) -> NDArray:
        weight = shares(coefficients)
        return (deviations * weight[:, None]).T @ parts - np.outer(weight @ deviations, weight @ parts)

    coefficients = least_squares(lambda c: shares(c) @ deviations, np.zeros(parts.shape[1]), slopes).x
    # Almost no event exceeds it, and those that do are always accepted.
    return coefficients, float(np.quantile(start + parts @ coefficients, 0.9995))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("events", nargs="?", type=int, default=100_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--calibrate", action="store_true", help="find the efficiency's coefficients first")
    arguments = parser.parse_args()
    if arguments.calibrate:
        coefficients, efficiency.CEILING = calibrate(20 * arguments.events, arguments.seed)
        efficiency.COEFFICIENTS = tuple(coefficients.tolist())
        print("COEFFICIENTS =", tuple(np.round(efficiency.COEFFICIENTS, 4).tolist()))
        print(f"CEILING = {efficiency.CEILING:.3f}")
    print(table(moments(of(simulate(arguments.events, 0.0, arguments.seed)))))


if __name__ == "__main__":
    main()
