"""Counting photons: estimators whose counting is known by construction get exactly the shares they should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from projects.ecal.evaluation import counting, photons
from projects.ecal.simulation.events import Scene
from shashlik.task.sample import Predictions, Sample

SCENE = Scene(photons=2)


@dataclass(frozen=True)
class MadeUp:
    """Knows the truth; merges pairs closer than `merges`, splits single photons below `splits` GeV."""

    name: str
    merges: float = 0.0
    splits: float = 0.0
    counts: bool = True
    off: float = 0.0

    def predict(self, sample: Sample) -> Predictions:
        true = photons.true_photons(sample, 2, 1)
        x, y, e = (true[name].copy() for name in "xye")
        x[:, 0] += self.off
        single = np.isnan(e[:, 1])
        with np.errstate(invalid="ignore"):
            merged = np.hypot(x[:, 0] - x[:, 1], y[:, 0] - y[:, 1]) < self.merges
        split = single & (e[:, 0] < self.splits)
        x[merged, 1] = y[merged, 1] = e[merged, 1] = np.nan
        x[split, 1], y[split, 1], e[split, 1] = x[split, 0] + 5, y[split, 0], 1.0
        answer: dict[str, Any] = {
            f"{n}{k + 1}": v[:, k] for n, v in zip("xye", (x, y, e), strict=True) for k in (0, 1)
        }
        return answer | ({"photons": np.isfinite(e).sum(axis=1)} if self.counts else {})


@pytest.fixture(scope="module")
def estimators() -> dict[str, Any]:
    made = (
        MadeUp("perfect"),
        MadeUp("merging", merges=6.0),
        MadeUp("splitting", splits=40.0),
        MadeUp("far", off=2.5),
        MadeUp("network", counts=False),
    )
    return {one.name: one for one in made}


@pytest.fixture(scope="module")
def found(estimators: dict[str, Any]) -> dict[str, counting.Counted]:
    return counting.counted(estimators, SCENE, 400, 1)


def test_shares_are_those_of_the_construction(found: dict[str, counting.Counted]) -> None:
    assert found["perfect"].both.all()
    np.testing.assert_array_equal(found["merging"].both, found["merging"].distance >= 6)
    assert found["splitting"].both.all()
    assert not found["far"].both.any(), "an answer 2.5 cm off is no photon found"
    for name, limit in (("perfect", 0), ("merging", 0), ("splitting", 40)):
        np.testing.assert_array_equal(found[name].split, found[name].energy < limit)
    assert found["network"].split is None
    assert 4 <= found["perfect"].distance.min() < 4.5 < 15.5 < found["perfect"].distance.max() <= 16


def test_the_same_seed_asks_about_the_same_photons(
    estimators: dict[str, Any], found: dict[str, counting.Counted]
) -> None:
    few = {"perfect": estimators["perfect"]}
    np.testing.assert_array_equal(
        counting.counted(few, SCENE, 400, 1)["perfect"].energy, found["perfect"].energy
    )
    assert (counting.counted(few, SCENE, 400, 2)["perfect"].energy != found["perfect"].energy).all()


def test_the_finding_tells_shares_with_intervals(
    estimators: dict[str, Any], found: dict[str, counting.Counted]
) -> None:
    told = counting.finding(estimators, SCENE, 400, 1)
    share = found["merging"].both.mean()
    assert told.numbers["merging/count/pair_efficiency"] == share
    low, high = (told.numbers[f"merging/count/pair_efficiency_{end}"] for end in ("low", "high"))
    assert low < share < high
    # Wilson's interval of a share p of n has about the width of the binomial error.
    assert high - low == pytest.approx(2 * np.sqrt(share * (1 - share) / 400), rel=0.02)
    assert told.numbers["splitting/count/false_split"] == found["splitting"].split.mean()  # type: ignore[union-attr]
    assert not any(key.startswith("network/count/false") for key in told.numbers)
    lines = told.table.splitlines()
    assert "network: answers two photons whatever there is" in lines[0]
    close = next(line for line in lines if line.startswith("| 4 to 5 |"))
    assert [cell.split()[0] for cell in close.strip("| ").split(" | ")][-5:] == [
        "100.0",
        "0.0",
        "100.0",
        "0.0",
        "100.0",
    ]
    (head,) = (line for line in lines if line.startswith("| single photons split"))
    assert "network" not in head
    efficiency, split = told.figure.axes
    assert "pairs" in efficiency.get_ylabel()
    assert "single" in split.get_ylabel()
    merging = efficiency.get_lines()[3]
    assert list(np.asarray(merging.get_ydata())[:3]) == [0, 0, 100]
