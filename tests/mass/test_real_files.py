"""Muons of real events, from files whose branches have other names than the task's columns."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot
from skhep_testdata import data_path

from shashlik.evaluation.evaluate import gather
from shashlik.exceptions import BadInput
from shashlik.task import catalog, rootio
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve

TASK = catalog.load("mass")
MUON = 0.1056583755
COLUMNS = {
    "Zmumu-muon": f"e:E1,px:px1,py:py1,pz:pz1,mass:{MUON}",
    "Zmumu-pair": "e:E1+E2,px:px1+px2,py:py1+py2,pz:pz1+pz2,mass:M",
    "HZZ-muon": f"e:Muon_E,px:Muon_Px,py:Muon_Py,pz:Muon_Pz,mass:{MUON}",
}


def real(name: str) -> Sample:
    file = data_path(f"uproot-{name.partition('-')[0]}.root")
    return rootio.read(file, TASK.schema, given=rootio.mapping(COLUMNS[name], TASK.schema))


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory):
    """The estimators of the default run, the network trained on simulated particles of 0.1 to 100 GeV."""
    settings = resolve(TASK.settings, TASK.presets, {})
    bench = Bench(1, tmp_path_factory.mktemp("bench"))
    train = TASK.simulate(settings, 2000, 1)
    return {found.name: found for found in (one.fit(train, bench) for one in TASK.estimators(settings))}


def success(sample: Sample, mass: np.ndarray) -> float:
    return float(np.mean(np.abs(mass / sample["mass"] - 1.0) < 0.1))


def test_rows_are_muons_or_pairs() -> None:
    assert len(real("Zmumu-muon")) == len(real("Zmumu-pair")) == 2304
    assert len(real("HZZ-muon")) == 3825, "one row for each muon of each event"
    assert 60 < np.median(real("Zmumu-pair")["mass"]) < 100


def test_pairs_are_where_the_network_was_trained_and_beyond(fitted) -> None:
    pairs = real("Zmumu-pair")
    assert pairs["e"].max() > 500, "trained up to 224 GeV"
    for name in ("closed-form", "network"):
        np.testing.assert_allclose(fitted[name].predict(pairs)["mass"], pairs["mass"], rtol=1e-6)


def test_double_precision_muons_are_exact_and_single_precision_ones_are_not(fitted) -> None:
    """Rounding of E and p to 24 bits costs 1e-7 gamma^2 of the mass: all of it beyond some hundred GeV."""
    doubles, singles = real("Zmumu-muon"), real("HZZ-muon")
    for name in ("closed-form", "network"):
        assert success(doubles, fitted[name].predict(doubles)["mass"]) == 1.0
        found = fitted[name].predict(singles)["mass"]
        low, high = singles["e"] < 60, singles["e"] > 200
        assert success(singles.select(low), found[low]) > 0.99
        assert success(singles.select(high), found[high]) < 0.6
    assert success(doubles, fitted["closed-form-32"].predict(doubles)["mass"]) < 0.99
    # Where m^2 itself is a rounding error its root says little; m^2 agrees on the scale of E^2.
    one, two = (np.square(fitted[name].predict(singles)["mass"]) for name in ("network", "closed-form"))
    assert np.max(np.abs(one - two) / singles["e"] ** 2) < 1e-9


def test_pairs_of_single_precision_muons(fitted) -> None:
    """A pair's mass is of the size of its energy: nothing cancels, rounding of the file does not matter."""
    with uproot.open(data_path("uproot-HZZ.root")) as file:
        muons = file["events"].arrays(["NMuon", "Muon_E", "Muon_Px", "Muon_Py", "Muon_Pz", "Muon_Charge"])
    muons = muons[(muons.NMuon == 2) & (ak.sum(muons.Muon_Charge, axis=1) == 0)]
    sums = {
        name: ak.to_numpy(ak.sum(ak.values_astype(muons[f"Muon_{name.title()}"], np.float64), axis=1))
        for name in ("e", "px", "py", "pz")
    }
    pairs = Sample(TASK.schema, sums, "pairs")
    found = {name: fitted[name].predict(pairs)["mass"] for name in fitted}
    assert len(pairs) > 1000
    assert 85 < np.median(found["closed-form"]) < 95, "the Z"
    np.testing.assert_allclose(found["network"], found["closed-form"], rtol=1e-6)
    np.testing.assert_allclose(found["closed-form-32"], found["closed-form"], rtol=1e-4)


def test_half_of_a_file_is_judged() -> None:
    given = {"data": data_path("uproot-Zmumu.root"), "columns": COLUMNS["Zmumu-pair"]}
    found = gather(TASK, resolve(TASK.settings, TASK.presets, given))
    assert len(found.train) == len(found.test) == 1152


def test_nothing_fills_the_truth() -> None:
    given = rootio.mapping("e:E1,px:px1,py:py1,pz:pz1", TASK.schema)
    with pytest.raises(BadInput, match="nothing fills the column 'mass'; add mass:BRANCH to columns"):
        rootio.read(data_path("uproot-Zmumu.root"), TASK.schema, given=given)


def test_mass_of_nothing() -> None:
    given = rootio.mapping("e:E1,px:px1,py:py1,pz:pz1,mass:0", TASK.schema)
    sample = rootio.read(data_path("uproot-Zmumu.root"), TASK.schema, given=given)
    with pytest.raises(BadInput, match="the true mass in event 0 is not positive; remove such events"):
        TASK.residuals(sample, {"mass": sample["e"]})


def test_files_lie_in_the_wheel() -> None:
    """No test waits for a download."""
    for name in ("Zmumu", "HZZ"):
        assert Path(data_path(f"uproot-{name}.root")).parent.name == "data"
