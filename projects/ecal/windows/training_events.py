"""Training events of the networks: windows of cells, their positions, and the true photons in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm.auto import tqdm

from projects.ecal.detector import X0, Z_TARGET
from projects.ecal.windows.placement import windows
from shashlik.task.sample import Sample

__all__ = ["Windowed", "simulated", "windowed"]

#: Events simulated at a time, for a few seconds of work between progress updates.
_CHUNK = 20_000


@dataclass(frozen=True)
class Windowed:
    """Events in their windows.

    Parameters
    ----------
    cells : ndarray, shape (n, size, size)
        GeV.
    corner : ndarray, shape (n, 2)
        x and y of the centre of the lower-left cell, cm.
    truth : ndarray, shape (n, 3 photons)
        x and y at the front face in cm from that corner and energy in GeV of each photon.
    """

    cells: NDArray[np.float32]
    corner: NDArray[np.float32]
    truth: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.cells)

    def cut(self, first: int, last: int) -> Windowed:
        """Return events `first` to `last`."""
        return Windowed(self.cells[first:last], self.corner[first:last], self.truth[first:last])

    def inputs(self, model: Any) -> Any:
        """Return the inputs of a Keras model among ``cells`` and ``corner``: an array, or a tuple of both."""
        arrays = tuple(getattr(self, tensor.name) for tensor in model.inputs)
        return arrays if len(arrays) > 1 else arrays[0]

    def logarithmic(self) -> NDArray[np.float32]:
        """Return `truth` with energies as the fit's parameters, ln(E/GeV)."""
        points = self.truth.copy()
        points[:, 2::3] = np.log(points[:, 2::3])
        return points

    def seen(self, incidence: str) -> NDArray[np.float32]:
        """Return the same at the apparent shower positions, which for photons from the target lie deeper."""
        points = self.logarithmic()
        if incidence == "target":
            photon = points.reshape(len(points), -1, 3)
            depth = X0 * (photon[..., 2:] - np.log(0.025) + 1.5)
            photon[..., :2] += (photon[..., :2] + self.corner[:, None]) * depth / Z_TARGET
        return points


def windowed(
    cells: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]],
    truth: NDArray[np.floating],
    size: int,
    threshold: float,
    placement: str,
    rng: np.random.Generator,
    cluster: str = "all",
    larger: str = "cut",
) -> Windowed:
    """Place the usable events in windows.

    Parameters
    ----------
    cells : tuple of ndarray
        Offsets, x, y (cm) and energies (GeV). These and the arguments after `truth` are those of
        `projects.ecal.windows.placement.windows`.
    truth : ndarray, shape (n, photons, 3)
        x, y (cm) and energy (GeV).
    """
    placed = windows(*cells, size, threshold, placement, rng, cluster, larger)
    corner = np.stack([placed.x0, placed.y0], axis=1)
    photons = truth.copy()
    photons[..., :2] -= corner[:, None]
    usable, flat = placed.usable, photons.reshape(len(photons), -1).astype(np.float32)
    return Windowed(placed.energy[usable], corner[usable].astype(np.float32), flat[usable])


def simulated(
    simulate: Callable[[int, int], Sample],
    place: Callable[[Sample, np.random.Generator], Windowed],
    events: int,
    seed: int,
) -> Windowed:
    """Simulate training events in chunks, because the cells of all events would need much memory."""
    rng = np.random.default_rng((seed, 1))
    parts: list[Windowed] = []
    with tqdm(total=events, unit="event", desc="training events") as bar:
        # The bar's own count stays at zero if TQDM_DISABLE is set.
        for first in range(0, events, _CHUNK):
            size = min(_CHUNK, events - first)
            # Far from the small seeds that users choose for samples.
            chunk_seed = int(np.random.SeedSequence((seed, len(parts))).generate_state(1)[0])
            parts.append(place(simulate(size, chunk_seed), rng))
            bar.update(size)
    return Windowed(
        *(np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(Windowed))
    )
