"""The study of the information limit: what it finds, its command, and evidence that it cannot use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from projects.ecal.bound import bound
from projects.ecal.bound_study import BEAMS, against_energy, linear_estimates, main, over_the_bound
from projects.ecal.photons import BINNINGS, QUANTITIES, residuals
from projects.ecal.simulation import Scene, simulate
from tracking.evidence import LIMIT, Evidence, Facts
from tracking.judge import build


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    """A fit twice and a network 1.2 times as wide as the bound."""
    sample = simulate(Scene(), 3000, seed=1)
    answers = bound(Scene(), sample)
    rng = np.random.default_rng(1)
    judged = {}
    for name, factor in (("coral-tuned", 2.0), ("network", 1.2), (LIMIT, None)):
        wide = {
            key: sample[f"true_{key[0]}"].to_numpy()[:, int(key[1]) - 1]
            + factor * answers[f"s{key}"] * rng.standard_normal(len(sample))
            for key in ("x1", "y1", "e1", "x2", "y2", "e2")
        } if factor else answers  # fmt: skip
        judged[name] = residuals(sample, wide, 2)
    facts = Facts("ecal_stage4", sample.sha256, sample.source, len(sample), 2, 1)
    return build(judged, QUANTITIES, BINNINGS[:2], facts=facts, seed=1, replicas=50, bin_replicas=20)


def test_the_limit_is_compared_and_nobodys_rival(evidence: Evidence) -> None:
    assert evidence.best_other("x") == "coral-tuned"
    ((name, ours, theirs, *_),) = over_the_bound(evidence, "")
    assert name == "all"
    assert float(ours.split()[0]) == pytest.approx(1.2, abs=0.05)
    assert float(theirs.split()[0]) == pytest.approx(2.0, abs=0.1)
    assert theirs.endswith("(coral-tuned)")
    assert len(over_the_bound(evidence, "distance")) == 7


def test_bound_against_energy_is_near_the_literature() -> None:
    """Quoted for such calorimeters, 6 mm / sqrt(E) + 0.5 mm and 5.5 % / sqrt(E) + 1.5 %: that lies above."""
    energies = (10.0, 40.0)
    for scene in BEAMS.values():
        for energy, (x, y, relative) in zip(energies, against_energy(scene, 300, energies), strict=True):
            assert 0.4 < x / np.hypot(0.6 / np.sqrt(energy), 0.05) < 1
            assert 0.4 < y / np.hypot(0.6 / np.sqrt(energy), 0.05) < 1
            assert 0.6 < relative / np.hypot(0.055 / np.sqrt(energy), 0.015) < 1


def test_a_linear_estimate_reaches_the_bound_in_position() -> None:
    core, rms = linear_estimates(20.0, (1.6, 0.3), 8000)
    assert rms[:2] == pytest.approx(1, abs=0.03)
    assert core == pytest.approx(1, abs=0.06)
    assert rms[2] > 1.1  # leaking showers: no linear estimate sees them


def test_the_command(tmp_path: Path, evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "evidence.json"
    file.write_text(evidence.to_json(), encoding="utf-8")
    assert main([str(tmp_path / "out"), "--events", "1000", "--evidence", str(file)]) == 0
    text = (tmp_path / "out" / "information_limit.md").read_text(encoding="utf-8")
    assert text.strip() == capsys.readouterr().out.strip()
    assert "coral-tuned" in text
    assert (tmp_path / "out" / "information_limit.png").stat().st_size > 20_000


def test_what_it_cannot_use(tmp_path: Path, evidence: Evidence, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.json"
    other.write_text(evidence.to_json().replace(f'"{LIMIT}"', '"coral"'), encoding="utf-8")
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}", encoding="utf-8")
    for words, said in (
        (["--events", "3"], "at least 1000"),
        (["--evidence", str(tmp_path / "none.json")], "none.json"),
        (["--evidence", str(wrong)], "is not the evidence of a run"),
        (["--evidence", str(other)], f"has no {LIMIT}"),
    ):
        assert main([str(tmp_path / "out"), *words]) == 2
        assert said in capsys.readouterr().err
