"""Run network.onnx on the golden inputs and compare its outputs with the golden outputs.

Needs numpy and onnxruntime: ``python verify.py``. The exit code is 0 if all outputs agree, and 1 if not.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnxruntime

__all__ = ["verify"]

#: Tolerances relative to a value, and to the largest value of the output.
TOLERANCES = {"float32": (1e-4, 1e-5), "float64": (1e-6, 1e-9)}


def verify(bundle: Path) -> bool:
    """Check that a bundle's network reproduces its golden vectors; print one line per output."""
    golden, session = bundle / "golden", onnxruntime.InferenceSession(str(bundle / "network.onnx"))
    inputs = {
        tensor.name: np.load(golden / "inputs" / f"{tensor.name}.npy") for tensor in session.get_inputs()
    }
    usable = np.load(golden / "usable.npy").astype(bool)
    names = [tensor.name for tensor in session.get_outputs()]
    good = True
    for name, actual in zip(names, session.run(names, inputs), strict=True):
        expected = np.load(golden / "outputs" / f"{name}.npy")
        relative, absolute = TOLERANCES[str(expected.dtype)]
        numbers = np.isfinite(expected)
        room = relative * np.abs(expected) + absolute * np.max(np.abs(expected[numbers]), initial=0)
        difference = np.abs(actual - expected)
        wrong = usable & np.where(numbers, ~(difference <= room), np.isfinite(actual))
        worst = np.max(difference[usable & np.isfinite(difference)], initial=0)
        print(f"{name:12} largest difference {worst:.3g}, {wrong.sum()} of {len(expected)} events differ")
        good &= not wrong.any()
    print("network.onnx repeats the golden vectors" if good else "network.onnx does NOT repeat them")
    return good


if __name__ == "__main__":
    sys.exit(not verify(Path(__file__).parent))
