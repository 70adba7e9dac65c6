"""From files to halves with weights and scales, to LUMIN's fold files and back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import awkward as ak
import h5py
import numpy as np
import pytest
import uproot
from skhep_testdata import data_path

from projects.pnn.ensemble import lumin_files
from projects.pnn.ensemble.one_cycle import Cycle
from projects.pnn.ensemble.training import train
from projects.pnn.halves import balanced, folds, halves, scales, selected
from projects.pnn.schema import FEATURES, HELD_OUT, MASSES, SCHEMA, named
from projects.pnn.simulation.cms_ntuples import BACON, NANOAOD, convert
from projects.pnn.simulation.events import simulate
from projects.pnn.task_pnn import TASK, files, scores
from shashlik.exceptions import BadInput
from shashlik.task import rootio
from shashlik.task.estimator import Bench
from shashlik.task.sample import Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(3000, 21)


@pytest.mark.parametrize(
    ("file", "process", "mass"),
    [
        ("GluGluToRadionToHHTo2B2ZTo2L2J_M-260_narrow_13TeV-madgraph-v2.root", 0, 260),
        ("/a/GluGluToRadionToHHTo2B2ZTo2L2J_M-1250_narrow_TuneCUETP8M1_PSWeights_13TeV.root", 0, 1250),
        ("DYJetsToLL_M-10to50_TuneCUETP8M1_13TeV-amcatnloFXFX-pythia8.root", 1, 0),
        ("DYToLL_2J_13TeV-amcatnloFXFX-pythia8.root", 4, 0),
    ],
)
def test_names_of_the_original_files_tell_what_is_in_them(file: str, process: int, mass: float) -> None:
    assert named(file) == {"process": process, "res_mass": mass, "weight_central": 1.0}


def test_of_other_names_nothing_is_known() -> None:
    assert named("M-260_events.root") == {}


def test_many_files_without_truth_are_read_by_their_names(sample: Sample, tmp_path: Path) -> None:
    """As those of the original study: no run, no truth, the event number under another name."""
    branches = [c.name for c in SCHEMA.columns if c.role == "input"]
    # A third of the masses, and all backgrounds.
    signal = [rows for name, rows in files(sample).items() if "M-" in name and "DY" not in name]
    sample = sample.select((sample["process"] > 0) | np.any(signal[::3], axis=0))
    assert len(files(sample)) > 8
    for name, rows in files(sample).items():
        with uproot.recreate(tmp_path / f"{name}_13TeV.root") as file:
            some = sample.select(rows)
            file["Events"] = {one: some[one] for one in branches} | {
                "evtNum": some["event"].astype(np.uint64)
            }
    given = rootio.mapping("event:evtNum", SCHEMA)
    found = rootio.read(f"{tmp_path}/*.root", SCHEMA, given=given)
    assert len(found) == len(sample)
    order, wanted = np.argsort(found["event"]), sample
    for name in ("res_mass", "process", *FEATURES):
        np.testing.assert_allclose(found[name][order], wanted[name], rtol=1e-6)
    assert (found["weight_central"] == 1).all()
    # What the user says wins over the name.
    one = next(iter(tmp_path.glob("DYToLL_1J*")))
    other = rootio.read(str(one), SCHEMA, given=rootio.mapping("event:evtNum,res_mass:400,process:0", SCHEMA))
    assert (other["res_mass"] == 400).all()
    with pytest.raises(BadInput, match="'event'"):
        rootio.read(str(one), SCHEMA)


def test_halves(sample: Sample) -> None:
    both = halves(sample, HELD_OUT, 1)
    for half, parity in zip(both, (0, 1), strict=True):
        chosen = sample.select(selected(sample) & (sample["event"] % 2 == parity))
        assert (~half.signal).sum() == (chosen["process"] > 0).sum()
        assert not (half.masses[half.signal] == 900).any()
        # The background's masses are drawn from those of the signal.
        assert set(half.masses[~half.signal]) <= set(half.masses[half.signal])
        for of_signal in (True, False):
            for mass in np.unique(half.masses[half.signal]):
                rows = (half.signal == of_signal) & (half.masses == mass)
                assert half.weights[rows].sum() == pytest.approx(1.0)
    again = halves(sample, HELD_OUT, 1)
    np.testing.assert_array_equal(both[0].masses, again[0].masses)


def test_nothing_of_one_half_is_in_the_pipeline_of_the_other(sample: Sample) -> None:
    changed = dict(sample.columns)
    odd = sample["event"] % 2 == 1
    changed["Zlep_cand_pt"] = np.where(odd, 7 * changed["Zlep_cand_pt"], changed["Zlep_cand_pt"])
    pairs = [halves(one, HELD_OUT, 1) for one in (sample, Sample(SCHEMA, changed))]
    place = FEATURES.index("Zlep_cand_pt")
    for half, factor in ((0, 1.0), (1, 7.0)):
        before, after = (scales(pair[half].features)[0][place] for pair in pairs)
        assert after == pytest.approx(factor * before, rel=1e-5)


def test_folds_are_alike(sample: Sample) -> None:
    half = halves(sample, HELD_OUT, 1)[0]
    fold = folds(half, 5, np.random.default_rng(2))
    for of_signal in (True, False):
        for mass in (400, 1000):
            found = np.bincount(fold[(half.signal == of_signal) & (half.masses == mass)], minlength=5)
            assert found.max() - found.min() <= 1


def test_weights_of_unequal_groups() -> None:
    weights = balanced(np.array([True, True, False, True]), np.array([1.0, 1.0, 1.0, 2.0]))
    np.testing.assert_allclose(weights, [0.5, 0.5, 1.0, 1.0])


def test_too_few_events_are_refused(sample: Sample) -> None:
    with pytest.raises(BadInput, match="give more files"):
        halves(sample.select(slice(0, 60)), HELD_OUT, 1)
    with pytest.raises(BadInput, match="no background"):
        scores(sample.select(sample["process"] == 0), {})


def test_fold_files_come_back_as_lumin_reads_them(sample: Sample, tmp_path: Path) -> None:
    both = halves(sample, HELD_OUT, 1)
    paths = lumin_files.export(both, tmp_path, 3)
    assert [path.name for path in paths] == ["train_0.hdf5", "test_0.hdf5", "train_1.hdf5", "test_1.hdf5"]
    inputs = np.concatenate([both[0].features, both[0].masses[:, None]], axis=1)
    mean, deviation = scales(inputs)
    wanted = lumin_files.of_half(both[0], folds(both[0], 10, np.random.default_rng((3, 1))), mean, deviation)
    with h5py.File(paths[0]) as file:
        assert set(file) == {"meta_data", *(f"fold_{number}" for number in range(10))}
        meta = {name: json.loads(value[()]) for name, value in file["meta_data"].items()}
        assert meta == {
            "cont_feats": [*FEATURES, "res_mass"],
            "cat_feats": [],
            "targ_feats": "gen_target",
            "wgt_feat": "gen_weight",
        }
        for number, fold in enumerate(wanted.folds):
            group = file[f"fold_{number}"]
            assert set(group) == {"inputs", "targets", "weights", *lumin_files.EXTRA}
            assert group["inputs"].dtype == np.float32
            for name, array in fold.items():
                np.testing.assert_array_equal(group[name][()], array)
    read = lumin_files.read(paths[0])
    assert read.features == (*FEATURES, "res_mass")
    assert set(read.column("gen_strat_key")) >= {b"1_260", b"0_260"}
    # The training file has the mean 0 and width 1 of its own pipeline, the test file has not.
    train_inputs, test_inputs = (lumin_files.read(path).column("inputs") for path in paths[:2])
    np.testing.assert_allclose(train_inputs.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(train_inputs.std(axis=0), 1, atol=1e-3)
    assert np.abs(test_inputs.mean(axis=0)).max() > 1e-3


def test_a_network_learns_from_a_fold_file(sample: Sample, tmp_path: Path) -> None:
    path = lumin_files.export(halves(sample, HELD_OUT, 1), tmp_path, 3)[0]
    events, members = lumin_files.training(lumin_files.read(path), 2)
    assert len(members[0].train) + len(members[0].watch) == len(events.truth)
    done = train(
        "folds", events, members, (8, 2), Cycle(epochs=3, batch=128), Bench(seed=1, scratch=tmp_path)
    )
    assert (done.least < done.losses[:, 0]).all()


def test_other_files_are_no_fold_files(tmp_path: Path) -> None:
    (tmp_path / "text.hdf5").write_text("no")
    with h5py.File(tmp_path / "empty.hdf5", "w"):
        pass
    for name in ("text.hdf5", "empty.hdf5", "missing.hdf5"):
        with pytest.raises(BadInput, match="no fold file"):
            lumin_files.read(tmp_path / name)


def test_a_real_file_of_cms_becomes_candidates() -> None:
    """Ten events of simulated top pairs, as CMS keeps them: numbers against those read by hand."""
    path = data_path("uproot-mc10events.root")
    found = convert(path, BACON)
    rootio.sample(SCHEMA, found.columns, "")
    with uproot.open(path) as file:
        tree = file["Events"]
        ids = tree["Info/evtNum"].array().tolist()
        muons, charges = tree["Muon/Muon.pt"].array().tolist(), tree["Muon/Muon.q"].array().tolist()
    row = list(found["event"]).index(135353230)
    at = ids.index(135353230)
    assert charges[at] == [1, -1, -1]
    assert found["leading_lep_pt"][row] == pytest.approx(muons[at][0], rel=1e-6)
    assert found["trailing_lep_pt"][row] == pytest.approx(muons[at][1], rel=1e-6)
    # Jets of 165, 131, 66, 31, 27, 25 GeV; the best tags, 0.988 and 0.922, are those of the first two.
    assert found["leading_Hbb_pt"][row] == pytest.approx(131.18, abs=0.01)
    assert found["trailing_Hbb_pt"][row] == pytest.approx(165.27, abs=0.01)
    assert found["ngood_bjets"][row] == 2
    with pytest.raises(BadInput, match="lacks the branch 'run'"):
        convert(path, NANOAOD)
    with pytest.raises(BadInput, match="cannot read"):
        convert(data_path("uproot-Zmumu.root"), BACON)


def test_nanoaod_names_give_the_same(tmp_path: Path) -> None:
    """The same ten events under the names of NanoAOD."""
    path = data_path("uproot-mc10events.root")
    with uproot.open(path) as file:
        tree = file["Events"]
        columns = {"run": tree["Info/runNum"].array(), "event": tree["Info/evtNum"].array()}
        for group in ("electrons", "muons", "jets"):
            ours, theirs = getattr(BACON, group), getattr(NANOAOD, group)
            columns |= {theirs[name]: tree[branch].array() for name, branch in ours.items()}
    with uproot.recreate(tmp_path / "nano.root") as file:
        file["Events"] = columns
    first, second = convert(path, BACON), convert(str(tmp_path / "nano.root"), NANOAOD)
    for name in (*FEATURES, "lep_category", "event"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-5)


@pytest.fixture(scope="module")
def nanoaod(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of CMS that come with the source of coffea; no wheel has them."""
    folder = tmp_path_factory.mktemp("coffea")
    words = ("download", "--quiet", "--no-deps", "--no-binary", "coffea", "--dest", str(folder))
    done = subprocess.run(
        [sys.executable, "-m", "pip", *words, "coffea==2026.9.0"], capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        if "CI" in os.environ:
            pytest.fail(done.stderr)
        pytest.skip("the source of coffea cannot be fetched here")
    with tarfile.open(next(folder.glob("*.tar.gz"))) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("coffea-*/tests/samples"))


