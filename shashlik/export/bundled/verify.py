"""Asks network.onnx about the golden inputs and compares its answers with the golden outputs.

Needs numpy and onnxruntime: ``python verify.py``. Exit code 0 if all agree, 1 if not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime

__all__ = ["verify"]

#: Allowed difference relative to a value, and to the largest value of the output.
TOLERANCES = {"float32": (1e-4, 1e-5), "float64": (1e-6, 1e-9)}


def verify(bundle: Path) -> bool:
    """Whether a bundle's network repeats its golden vectors; prints a line an output."""
    golden, session = bundle / "golden", onnxruntime.InferenceSession(str(bundle / "network.onnx"))
    inputs = {one.name: np.load(golden / "inputs" / f"{one.name}.npy") for one in session.get_inputs()}
    usable = np.load(golden / "usable.npy").astype(bool)
    names = [one.name for one in session.get_outputs()]
    good = True
    for name, found in zip(names, session.run(names, inputs), strict=True):
        wanted = np.load(golden / "outputs" / f"{name}.npy")
        relative, absolute = TOLERANCES[str(wanted.dtype)]
        numbers = np.isfinite(wanted)
        room = relative * np.abs(wanted) + absolute * np.max(np.abs(wanted[numbers]), initial=0)
        difference = np.abs(found - wanted)
        wrong = usable & np.where(numbers, ~(difference <= room), np.isfinite(found))
        worst = np.max(difference[usable & np.isfinite(difference)], initial=0)
        print(f"{name:12} largest difference {worst:.3g}, {wrong.sum()} of {len(wanted)} events differ")
        good &= not wrong.any()
    print("network.onnx repeats the golden vectors" if good else "network.onnx does NOT repeat them")
    return good


if __name__ == "__main__":
    sys.exit(not verify(Path(__file__).parent))
