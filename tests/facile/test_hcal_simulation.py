"""The simulation against the moments of the original study's sample, and files of hits."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from projects.facile import noise
from projects.facile.simulation import generator, moments, readout
from projects.facile.simulation.events import SCHEMA, simulate
from shashlik.exceptions import BadInput
from shashlik.task import rootio
from shashlik.task.sample import Sample


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(60_000, 11)


def test_moments_are_those_of_the_real_sample(sample: Sample) -> None:
    """Means within 20 % and standard deviations within 35 %: spectra are tuned by hand, in a few numbers."""
    found = moments.moments(sample)
    assert set(found) == set(moments.REAL)
    for part, (means, sds) in found.items():
        real_means, real_sds = moments.REAL[part]
        np.testing.assert_allclose(means, real_means, rtol=0.2, err_msg=part)
        np.testing.assert_allclose(sds, real_sds, rtol=0.35, err_msg=part)
        assert means[0] == pytest.approx(real_means[0], rel=0.03)


def rows_of(text: str) -> list[str]:
    """First cells of a table, without its head."""
    return [line.split("|")[1].strip() for line in text.splitlines()][2:]


def test_command_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["moments", "2000"])
    moments.main()
    assert rows_of(capsys.readouterr().out) == 9 * ["barrel"] + 9 * ["endcap"]


@pytest.mark.slow
def test_command_prints_the_table_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "projects.facile.simulation.moments", "2000"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert rows_of(done.stdout) == 9 * ["barrel"] + 9 * ["endcap"]


def test_pile_up_grows_with_interactions_and_forward(sample: Sample) -> None:
    before, interactions = ak.to_numpy(sample["raw"])[:, 1] - 65.1, sample["PU"]
    endcap = np.abs(sample["ieta"]) > generator.LAST_BARREL
    low, high = (
        before[endcap & (interactions >= least) & (interactions < least + 20)].mean() for least in (30, 90)
    )
    assert high / low == pytest.approx(2.5, abs=0.4), "as the number of interactions"
    assert before[endcap].mean() > 10 * before[~endcap].mean()


def without_pile_up(energy: float, gain: float = 5e-4, number: int = 20_000) -> readout.Digits:
    rng = np.random.default_rng(3)
    hits = replace(generator.hits(rng, number), energy=np.full(number, energy), gain=np.full(number, gain))
    return readout.digitised(rng, hits, np.zeros((number, len(generator.CROSSINGS))))


def test_floor_is_what_remains_without_noise_and_pile_up() -> None:
    """The sum of a hit's slices fluctuates by sampling and photo-electrons alone; 4 % at 40 GeV."""
    energy, gain = 40.0, 5e-4
    read = without_pile_up(energy, gain)
    found = (read.raw - read.pedestal).sum(axis=1) * gain
    dark = 8 * 25.0 * 0.055 * gain
    assert np.mean(found) - dark == pytest.approx(energy, rel=0.003)
    assert np.std(found) / energy == pytest.approx(float(readout.floor(energy, gain)), rel=0.03)


def test_noise_has_its_width_and_correlation() -> None:
    """Of empty slices: the width, the steps and the dark current; neighbours share 0.26 of the first."""
    charge = (lambda read: read.raw - read.pedestal)(without_pile_up(1e-6))
    step = 6.2**2 / 12
    dark = 25.0 * 0.055 * noise.PER_ELECTRON
    covariance = np.cov(charge[:, :3].T)
    assert np.sqrt(covariance[0, 0]) == pytest.approx(np.sqrt(15.5**2 + step + dark), rel=0.05)
    assert covariance[0, 1] == pytest.approx(noise.CORRELATION * 15.5**2, rel=0.1)
    assert abs(covariance[0, 2]) < 5.0


def test_noise_columns_are_the_formulas(sample: Sample) -> None:
    raw, ped = (ak.to_numpy(sample[name]) for name in ("raw", "ped"))
    charge, photo = raw - ped, ak.to_numpy(sample["inNoisePhoto"])
    above = charge > np.sqrt(np.asarray(sample["inPedAvg"]))[:, None]
    np.testing.assert_allclose(photo[above] ** 2, charge[above] * 57.5)
    assert (photo[~above] == 0).all()
    assert ak.to_numpy(sample["inNoiseADC"]).min() == pytest.approx(3.1 / np.sqrt(12))


def test_hits_have_the_stated_ranges(sample: Sample) -> None:
    for name, low, high in (("genE", 0.2, 220.0), ("pt", 1.0, 100.0), ("PU", 30.0, 110.0), ("iphi", 1, 72)):
        values = np.asarray(sample[name])
        assert low <= values.min(), name
        assert values.max() <= high, name
    barrel = np.abs(sample["ieta"]) <= generator.LAST_BARREL
    for rows, shares in (
        (barrel, (0.31, 0.30, 0.23, 0.16)),
        (~barrel, (0.27, 0.29, 0.18, 0.12, 0.09, 0.04, 0.01)),
    ):
        found = np.bincount(sample["depth"][rows])[1:] / rows.sum()
        np.testing.assert_allclose(found, shares, atol=0.012)


def written(sample: Sample, path: Path, **changed: object) -> str:
    """A file as CMS's tools write it: slices as branches of fixed length, and only what is needed."""
    few = sample.select(slice(0, 50))
    branches = {
        name: ak.to_numpy(few[name]).astype(np.int32 if SCHEMA[name].kind == "int" else np.float32)
        for name in SCHEMA.required
    } | changed
    with uproot.recreate(path) as file:
        file["Events"] = {name: values for name, values in branches.items() if values is not None}
    return str(path)


def test_a_file_with_branches_of_fixed_length(sample: Sample, tmp_path: Path) -> None:
    energy = np.linspace(1, 2, 50, dtype=np.float32)
    back = rootio.read(written(sample, tmp_path / "hits.root", energy=energy), SCHEMA)
    np.testing.assert_allclose(ak.to_numpy(back["raw"]), ak.to_numpy(sample["raw"][:50]), rtol=1e-6)
    np.testing.assert_allclose(back["energy"], energy)
    assert "event" not in back


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"raw": None}, ("'raw'", "lacks")),
        ({"raw": np.ones((50, 7), np.float32)}, ("'raw'", "7 values", "8 are needed")),
        ({"raw": np.full((50, 8), np.nan, np.float32)}, ("'raw'", "not finite")),
        ({"ped": np.ones(50, np.float32)}, ("'ped'", "one value", "a list is needed")),
    ],
)
def test_files_that_cannot_be_used(
    sample: Sample, changed: dict[str, object], words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(BadInput) as raised:
        rootio.read(written(sample, tmp_path / "hits.root", **changed), SCHEMA)
    assert "\n" not in str(raised.value)
    assert all(word in str(raised.value) for word in words), str(raised.value)