def by_loops(path: str) -> dict[int, tuple[float, float, int]]:
    """Of every event that becomes a candidate: both lepton pt and the number of tags, by loops."""
    with uproot.open(path) as file:
        tree = file["Events"]
        read = {
            branch: tree[branch].array().tolist()
            for group in (NANOAOD.electrons, NANOAOD.muons, NANOAOD.jets)
            for branch in group.values()
        }
        numbers = tree["event"].array().tolist()
    seen = {}
    for at, number in enumerate(numbers):
        pairs = []
        for names in (NANOAOD.electrons, NANOAOD.muons):
            pt, eta, phi, charge = (read[names[key]][at] for key in ("pt", "eta", "phi", "charge"))
            good = [i for i in np.argsort(pt)[::-1] if pt[i] > 8 and abs(eta[i]) < 2.4]
            other = [i for i in good[1:] if charge[i] * charge[good[0]] < 0]
            if other:
                pairs.append([(pt[i], eta[i], phi[i]) for i in (good[0], other[0])])
        if not pairs:
            continue
        pair = max(pairs, key=lambda two: two[0][0] + two[1][0])
        pt, eta, phi, tag = (read[NANOAOD.jets[key]][at] for key in ("pt", "eta", "phi", "tag"))
        jets = [
            i
            for i in range(len(pt))
            if pt[i] > 20
            and abs(eta[i]) < 2.4
            and all(
                np.hypot(eta[i] - lepton[1], (phi[i] - lepton[2] + np.pi) % (2 * np.pi) - np.pi) >= 0.4
                for lepton in pair
            )
        ]
        if len(jets) >= 3:
            seen[number] = (pair[0][0], pair[1][0], sum(tag[i] > NANOAOD.tagged for i in jets))
    return seen


