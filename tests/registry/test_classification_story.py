"""A classification from its first run to a champion, by the commands, in a real store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
import toy_classes
import uproot
from click.testing import CliRunner
from mlflow.tracking import MlflowClient

from shashlik.__main__ import main
from shashlik.task import catalog, rootio
from tracking.evidence.agreement import differences
from tracking.evidence.classification import Classification
from tracking.runs.reader import recall

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning", "ignore::ResourceWarning"
)


class Told:
    """What the commands said, by name."""

    def __init__(self) -> None:
        self.output: dict[str, str] = {}

    def shell(self, name: str, *words: str, code: int = 0) -> None:
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == code, f"{words}: {done.output} {done.exception!r}"
        self.output[name] = done.output


@pytest.fixture(scope="module")
def told(empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Versions: 1 good, 2 the cuts as baseline, 3 worse in one hypothesis."""
    folder = tmp_path_factory.mktemp("classes")
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    load = catalog.load
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "SHASHLIK_DATABASE"):
            patch.delenv(name, raising=False)
        patch.setattr(catalog, "load", lambda name: toy_classes.TASK if name == "classes" else load(name))
        found = Told()
        for name, code in (("good", 0), ("lame", 1)):
            found.shell(f"run {name}", "run", "classes", "--network", name)
            found.shell(name, "promote", "classes", code=code)
        found.shell("candidates", "candidates", "classes", "--all")
        found.shell("compare", "compare", "champion,3", "baseline-cuts")
        yield found


def evidence_of(version: int) -> Classification:
    found = recall(MlflowClient().get_model_version("classes", str(version)).run_id)
    assert isinstance(found, Classification)
    return found


def test_the_better_is_promoted(told: Told) -> None:
    assert "PROMOTE: version 1 of classes" in told.output["good"]
    assert "gain in mean AUC relative to baseline-cuts: 0.1" in told.output["good"]
    assert MlflowClient().get_model_version_by_alias("classes", "champion").version == 1


@pytest.mark.slow
def test_an_equal_one_is_not(told: Told) -> None:
    told.shell("run equal", "run", "classes", "--network", "equal")
    told.shell("equal", "promote", "classes", code=1)
    assert "of classes" in told.output["equal"]
    assert "PROMOTE" not in told.output["equal"]


def test_one_worse_hypothesis_rejects(told: Told) -> None:
    assert "REJECT: version 3" in told.output["lame"]
    assert "gain in AUC of m500 relative to champion: −0.0" in told.output["lame"]
    assert "gain in AUC of m300" not in told.output["lame"]


def test_the_run_holds_what_was_found(told: Told) -> None:
    """Metrics, tables, figures, the description in the UI; the areas are those of the closed form."""
    client = MlflowClient()
    run = client.get_run(client.get_model_version("classes", "1").run_id)
    found = evidence_of(1)
    recorded = {name for name, value in found.metrics().items() if np.isfinite(value)}
    assert recorded <= set(run.data.metrics)
    assert {"network/auc/m900", "network/auc/m900_err", "network/ams/m900", "network/efficiency"} <= recorded
    area, error = (run.data.metrics[f"network/auc{end}"] for end in ("", "_err"))
    # Phi(sqrt(2) / sqrt(2)) = Phi(1)
    assert area == pytest.approx(0.84134, abs=4 * error)
    assert run.data.metrics["cuts/auc_err"] > 0
    text = run.data.tags["mlflow.note.content"]
    assert text.split("\n\n")[1].startswith("**network: AUC = 0.8"), "below the links"
    assert "m900 (held out)" in text
    assert text.count("/get-artifact?path=figures/") >= 6
    figures = {item.path for item in client.list_artifacts(run.info.run_id, "figures")}
    assert {
        f"figures/{name}.png"
        for name in (
            "roc",
            "auc_against_hypothesis",
            "calibration",
            "ams_scan",
            "background_in_m_hh",
            "response_against_hypothesis",
        )
    } <= figures
    tables = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/evidence/tables.md")
    assert "Where the response to a signal is largest" in tables
    assert client.get_model_version("classes", "1").description.startswith(
        "**PROMOTE: version 1 of classes**"
    )


def test_lists_and_compares(told: Told) -> None:
    head, _, *rows = told.output["candidates"].splitlines()
    assert "AUC" in head
    assert "AMS" in head
    assert re.search(r" 0\.8[345]\d* ± ", rows[0]), "Phi(1), known to 0.006"
    assert "v1-network, v3-network" in told.output["compare"]
    assert "v1-network, v2-cuts" in told.output["compare"]


@pytest.mark.slow
def test_draws_what_it_compares(told: Told) -> None:
    told.shell("draw", "compare", "champion,3", "baseline-cuts", "--out", "out")
    assert {path.stem for path in Path("out").glob("*.png")} >= {"roc", "auc_against_hypothesis"}


def test_predicts_files(told: Told, tmp_path: Path) -> None:
    sample = toy_classes.simulate(toy_classes.Settings(), 100, 9)
    rootio.write(sample, tmp_path / "in.root")
    told.shell("predict", "predict", str(tmp_path / "in.root"), str(tmp_path / "out.root"))
    with uproot.open(tmp_path / "out.root") as file:
        answers = file["predictions"].arrays(library="np")
    wanted = toy_classes.good(*(sample[name] for name in toy_classes.MEASURED))
    for name in toy_classes.NAMES:
        np.testing.assert_allclose(answers[name], wanted[name], rtol=1e-5)


def test_a_second_run_is_compared_number_by_number(told: Told) -> None:
    found = evidence_of(1)
    same = differences(found, found)
    assert {one.name for one in same} >= {"network/auc/m500", "cuts/ams", "network/efficiency"}
    assert all(one.agrees for one in same)
    other = {one.name for one in differences(found, evidence_of(3)) if not one.agrees}
    assert "network/auc/m500" in other
    assert "network/auc/m300" not in other


def test_the_objective_of_a_search(told: Told) -> None:
    """One less the mean area, the smaller the better; a formula without its second measurement is worse."""
    sample = toy_classes.simulate(toy_classes.Settings(), 6000, 5)
    judgement = toy_classes.TASK.judgement
    found = {}
    for of in (toy_classes.fair, toy_classes.good):
        answers = of(*(sample[name] for name in toy_classes.MEASURED[: of.__code__.co_argcount]))
        found[of.__name__] = judgement.objective(toy_classes.TASK.outcome(sample, answers), ("auc",))
    assert found["good"][0] == pytest.approx(1 - 0.84134, abs=4 * found["good"][1])
    assert found["fair"][0] > found["good"][0] + 5 * found["good"][1]
    assert "AUC" in judgement.goal(("auc",))


def test_a_task_is_of_one_kind() -> None:
    both = {"residuals": lambda sample, predictions: None}
    with pytest.raises(TypeError, match="'classes' declares either residuals or scores"):
        replace(toy_classes.TASK, **both)
    with pytest.raises(TypeError, match="either residuals or scores"):
        replace(toy_classes.TASK, scores=None)
