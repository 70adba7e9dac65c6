"""Studies as a user runs them on a real store: to the end, killed, with a variant that fails, given more."""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import toy_study
from click.testing import CliRunner, Result
from mlflow.tracking import MlflowClient
from programs import ROOT, until

from benchmarks.study import write
from shashlik.__main__ import main
from shashlik.ablation.settings import StudySettings, chosen, common, variant_settings
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.variants import BASE, Statement, Study, Variant
from tracking.runs.reader import Found, look, nested

Shell = Callable[..., Result]


@pytest.fixture(scope="module", autouse=True)
def _little_to_search_for_garbage() -> Iterator[None]:
    """A study collects garbage after every training; what all of the suite has imported is not looked at."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def shell(store: str, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on an empty store, with the toy task in the catalog."""
    load = catalog.load
    monkeypatch.setattr(catalog, "load", lambda name: toy_study.TASK if name == "toy" else load(name))

    def call(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, ["study", *words])
        assert done.exit_code == code, f"{words}: {done.output} {done.exception!r}"
        return done

    return call


def sole() -> str:
    """Id of the only study in the store."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name("toy")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], "tags.`mlflow.runName` LIKE 'study%'")
    assert len(found) == 1
    return found[0].info.run_id


def trained(run_id: str) -> dict[tuple[str, str], Found]:
    """Trainings below a study; none is there twice. One killed as it began may not even say what it was."""
    runs = [run for run in nested(run_id) if "variant" in run.tags]
    found = {(run.tags["variant"], run.tags["variant.repetition"]): run for run in runs}
    assert len(found) == len(runs)
    return found


def csv(run_id: str) -> pd.DataFrame:
    return pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/study/trainings.csv"))


ALL = ("base", *toy_study.STUDY.variants)


@pytest.mark.parametrize(
    ("words", "number"),
    [
        # Of the scatter of trainings one variant tells, all others are trained once.
        (("--variants", "base:2," + ",".join(ALL[1:]), "--seeds", "1"), {"base": 2}),
        pytest.param(("--seeds", "2"), dict.fromkeys(ALL, 2), marks=pytest.mark.slow),
    ],
    ids=["base twice", "all twice"],
)
def test_study_from_beginning_to_end(
    words: tuple[str, ...], number: dict[str, int], shell: Shell, tmp_path: Path
) -> None:
    out = shell("toy", *words).output
    study = sole()
    assert f"resume={study} continues it" in out
    runs = trained(study)
    assert set(runs) == {(name, str(one)) for name in ALL for one in range(number.get(name, 1))}
    trainings = len(runs) - number.get("single", 1)
    failed = {name for (name, _), run in runs.items() if run.status == "FAILED"}
    # One variant cannot be trained: it says why, and the study goes on.
    assert failed == {"single"}
    assert "one measurement is not enough" in runs["single", "0"].failure
    assert look(study).status == "FINISHED"
    assert look(study).metrics["trainings/finished"] == trainings
    assert look(study).metrics["variants/failed"] == 1

    frame = csv(study).groupby("variant").first()
    for name, against, wanted in (
        ("lopsided", "base", math.hypot(0.8, 0.2) / math.sqrt(0.5)),
        # Of two that do not change what is simulated the events are the base's.
        ("precise", "base", 1.0),
        ("moved", "base", 1.0),
        ("deep", "precise", 0.4),
    ):
        row = frame.loc[name]
        assert row.against == against
        # Where trainings and events are the same nothing is left to chance.
        assert row.t_ratio_low <= row.t_ratio + 1e-12
        assert abs(row.t_ratio - wanted) < 4 * max(row.t_ratio_high - row.t_ratio, 1e-6)
    # The variant's own events: with a second measurement without error the mean has half the width.
    assert frame.loc["precise"].t_sigma == pytest.approx(0.5, rel=0.05)
    assert frame.loc["moved"].t_sigma == frame.loc["precise"].t_sigma
    assert frame.loc["base"].t_sigma == pytest.approx(math.sqrt(0.5), rel=0.05)

    note = look(study).tags["mlflow.note.content"]
    assert "the original study states" in note
    assert "0.75" in note
    assert "FAILED: RuntimeError: one measurement is not enough" in note
    assert "get-artifact?path=figures/study.png" in note
    findings = Path(mlflow.artifacts.download_artifacts(f"runs:/{study}/study/findings.md")).read_text()
    verdicts = {
        line.split(" | ")[0][2:]: line.split("**")[1] for line in findings.splitlines() if "**" in line
    }
    assert verdicts["most of one is worse"] == verdicts["the mean is better"] == "holds"
    assert verdicts["of one, less is better"] == "holds"
    assert verdicts["one alone is no help"] == "cannot be decided"

    # What a page of the documentation is made of.
    page = tmp_path / "docs" / "study.md"
    (page.parent / "figures").mkdir(parents=True)
    page.write_text("Before\n<!-- toy -->\nformer\n<!-- end of toy -->\nafter\n")
    write(page, [("toy", study)])
    text = page.read_text()
    assert text.startswith("Before\n")
    assert text.endswith("after\n")
    assert "former" not in text
    assert f"7 variants, {trainings} trainings, 1 failed; of 5 findings of the original study" in text
    assert f"| `lopsided` | mostly the first | {number.get('lopsided', 1)} |" in text
    assert (page.parent / "figures" / "study_toy.png").read_bytes().startswith(b"\x89PNG")


def test_a_study_can_be_given_more(shell: Shell) -> None:
    shell("toy", "--variants", "lopsided", "--seeds", "1")
    study = sole()
    before = trained(study)
    assert set(before) == {("base", "0"), ("lopsided", "0")}
    shell("toy", "--resume", study, "--variants", "base,lopsided:1,wobbly", "--seeds", "2")
    after = trained(study)
    assert set(after) == {("base", "0"), ("base", "1"), ("lopsided", "0"), ("wobbly", "0"), ("wobbly", "1")}
    assert all(after[key].run_id == run.run_id for key, run in before.items())
    # Another training has another seed, and is judged on the same events.
    assert after["wobbly", "0"].metrics["network/t/sigma"] != after["wobbly", "1"].metrics["network/t/sigma"]
    assert len({run.tags["data.sha256"] for run in after.values()}) == 1
    told = shell("toy", "--resume", study, "--weight", "0.6", code=1).output
    assert "cfg.weight=0.5, not 0.6: resume it with the same settings" in told


KILLED = """
import sys
sys.path.insert(0, {tests!r})
import toy_study
from shashlik.task import catalog
catalog.load = lambda name: toy_study.TASK
from shashlik.__main__ import main
main(["study", "toy", "--variants", "{variants}", "--seeds", "{seeds}", "--pause", "1"])
"""


@pytest.mark.parametrize(
    ("variants", "seeds"), [("lopsided", 1), pytest.param("lopsided,wobbly", 2, marks=pytest.mark.slow)]
)
def test_a_killed_study_continues(variants: str, seeds: int, shell: Shell) -> None:
    """Killed behind the base's trainings: these are kept as they are, all others follow."""
    code = KILLED.format(tests=str(Path(__file__).parent), variants=variants, seeds=seeds)
    done: list[Found] = []

    def enough() -> bool:
        done[:] = [run for run in nested(sole()) if run.status == "FINISHED"]
        return len(done) >= seeds

    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as begun:
        try:
            until(enough, begun)
        finally:
            begun.kill()
    study = sole()
    shell("toy", "--resume", study)
    runs = trained(study)
    assert {run.status for run in runs.values()} == {"FINISHED"}
    assert set(runs) == {(name, number) for name in ("base", *variants.split(",")) for number in "01"[:seeds]}
    kept = {run.run_id: run.seconds for run in runs.values()}
    assert all(kept[run.run_id] == run.seconds for run in done)
    assert look(study).status == "FINISHED"