def compared(path: str) -> int:
    """Candidates of a file beside those of the loops, and how many there are."""
    events, seen = convert(path, NANOAOD), by_loops(path)
    rootio.sample(SCHEMA, events.columns, "")
    assert sorted(events["event"]) == sorted(seen)
    for row, number in enumerate(events["event"]):
        ours = [events[key][row] for key in ("leading_lep_pt", "trailing_lep_pt", "ngood_bjets")]
        np.testing.assert_allclose(ours, seen[number], rtol=1e-5)
    return len(seen)


def made_up_nanoaod(path: Path, most_jets: int) -> str:
    """Leptons and jets of any order, charge and direction, so that jets lie on leptons too."""
    rng, events = np.random.default_rng(3), 400
    columns: dict[str, Any] = {"run": np.ones(events, np.int64), "event": np.arange(events)}
    for group, mean in ((NANOAOD.electrons, 1.5), (NANOAOD.muons, 1.5), (NANOAOD.jets, 6.0)):
        counts = rng.poisson(mean, events)
        counts = np.minimum(counts, most_jets) if group is NANOAOD.jets else counts
        number = counts.sum()
        values = {
            "pt": rng.exponential(40.0, number),
            "eta": rng.normal(0.0, 1.5, number),
            "phi": rng.uniform(-np.pi, np.pi, number),
            "charge": rng.choice([-1.0, 1.0], number),
            "mass": rng.exponential(5.0, number),
            "tag": rng.random(number),
        }
        columns |= {name: ak.unflatten(values[key].astype(np.float32), counts) for key, name in group.items()}
    with uproot.recreate(path) as file:
        file["Events"] = columns
    return str(path)


