"""The server dies while clients log: nothing acknowledged is lost. A small `benchmarks.server_crash`."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_what_is_acknowledged_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[2])
    from benchmarks.server_crash import crash

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    found = crash(tmp_path, clients=2, runs=3, kills=1)
    assert found.lost == []
    assert found.half == []
    assert found.acknowledged + len(found.failed) == 6
    assert found.acknowledged >= 3
    assert all("could not be stored" in line or "could be started" in line for line in found.failed)
