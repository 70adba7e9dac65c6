"""Comparison of the simulated showers with Geant4.

``python -m projects.ecal.geant4.validation <showers.npz, single.root or pairs.root> <folder> [--held-out]``

The source contains single photons at normal incidence without noise and threshold: a shower library as in
`projects.ecal.geant4.calibration` or a ROOT file of the ECAL schema. The command simulates photons of the
same energies, prints a table of moments and writes figures of the lateral profile, the resolution of energy
and position, and the correlations. With ``--held-out`` the shower model is first recalibrated to every second
shower of the library and compared with the others. From a ROOT file of pairs, the command compares the
resolutions of the tuned fits.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path

import awkward as ak
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from projects.ecal.detector import SCHEMA
from projects.ecal.geant4.calibration import BANDS, calibrate
from projects.ecal.geant4.library import Library
from projects.ecal.geant4.pair_check import pair_figure, pair_resolutions, pair_table
from projects.ecal.geant4.shower_figures import figures
from projects.ecal.geant4.single_photons import ENOUGH, Photons, bands, simulated
from projects.ecal.simulation.showers import ShowerModel, geant4_model
from shashlik.exceptions import BadInput
from shashlik.task import rootio

__all__ = ["compare", "main", "table"]

#: Fewest simulated photons, so that the Geant4 showers dominate the uncertainty.
SIMULATED = 60_000


def table(real: Photons, fast: Photons) -> str:
    """Format a Markdown table of the moments in `BANDS`: simulation, Geant4 and the ratio or, for shares and
    correlations, the difference."""
    lines = ["| E (GeV) | moment | simulation | Geant4 | ratio or difference |", "|---|---|---|---|---|"]
    for name, (low, high) in bands(real).items():
        simulated_moments, geant4_moments = (
            fast.between(low, high).moments(),
            real.between(low, high).moments(),
        )
        for key, value in simulated_moments.items():
            relative = key in ("cog_sigma", "rms", "width")
            compared = (
                f"{value / geant4_moments[key]:.3f}" if relative else f"{value - geant4_moments[key]:+.4f}"
            )
            lines.append(f"| {name} | {key} | {value:.4f} | {geant4_moments[key]:.4f} | {compared} |")
    return "\n".join(lines)


def compare(source: str, held_out: bool) -> tuple[str, Mapping[str, Figure]]:
    """Make table and figures for the file `source`; see the module.

    Raises
    ------
    BadInput
        If the file cannot be read, has too few photons or mixes single photons and pairs.
    """
    model = geant4_model()
    if source.endswith(".npz"):
        library = Library.read(Path(source))
        if held_out:
            model = calibrate(library.select(slice(0, None, 2)), "every second shower")
            library = library.select(slice(1, None, 2))
        return _compare_single(source, Photons.of_library(library), model)
    if held_out:
        raise BadInput(f"{source} with --held-out; only a shower library, an .npz file, can be calibrated to")
    events = rootio.read(source, SCHEMA)
    if ak.all(ak.num(events["true_e"]) == 2):
        resolutions = pair_resolutions(events)
        return pair_table(resolutions), {"pair_resolution": pair_figure(resolutions)}
    return _compare_single(source, Photons.of_sample(events), model)


def _compare_single(source: str, real: Photons, model: ShowerModel) -> tuple[str, Mapping[str, Figure]]:
    if not bands(real):
        ranges = ", ".join(f"{low:g}-{high:g}" for low, high in BANDS.values())
        raise BadInput(f"{source} has under {ENOUGH} photons in each of {ranges} GeV; give more photons")
    energy = np.tile(real.energy, -(-SIMULATED // len(real.energy)))
    fast = simulated(energy, model, seed=1)
    return table(real, fast), figures(real, fast)


def main(arguments: list[str]) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser("python -m projects.ecal.geant4.validation")
    parser.add_argument("source", help="showers.npz, single.root or pairs.root")
    parser.add_argument("folder", type=Path, help="where table and figures go")
    parser.add_argument(
        "--held-out", action="store_true", help="calibrate to one half, compare with the other"
    )
    options = parser.parse_args(arguments)
    try:
        text, pictures = compare(options.source, options.held_out)
        options.folder.mkdir(parents=True, exist_ok=True)
        (options.folder / "table.md").write_text(text + "\n", encoding="utf-8")
        for name, figure in pictures.items():
            figure.savefig(options.folder / f"{name}.png", dpi=110)
            plt.close(figure)
    except (BadInput, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    print(text)
    return 0


if __name__ == "__main__":
    plt.switch_backend("agg")
    sys.exit(main(sys.argv[1:]))
