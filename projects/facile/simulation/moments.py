"""Comparison of the moments of the simulated slices with those of the original study's sample.

``python -m projects.facile.simulation.moments [hits] [seed]`` prints the table.
"""

from __future__ import annotations

import argparse

import numpy as np

from projects.facile.simulation.events import simulate
from projects.facile.simulation.generator import LAST_BARREL
from shashlik.task.sample import Sample

__all__ = ["REAL", "main", "moments", "table"]

#: Means and standard deviations of the gain in GeV/fC and of the charge in the eight slices in fC, from the
#: BatchNormalization layers of the study's released networks.
REAL = {
    "barrel": (
        (5.61e-4, 137, 167, 176, 4977, 2462, 808, 397, 266),
        (1.86e-4, 287, 356, 398, 14275, 6294, 1664, 636, 368),
    ),
    "endcap": (
        (7.21e-4, 2058, 2784, 2981, 11225, 6760, 4010, 3125, 1474),
        (5.2e-4, 4172, 5760, 5753, 20242, 10349, 6199, 5168, 2459),
    ),
}  # fmt: skip
_NAMES = ("gain (1e-4 GeV/fC)", *(f"slice {place} (fC)" for place in range(8)))


def moments(sample: Sample) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    """Return the same moments of a sample."""
    values = np.column_stack([np.asarray(sample["gain"]), np.asarray(sample["raw"])])
    barrel = np.abs(np.asarray(sample["ieta"])) <= LAST_BARREL
    return {
        part: (tuple(values[rows].mean(axis=0)), tuple(values[rows].std(axis=0)))
        for part, rows in (("barrel", barrel), ("endcap", ~barrel))
    }


def table(found: dict[str, tuple[tuple[float, ...], tuple[float, ...]]]) -> str:
    """Format Markdown: both samples and the ratios."""
    lines = ["| | | mean | real | ratio | sd | real | ratio |", "|---|---|---:|---:|---:|---:|---:|---:|"]
    for part, part_moments in found.items():
        for row, (name, *numbers) in enumerate(zip(_NAMES, *part_moments, *REAL[part], strict=True)):
            mean, sd, real_mean, real_sd = (1e4 * n if row == 0 else n for n in numbers)
            digits = 2 if row == 0 else 0
            lines.append(
                f"| {part} | {name} | {mean:.{digits}f} | {real_mean:.{digits}f} | {mean / real_mean:.2f} "
                f"| {sd:.{digits}f} | {real_sd:.{digits}f} | {sd / real_sd:.2f} |"
            )
    return "\n".join(lines)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("hits", nargs="?", type=int, default=200_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    arguments = parser.parse_args()
    print(table(moments(simulate(arguments.hits, arguments.seed))))


if __name__ == "__main__":
    main()
