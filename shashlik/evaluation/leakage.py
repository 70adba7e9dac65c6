"""Detect events that two samples share, by their ids and by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample

__all__ = ["identify", "refuse"]

#: An odd number near the golden ratio of 2^64: spreads run numbers, to combine run and event in one number.
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def identify(sample: Sample) -> dict[str, NDArray[np.uint64]]:
    """Compute two numbers for every event: ``ids`` from its id columns, ``content`` from its inputs.

    ``ids`` is empty for a sample that lacks an id column; ``content`` leaves out events without any content.
    """
    names = sample.schema.having("id")
    # A run number without an event number identifies no event.
    names = names if all(name in sample for name in names) else ()
    ids = np.zeros(len(sample) if names else 0, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for name in names:
            ids = ids * _SPREAD + np.asarray(sample[name]).astype(np.int64).astype(np.uint64)
    return {"ids": ids, "content": _content(sample)}


def _content(sample: Sample) -> NDArray[np.uint64]:
    parts: list[tuple[bytes, NDArray[np.integer]]] = []
    for name in sample.schema.having("input"):
        if name not in sample:
            continue
        column = sample.schema[name]
        kind = "<i8" if column.kind == "int" else "<f4"
        array = sample[name]
        counts = ak.to_numpy(ak.num(array)) if column.jagged else np.ones(len(sample), dtype=np.int64)
        flat = ak.to_numpy(ak.flatten(array) if column.jagged else array)
        ends = np.concatenate([[0], np.cumsum(counts)]) * np.dtype(kind).itemsize
        parts.append((np.ascontiguousarray(flat).astype(kind).tobytes(), ends))
    hashes = []
    for event in range(len(sample)):
        text = b"".join(flat[ends[event] : ends[event + 1]] for flat, ends in parts)
        if text.strip(b"\0"):
            hashes.append(int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little"))
    return np.array(hashes, dtype=np.uint64)


def refuse(sample: Sample, version: int, known: Mapping[str, NDArray[np.uint64]]) -> Sample:
    """Return the sample itself if it shares no event with the frozen sample.

    Parameters
    ----------
    sample : Sample
        Events to train or tune on.
    version : int
        Number of the frozen sample, for the message.
    known : mapping of str to ndarray
        Result of `identify` for the frozen sample.

    Raises
    ------
    BadInput
        With the number of shared events.
    """
    for kind, numbers in identify(sample).items():
        shared = int(np.isin(numbers, known[kind]).sum())
        if shared:
            criterion = "run and event number" if kind == "ids" else "content"
            raise BadInput(
                f"{sample.source}: {shared} of {len(sample)} training events are in frozen sample {version} "
                f"by their {criterion}; leave them out, or give the events other numbers if they are others"
            )
    return sample