def test_without_its_base_a_study_is_nothing(shell: Shell) -> None:
    told = shell("toy", "--weight", "1", "--seeds", "1", code=1).output
    assert "the base of the study failed, and nothing can be compared: RuntimeError: one measurement" in told
    assert look(sole()).status == "FAILED"
    assert len(trained(sole())) == 1


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("mass", "--seeds", "2"), "mass declares nothing to study"),
        (("toy", "--variants", "base,none"), "no variant 'none'; choose from base, lopsided"),
        (("toy", "--variants", "base:0"), "behind the colon is the number of trainings, 1 to 100"),
        (("toy", "--seeds", "0"), "seeds"),
        (("toy", "--colour", "red"), "unknown parameter 'colour'"),
        (("toy", "--resume", "f" * 32), "no run 'ffff"),
    ],
)
def test_what_cannot_be_studied_is_said_in_a_line(words: tuple[str, ...], wanted: str, shell: Shell) -> None:
    done = CliRunner().invoke(main, ["study", *words])
    assert done.exit_code in (1, 2)
    assert wanted in done.output
    # Recorded, as FAILED and with the reason.
    experiment = MlflowClient().get_experiment_by_name(words[0])
    assert experiment is not None
    runs = MlflowClient().search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FAILED"]
    assert wanted in runs[0].data.tags["failure"]


def test_what_is_compared_takes_part() -> None:
    study = toy_study.STUDY
    assert chosen(study, StudySettings("deep:5", 2)) == {"base": 2, "precise": 2, "deep": 5}
    assert list(chosen(study, StudySettings())) == list(study.all)
    assert study.asked("precise") == ("deep",)
    assert BASE not in study.asked(BASE)


def test_settings_of_a_variant() -> None:
    base = common(toy_study.TASK, {"error": "3"})
    assert (base.weight, base.error, base.test_events) == (0.5, 3.0, 4000)
    precise = variant_settings(toy_study.STUDY, base, "precise", share=0.25)
    assert (precise.weight, precise.error, precise.number) == (0.5, 0.0, 250)
    with pytest.raises(BadInput, match="weight=2"):
        variant_settings(Study({}, "", {"far": Variant("", {"weight": 2})}), base, "far")


def test_a_study_must_know_what_it_names() -> None:
    with pytest.raises(ValueError, match="nobody"):
        Study({}, "", {"a": Variant("", {}, against="nobody")})
    with pytest.raises(ValueError, match="no comma"):
        Study({}, "", {"a,b": Variant("", {})})
    with pytest.raises(ValueError, match="expected is one of"):
        Statement("", "a", "b", "nicer")


@pytest.mark.parametrize("name", [name for name in catalog.names() if catalog.load(name).study])
def test_every_declared_variant_is_possible(name: str) -> None:
    task = catalog.load(name)
    assert task.study is not None
    base = common(task, {})
    for variant in task.study.all:
        settings = variant_settings(task.study, base, variant)
        assert settings == base or variant != BASE
        assert [one.name for one in task.estimators(settings)][-1] == "network"
    quantities = {one.name for one in task.quantities}
    assert {name for one in task.study.statements for name in one.quantities} <= quantities
    assert set(task.study.stated) <= quantities
