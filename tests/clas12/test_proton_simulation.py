"""The simulation against the moments of the real sample, and the formulas it is made of."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from projects.clas12 import events
from projects.clas12.kinematics import CENTRAL, PI0, PROTON, polar, vector
from projects.clas12.simulation import detector, efficiency, moments
from projects.clas12.simulation.events import ETA_CODE, simulate
from projects.clas12.simulation.generator import propose
from shashlik.evaluation import leakage
from shashlik.exceptions import BadInput
from shashlik.task import catalog, rootio
from shashlik.task.sample import Sample
from shashlik.task.settings import resolve


@pytest.fixture(scope="module")
def sample() -> Sample:
    return simulate(20_000, 0.25, 11)


def test_moments_are_those_of_the_real_sample(sample: Sample) -> None:
    """Means within 0.05 and standard deviations within 6 %, beyond the statistical error of 15 000 events."""
    known = events.of(sample)
    found = moments.moments(known.select(~known.eta))
    assert set(found) == set(moments.REAL)
    for name, (mean, sd) in found.items():
        real_mean, real_sd = moments.REAL[name]
        assert abs(mean - real_mean) < 0.05 * real_sd + 3 * sd / np.sqrt(15_000), name
        assert sd / real_sd == pytest.approx(1.0, abs=0.06), name


def rows_of(text: str) -> list[str]:
    """First cells of a table, without its head."""
    return [line.split("|")[1].strip() for line in text.splitlines()][2:]


def test_command_prints_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["moments", "2000"])
    moments.main()
    assert rows_of(capsys.readouterr().out) == list(moments.REAL)


@pytest.mark.slow
def test_command_prints_the_table_in_a_process_of_its_own() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "projects.clas12.simulation.moments", "2000"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert rows_of(done.stdout) == list(moments.REAL)


def test_calibration_prescribes_what_it_says() -> None:
    """The efficiency found has the wanted means on its own events, and is near the one that is kept."""
    found, _ = moments.calibrate(300_000, 5)
    kept = np.array(efficiency.COEFFICIENTS)
    rng = np.random.default_rng(1)
    made = propose(rng, 50_000, PI0)
    values = efficiency.functions(made.electron, made.proton)
    inside = np.abs(values[:, 1]) < 0.17
    logs = values[inside] @ np.stack([found, kept]).T
    assert np.std(logs[:, 0] - logs[:, 1]) < 0.25 * np.std(logs[:, 1])


def test_share_of_eta_and_order(sample: Sample) -> None:
    eta = sample["meson"] == ETA_CODE
    assert eta.sum() == 5000
    assert np.mean(np.flatnonzero(eta)) == pytest.approx(10_000, abs=400), "they are mixed"


def test_loss_is_the_published_one() -> None:
    """16/9/4.2/2.9 MeV in the inner band and 63/31/12/7.6 in the outer one, at 0.4/0.6/1/2 GeV."""
    p, forward = np.array([0.4, 0.6, 1.0, 2.0]), np.zeros(4, dtype=bool)
    inner, outer = (1e3 * detector.loss(p, np.full(4, angle), forward) for angle in (0.1, 0.6))
    np.testing.assert_allclose(inner, [16.3, 9.0, 4.2, 2.9], rtol=0.02)
    np.testing.assert_allclose(outer, [63.0, 31.3, 11.9, 7.6], rtol=0.02)


def test_protons_lose_the_mean_loss_and_are_smeared_as_the_formula_says() -> None:
    """.4, .8 and 1.5 % at 1 GeV and 10, 20 and 30 degrees."""
    number = 40_000
    forward = np.zeros(number, dtype=bool)
    for degrees, wanted in ((10, 0.004), (20, 0.008), (30, 0.015)):
        theta = np.radians(degrees)
        true = vector(np.full(number, 1.0), np.full(number, theta), np.zeros(number))
        p = polar(detector.measured_proton(np.random.default_rng(degrees), true, forward))[0]
        lost = detector.loss(p, np.full(number, theta), forward)
        assert np.mean(p + lost) == pytest.approx(1.0, abs=5 * wanted / np.sqrt(number) + 2e-5)
        assert np.std(p) == pytest.approx(wanted, rel=0.08)


def test_central_loss_is_larger_for_slow_protons() -> None:
    p = np.array([0.4, 0.8, 1.6])
    lost = detector.loss(p, np.full(3, 0.65), np.ones(3, dtype=bool))
    beta = p / np.hypot(p, PROTON)
    np.testing.assert_allclose(lost * beta**3, lost[0] * beta[0] ** 3)


def test_selection(sample: Sample) -> None:
    known = events.of(sample)
    p, theta, _ = polar(known.proton)
    assert (np.degrees(theta) < 44.106 - 6.625 * p + 1.438 * p**2).all()
    mm2 = known.corrected_mm2(np.zeros(len(p)))[~known.eta]
    assert -0.3 < mm2.min() < -0.25
    assert 0.35 < mm2.max() < 0.4


def test_sectors() -> None:
    assert detector.sector(np.radians([0, 29, 31, -31, 179, -179, -90.1])).tolist() == [1, 1, 2, 6, 4, 4, 5]
    assert detector.sector(np.radians([359.9])).tolist() == [1]


def test_a_file_of_the_needed_branches_alone(sample: Sample, tmp_path: Path) -> None:
    """Run and event number, photons and the kind of meson may be missing; then all mesons are pi0."""
    few = sample.select(slice(0, 500))
    columns = {name: few[name] for name in sample.schema.required}
    assert {"ex", "pz", "status", "px0", "ez0"} <= set(columns)
    rootio.write(replace(few, columns=columns), tmp_path / "h22.root")
    back = rootio.read(str(tmp_path / "h22.root"), sample.schema)
    assert not events.of(back).eta.any()
    assert (events.of(back).central == (few["status"] >= CENTRAL)).all()


def test_a_run_number_alone_names_no_event(sample: Sample) -> None:
    """Two files of one run without event numbers share no event because of it."""
    few = sample.select(slice(0, 20))
    columns = {name: few[name] for name in few.columns if name != "event"}
    assert len(leakage.identify(few)["ids"]) == 20
    assert len(leakage.identify(replace(few, columns=columns))["ids"]) == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [("meson", 331, ("331", "111", "221")), ("px", 0.0, ("proton", "momentum"))],
)
def test_events_that_cannot_be_used(sample: Sample, name: str, value: float, words: tuple[str, ...]) -> None:
    few = sample.select(slice(0, 10))
    columns = dict(few.columns)
    for column in ("px", "py", "pz") if name == "px" else (name,):
        columns[column] = columns[column].copy()
        columns[column][3] = value
    with pytest.raises(BadInput) as raised:
        events.of(replace(few, columns=columns))
    assert "event 3" in str(raised.value)
    assert all(word in str(raised.value) for word in words)


def test_share_of_eta_is_a_setting() -> None:
    task = catalog.load("clas12_proton")
    settings = resolve(task.settings, task.presets, {"eta_share": "0"})
    assert (task.simulate(settings, 50, 1)["meson"] != ETA_CODE).all()