def test_made_up_nanoaod_becomes_candidates(tmp_path: Path) -> None:
    """Pairs and tags by loops beside our arrays."""
    assert compared(made_up_nanoaod(tmp_path / "nano.root", 99)) >= 100


def test_events_without_candidates_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no event has a pair of leptons and 3 jets"):
        convert(made_up_nanoaod(tmp_path / "nano.root", 2), NANOAOD)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most", "found"), [("nano_tt_v12", 200, 49), ("nano_dy", 40, 1), ("nano_dimuon", 40, 4)]
)
def test_real_nanoaod_becomes_candidates(nanoaod: Path, name: str, most: int, found: int) -> None:
    """Simulated top pairs and Drell-Yan, and measured events."""
    path = str(nanoaod / f"{name}.root")
    with uproot.open(path) as file:
        assert file["Events"].num_entries == most
    assert compared(path) == found


@pytest.mark.slow
def test_nanoaod_without_events_is_refused_in_one_line(nanoaod: Path) -> None:
    with pytest.raises(BadInput, match="no event has a pair of leptons and 3 jets"):
        convert(str(nanoaod / "nano_dy_empty.root"), NANOAOD)


def test_scores_ask_what_the_study_asked(sample: Sample) -> None:
    answers = {f"m{mass}": np.linspace(0, 1, len(sample)) for mass in MASSES}
    found = TASK.outcome(sample, answers)
    assert found.shape == (len(sample), len(np.unique(sample["res_mass"])) - 1)
    assert list(found.values[found.held_out]) == [900]
    signal = sample["process"] == 0
    np.testing.assert_array_equal(found.values[found.own[signal]], sample["res_mass"][signal])
