"""Clusters of hit cells in windows: what is linked, and what becomes of a cluster that is too large."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.ndimage import generate_binary_structure, label
from test_windows import event, total
from tqdm.auto import tqdm

from projects.ecal.windows.placement import windows
from projects.ecal.windows.training_events import Windowed, simulated

#: An L of side neighbours, a cell that touches it by a corner, and one apart, which is not the highest.
CELLS = [(0, 0, 9.0), (1, 0, 5.0), (1, 1, 2.0), (2, 2, 1.0), (4, 0, 0.7)]


@pytest.mark.parametrize(("cluster", "energy"), [("all", 17.7), ("corners", 17.0), ("sides", 16.0)])
def test_a_cluster_is_what_neighbours_link_to_the_highest_cell(cluster: str, energy: float) -> None:
    assert total(windows(*event(*CELLS), 5, cluster=cluster)) == pytest.approx(energy)


@pytest.mark.parametrize("corners", [False, True])
def test_clusters_are_those_of_a_library(corners: bool) -> None:
    rng = np.random.default_rng(4)
    for _ in range(30):
        iy, ix = np.nonzero(rng.random((8, 8)) < 0.45)
        energy = rng.uniform(1, 50, len(ix)).astype(np.float32)
        grid = np.zeros((8, 8))
        grid[iy, ix] = energy
        labels, _ = label(grid > 0, generate_binary_structure(2, 2 if corners else 1))
        highest = labels[np.unravel_index(grid.argmax(), grid.shape)]
        cells = list(zip(ix, iy, energy, strict=True))
        placed = windows(*event(*cells), 15, cluster="corners" if corners else "sides")
        assert total(placed) == pytest.approx(grid[labels == highest].sum(), rel=1e-5)


def test_a_larger_cluster_is_cut_or_dropped() -> None:
    line = [(ix, 0, 10.0 - abs(ix)) for ix in range(-3, 4)]
    cut = windows(*event(*line), 5, cluster="sides")
    assert cut.usable[0]
    assert (cut.energy > 0).sum() == 5
    dropped = windows(*event(*line), 5, cluster="sides", larger="drop")
    assert not dropped.usable[0]
    assert total(dropped) == 0
    assert windows(*event(*line), 7, cluster="sides", larger="drop").usable[0]


def test_what_is_dropped_is_the_cluster_and_not_the_event() -> None:
    far = [(0, 0, 9.0), (9, 9, 0.5)]
    assert windows(*event(*far), 5, cluster="corners", larger="drop").usable[0]
    assert not windows(*event(*far), 5, cluster="all", larger="drop").usable[0]


def test_random_placement_moves_a_cluster_to_every_place_it_fits_in() -> None:
    flat = event((3, 4, 5.0), (4, 4, 2.0), (9, 9, 1.0))
    corners = set()
    for seed in range(200):
        placed = windows(*flat, 5, 0.0, "random", np.random.default_rng(seed), "sides")
        assert total(placed) == pytest.approx(7.0)
        corners.add((round(placed.x0[0], 2), round(placed.y0[0], 2)))
    assert len(corners) == 4 * 5


def test_events_without_a_cell_have_no_cluster() -> None:
    placed = windows([0, 0], [], [], [], 5, cluster="sides", larger="drop")
    assert not placed.usable[0]


@pytest.mark.parametrize(("name", "value"), [("cluster", "edges"), ("larger", "keep")])
def test_unknown_words_are_refused(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=f"{name} '{value}' is unknown"):
        windows(*event((0, 0, 1.0)), 5, **{name: value})


def test_training_events_are_simulated_without_a_progress_bar_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """TQDM_DISABLE is set in batch jobs; a disabled bar does not count."""
    monkeypatch.setattr("projects.ecal.windows.training_events.tqdm", partial(tqdm, disable=True))
    asked: list[int] = []

    def simulate(events: int, seed: int) -> int:
        asked.append(events)
        assert len(asked) < 10
        return events

    def place(events: int, rng: np.random.Generator) -> Windowed:
        return Windowed(np.zeros((events, 5, 5)), np.zeros((events, 2)), np.zeros((events, 3)))

    assert len(simulated(simulate, place, 45_000, 1)) == 45_000
    assert sum(asked) == 45_000
    assert len(asked) > 1
