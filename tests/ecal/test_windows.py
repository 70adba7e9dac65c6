"""Windows of cells: placed by the cells alone, whole, and honest about events they cannot place."""

from __future__ import annotations

import numpy as np
import pytest

from projects.ecal.windows.placement import CELL, windows


def event(*cells: tuple[int, int, float], shift: float = 0.0):
    """Offsets and flat cells of one event from (ix, iy, energy)."""
    ix, iy, energy = np.array(cells, dtype=float).T
    return [0, len(cells)], ix * CELL + shift, iy * CELL - shift, energy


def total(placed) -> float:
    return float(placed.energy.sum())


def test_every_cell_is_where_the_corner_says() -> None:
    placed = windows(*event((3, 4, 5.0), (5, 7, 2.0), shift=1.7), 9)
    iy, ix = np.nonzero(placed.energy[0])
    np.testing.assert_allclose(np.sort(placed.x0[0] + ix * CELL), [3 * CELL + 1.7, 5 * CELL + 1.7])
    np.testing.assert_allclose(np.sort(placed.y0[0] + iy * CELL), [4 * CELL - 1.7, 7 * CELL - 1.7])
    assert total(placed) == pytest.approx(7.0)


def test_a_weak_photon_is_not_given_up_for_the_tail_of_a_strong_one() -> None:
    cells = [(0, 0, 150.0), (8, 0, 3.0), (-1, 0, 0.4)]
    placed = windows(*event(*cells), 9)
    assert set(np.round(placed.energy[placed.energy > 0], 3)) == {np.float32(150.0), np.float32(3.0)}


def test_the_window_moves_with_the_cells() -> None:
    rng = np.random.default_rng(1)
    cells = [
        (int(x), int(y), e)
        for (x, y), e in zip(rng.integers(0, 6, (12, 2)), rng.uniform(1, 9, 12), strict=True)
    ]
    here = windows(*event(*cells), 9)
    there = windows(*event(*[(x + 11, y - 5, e) for x, y, e in cells]), 9)
    np.testing.assert_array_equal(here.energy, there.energy)
    np.testing.assert_allclose([there.x0 - here.x0, there.y0 - here.y0], [[11 * CELL], [-5 * CELL]])


def test_random_placement_keeps_the_signal_and_repeats_with_its_seed() -> None:
    flat = event((3, 4, 5.0), (5, 7, 2.0))
    corners = set()
    for seed in range(30):
        placed = windows(*flat, 9, 0.0, "random", np.random.default_rng(seed))
        again = windows(*flat, 9, 0.0, "random", np.random.default_rng(seed))
        np.testing.assert_array_equal(placed.energy, again.energy)
        assert total(placed) == pytest.approx(7.0)
        corners.add((float(placed.x0[0]), float(placed.y0[0])))
    assert len(corners) > 5


@pytest.mark.parametrize(
    "cells",
    [
        [(0, 0, np.nan), (1, 0, 2.0)],
        [(0, 0, np.inf), (1, 0, 2.0)],
        [(0.5, 0, 1.0), (0, 0, 2.0)],
        [(0, 0, 1.0), (4000, 0, 2.0)],
        [(0, 0, 0.01)],
    ],
    ids=["nan", "infinite", "off the grid", "too wide", "below threshold"],
)
def test_an_event_that_cannot_be_placed_is_said_to_be_unusable(
    cells: list[tuple[float, float, float]],
) -> None:
    placed = windows(*event(*cells), 9, 0.1)
    assert not placed.usable[0]
    assert total(placed) == 0


def test_many_events_are_as_each_alone() -> None:
    rng = np.random.default_rng(2)
    parts = [event(*[(int(x), int(y), 1.0 + x) for x, y in rng.integers(0, 9, (n, 2))]) for n in (3, 1, 9)]
    joined = [np.concatenate([np.asarray(part[i]) for part in parts]) for i in (1, 2, 3)]
    together = windows(np.cumsum([0, 3, 1, 9]), *joined, 9)
    for k, part in enumerate(parts):
        np.testing.assert_array_equal(windows(*part, 9).energy[0], together.energy[k])


def test_a_placement_that_is_unknown_or_has_no_generator_is_refused() -> None:
    with pytest.raises(ValueError, match="'left' is unknown"):
        windows(*event((0, 0, 1.0)), 9, 0.0, "left")
    with pytest.raises(ValueError, match="random generator"):
        windows(*event((0, 0, 1.0)), 9, 0.0, "random")
