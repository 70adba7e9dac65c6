"""Events as networks take them: windows of cells, where they are, and the true photons in them."""

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

#: Simulated at a time; a few seconds of work and of progress.
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
        """Events `first` to `last`."""
        return Windowed(self.cells[first:last], self.corner[first:last], self.truth[first:last])

    def inputs(self, model: Any) -> Any:
        """What a Keras model takes of ``cells`` and ``corner``: an array, or a tuple of both."""
        taken = tuple(getattr(self, tensor.name) for tensor in model.inputs)
        return taken if len(taken) > 1 else taken[0]

    def logarithmic(self) -> NDArray[np.float32]:
        """`truth` with energies as the fit's parameters, ln(E/GeV)."""
        points = self.truth.copy()
        points[:, 2::3] = np.log(points[:, 2::3])
        return points

    def seen(self, incidence: str) -> NDArray[np.float32]:
        """The same with the showers where they are seen: for photons from the target deeper than the face."""
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
    """The usable events in their windows.

    Parameters
    ----------
    cells : tuple of ndarray
        Offsets, x, y (cm) and energies (GeV), as `projects.ecal.windows.placement.windows` takes them, as all
        that follows `truth`.
    truth : ndarray, shape (n, photons, 3)
        x, y (cm) and energy (GeV).
    """
    placed = windows(*cells, size, threshold, placement, rng, cluster, larger)
    corner = np.stack([placed.x0, placed.y0], axis=1)
    photons = truth.copy()
    photons[..., :2] -= corner[:, None]
    kept, flat = placed.usable, photons.reshape(len(photons), -1).astype(np.float32)
    return Windowed(placed.energy[kept], corner[kept].astype(np.float32), flat[kept])


def simulated(
    simulate: Callable[[int, int], Sample],
    place: Callable[[Sample, np.random.Generator], Windowed],
    events: int,
    seed: int,
) -> Windowed:
    """Training events of the simulation, placed some at a time, as cells of all would take much memory."""
    rng = np.random.default_rng((seed, 1))
    parts: list[Windowed] = []
    with tqdm(total=events, unit="event", desc="training events") as bar:
        # The bar itself does not count where TQDM_DISABLE is set.
        for first in range(0, events, _CHUNK):
            some = min(_CHUNK, events - first)
            # Far from the small seeds that people choose for samples.
            own = int(np.random.SeedSequence((seed, len(parts))).generate_state(1)[0])
            parts.append(place(simulate(some, own), rng))
            bar.update(some)
    return Windowed(
        *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Windowed))
    )
