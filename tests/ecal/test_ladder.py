"""The ladder's page: numbers of evidence in its tables, and what it refuses."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from projects.ecal.evaluation.energy_figures import energy_numbers
from projects.ecal.evaluation.photons import QUANTITIES
from tracking.evidence.from_residuals import build
from tracking.evidence.resolution import LIMIT, Evidence, Facts
from tracking.statistics.residuals import Residuals

PAGE = "".join(
    f"<!-- {mark} -->\n{words}\n<!-- end of {mark} -->\n"
    for words, marks in (("old", ("ladder", "relative", "failures", "terms")), ("", ("whole", "counting")))
    for mark in marks
)


@pytest.fixture(scope="module")
def ladder() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "ladder.py"
    spec = importlib.util.spec_from_file_location("ladder", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Its dataclass looks its module up.
    sys.modules["ladder"] = module
    spec.loader.exec_module(module)
    return module


def evidence(widths: dict[str, float], sha256: str = "a", subject: str = "network") -> Evidence:
    rng = np.random.default_rng(1)
    energy = rng.uniform(2, 200, (4000, 1))
    judged = {
        name: Residuals(
            {item.name: rng.normal(0, width, (4000, 1)) / np.sqrt(energy) for item in QUANTITIES},
            {"energy": energy},
            rng.random((4000, 1)) < 0.02,
        )
        for name, width in widths.items()
    }
    facts = Facts("ecal_stage2", sha256, "made up", 4000, 1, 1, {})
    extra = energy_numbers(judged, QUANTITIES)
    if list(widths) == ["network"]:
        extra |= {"network/x/relative": 0.0205, "network/x/relative_err": 0.0004}
    return build(judged, QUANTITIES, (), facts=facts, seed=1, subject=subject, extra=extra, replicas=20)


def write(folder: Path, **parts: Evidence) -> None:
    for name, one in parts.items():
        (folder / f"2-{name}.json").write_text(one.to_json())


def test_tables_hold_the_numbers_of_the_evidence(ladder: ModuleType, tmp_path: Path) -> None:
    ours = evidence({"coral": 1.2, "coral-tuned": 0.4, "network": 0.35})
    study, limit = evidence({"network": 0.9}), evidence({LIMIT: 0.3}, subject=LIMIT)
    write(tmp_path, default=ours, seed=study, bound=limit)
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    for _ in range(2):  # written again, it stays as it is
        assert ladder.main(["table", str(tmp_path), str(page)]) == 0
        text = page.read_text()
        assert "old" not in text
        lines = text.splitlines()
        (first,) = (line for line in lines if line.startswith("| 2 | x (cm) |  |"))
        cells = [cell.strip() for cell in first.strip("|").split("|")]
        assert cells[4] == cells[6] == "–", "fits that are not there"
        for cell, one, name in (
            (cells[3], ours, "coral"),
            (cells[7], study, "network"),
            (cells[8], ours, "network"),
            (cells[9], limit, LIMIT),
        ):
            assert float(cell.split(" ")[0]) == pytest.approx(one.row(name, "x").sigma, rel=2e-3)
        ratio = ours.row("network", "x").sigma / limit.row(LIMIT, "x").sigma
        assert float(cells[10].split(" ")[0]) == pytest.approx(ratio, rel=2e-3)
        assert any(line.startswith("| 2 | x |") and "0.0205" in line for line in lines)
        failures = f"| {100 * ours.count('network').failures.value:.2f} % |"
        assert any("our network" in line and line.endswith(failures) for line in lines)
        (terms,) = (line for line in lines if line.startswith("|  | our network | E/E |"))
        assert float(terms.split("|")[4].split("±")[0]) == pytest.approx(
            ours.extra["network/energy/stochastic"], rel=2e-2
        )


def test_parts_about_different_events_are_refused(ladder: ModuleType, tmp_path: Path) -> None:
    write(tmp_path, default=evidence({"network": 0.3}), seed=evidence({"network": 0.9}, "b"))
    with pytest.raises(SystemExit, match="step 2: its parts were judged on different events"):
        ladder.kept(tmp_path)


@pytest.mark.parametrize("words", [[], ["run"], ["run", "out", "5"], ["take", "out", "2", "other", "id"]])
def test_other_words_get_the_usage(
    ladder: ModuleType, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert ladder.main(words) == 2
    assert "steps: 1, 2, 3-1" in capsys.readouterr().err


def test_every_step_is_a_setting_of_its_task(ladder: ModuleType) -> None:
    from shashlik.task import catalog
    from shashlik.task.settings import resolve

    for step in ladder.STEPS.values():
        task = catalog.load(step.task)
        for preset in {"default", "seed"} & set(step.parts):
            assert resolve(task.settings, task.presets, {**step.given, "preset": preset}).preset == preset
        assert not step.on or LIMIT in ladder.STEPS[step.on].parts
    assert LIMIT not in ladder.STEPS["3-2-blind"].parts


def test_a_step_judged_on_events_of_another_has_its_limit(ladder: ModuleType, tmp_path: Path) -> None:
    for name, one in (
        ("4-whole-default", evidence({"coral": 1.2, "network": 0.33})),
        ("4-target-bound", evidence({LIMIT: 0.3}, subject=LIMIT)),
    ):
        (tmp_path / f"{name}.json").write_text(one.to_json())
    lines = ladder.resolutions(ladder.kept(tmp_path))
    (first,) = (line for line in lines if line.startswith("| 4*, on the same pairs | x (cm) |"))
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert float(cells[9].split(" ")[0]) > 0
    assert float(cells[10].split(" ")[0]) == pytest.approx(1.1, rel=0.1)


def test_steps_that_are_not_held_stay_in_the_page(ladder: ModuleType, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    write(tmp_path, default=evidence({"coral": 1.2, "network": 0.35}))
    ladder.table(tmp_path, page)
    before = page.read_text()
    fits = dict.fromkeys(("coral", "lednev", "coral-tuned", "lednev-tuned"), 0.4)
    (tmp_path / "2-default.json").rename(tmp_path / "1-default.json")
    (tmp_path / "4-whole-default.json").write_text(evidence({**fits, "network": 0.33}).to_json())
    (tmp_path / "4-target-bound.json").write_text(evidence({LIMIT: 0.3}, subject=LIMIT).to_json())
    (tmp_path / "4-whole-counting.md").write_text("**Counting**\n")
    ladder.table(tmp_path, page)
    after = page.read_text()
    rows = [line for line in before.splitlines() if line.startswith(("| 2 |", "|  |"))]
    assert rows
    assert all(row in after for row in rows)
    titles = [line.split("|")[1].strip() for line in after.splitlines() if "| x (cm) |" in line]
    assert titles[:4] == ["1", "2", "4, from the target", "4*, on the same pairs"]
    assert "<!-- counting -->\n**Counting**\n<!-- end" in after
    (ratio,) = (line for line in after.splitlines() if line.startswith("| stage 4* / information limit |"))
    assert float(ratio.split("|")[2].split("±")[0]) == pytest.approx(1.1, rel=0.1)


def test_steps_on_the_same_events_must_be(ladder: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "4-whole-default.json").write_text(evidence({"network": 0.3}).to_json())
    (tmp_path / "4-target-bound.json").write_text(evidence({LIMIT: 0.3}, "b", LIMIT).to_json())
    with pytest.raises(SystemExit, match="step 4-whole: it was judged on other events than step 4-target"):
        ladder.kept(tmp_path)
