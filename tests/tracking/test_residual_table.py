"""Residuals as a file: what goes in comes out, to single precision, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tracking.evidence import residual_table
from tracking.evidence.residual_table import ResidualTable
from tracking.statistics.residuals import Residuals


def test_comes_back_in_shape_and_order(residuals: dict[str, Residuals], tmp_path: Path) -> None:
    residual_table.write(ResidualTable(residuals, "ab" * 32), tmp_path / "a" / "residuals.parquet")
    back = residual_table.read(tmp_path / "a" / "residuals.parquet")
    assert back.sha256 == "ab" * 32
    assert list(back.residuals) == list(residuals)
    for name, before in residuals.items():
        after = back.residuals[name]
        assert after.shape == before.shape
        assert np.array_equal(after.answered, before.answered)
        assert np.array_equal(after.failed, before.failed)
        for part in ("values", "variables"):
            for key, wanted in getattr(before, part).items():
                assert np.allclose(getattr(after, part)[key], wanted, rtol=1e-6, atol=0, equal_nan=True)


def test_without_failures_and_with_one_object(tmp_path: Path) -> None:
    table = ResidualTable({"network": Residuals({"x": np.array([[1.0], [np.nan]])})}, "0" * 64)
    residual_table.write(table, tmp_path / "r.parquet")
    back = residual_table.read(tmp_path / "r.parquet").residuals["network"]
    assert back.shape == (2, 1)
    assert back.failed is None


@pytest.mark.parametrize(("name", "quantity"), [("a/b", "x"), ("true", "x"), ("a", "failed")])
def test_names_that_would_be_mistaken(tmp_path: Path, name: str, quantity: str) -> None:
    table = ResidualTable({name: Residuals({quantity: np.zeros((3, 1))})}, "0" * 64)
    with pytest.raises(ValueError, match="cannot be kept"):
        residual_table.write(table, tmp_path / "r.parquet")


def test_another_file_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"a/x": [1.0]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="is not a table of residuals of version 1"):
        residual_table.read(tmp_path / "other.parquet")
