"""Geometry of ECAL2 against the numbers published with coral."""

import numpy as np
import pytest

from projects.ecal.detector import (
    COLUMNS,
    MAX_ANGLE,
    PITCH,
    ROWS,
    SCHEMA,
    X0,
    Z_TARGET,
    cell_centre,
    cell_index,
    is_shashlik,
    shower_depth,
)
from shashlik.exceptions import BadInput


def test_shashlik_part_has_860_cells_in_a_box_of_48_by_24_without_the_beam_hole():
    ix, iy = np.meshgrid(np.arange(-5, COLUMNS + 5), np.arange(-5, ROWS + 5))
    shashlik = is_shashlik(ix, iy)
    assert shashlik.sum() == 860
    assert np.ptp(ix[shashlik]) + 1 == 48
    assert np.ptp(iy[shashlik]) + 1 == 24
    assert not is_shashlik([34, 35, 34, 35], [23, 23, 24, 24]).any()
    assert is_shashlik([33, 36, 34, 35], [23, 24, 22, 25]).all()


def test_cell_index_inverts_cell_centre_and_rounds_to_the_nearest_cell():
    ix, iy = np.meshgrid(np.arange(COLUMNS), np.arange(ROWS))
    x, y = cell_centre(ix, iy)
    shift = 0.499 * PITCH
    for dx, dy in ((0, 0), (shift, -shift), (-shift, shift)):
        found_x, found_y = cell_index(x + dx, y + dy)
        np.testing.assert_array_equal(found_x, ix)
        np.testing.assert_array_equal(found_y, iy)
    assert x.sum() == pytest.approx(0, abs=1e-9)
    assert cell_centre(31, 23)[0] == pytest.approx(-PITCH / 2)


def test_largest_angle_from_the_target():
    assert pytest.approx(0.0276, abs=1e-4) == MAX_ANGLE
    assert pytest.approx(3325.2) == Z_TARGET


def test_shower_depth_grows_by_one_radiation_length_per_e_fold():
    energy = np.array([0.5, 2.0, 20.0, 200.0])
    np.testing.assert_allclose(shower_depth(np.e * energy) - shower_depth(energy), X0)
    assert shower_depth(0.025) == pytest.approx(1.5 * X0)


@pytest.mark.parametrize("energy", [0.0, -1.0, np.nan])
def test_shower_depth_refuses_energies_that_are_not_positive(energy):
    with pytest.raises(BadInput, match="above 0 GeV"):
        shower_depth([10.0, energy])


def test_schema_requires_cells_and_truth_but_not_the_results_of_other_programs():
    assert set(SCHEMA.required) == {
        *("run", "event", "cell_x", "cell_y", "cell_e"),
        *("true_x", "true_y", "true_e", "true_tx", "true_ty"),
    }
    assert SCHEMA["true_tx"].unit == "rad"
    assert SCHEMA["cell_type"].kind == "int"
    assert all(column.unit == "cm" for column in SCHEMA.columns if column.name.endswith(("_x", "_y")))
