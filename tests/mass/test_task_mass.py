"""Runs of the task through the door, and what is left of them in the store and in the registry."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner
from mlflow.tracking import MlflowClient
from skhep_testdata import data_path

from projects.mass import alternatives
from projects.mass.networks import family
from shashlik.__main__ import main
from shashlik.estimators import levenberg_marquardt
from shashlik.task import catalog
from shashlik.task.settings import resolve
from tracking.evidence.resolution import Evidence, from_json

TASK = catalog.load("mass")


def run(*words: str):
    """The newest run of the task, made by these words."""
    done = CliRunner().invoke(main, ["run", "mass", *words])
    assert done.exit_code == 0, done.output
    experiment = MlflowClient().get_experiment_by_name("mass")
    assert experiment is not None
    return MlflowClient().search_runs([experiment.experiment_id], max_results=1)[0], done.output


def evidence(run_id: str, folder: Path) -> Evidence:
    path = mlflow.artifacts.download_artifacts(
        run_id=run_id, artifact_path="evidence/evidence.json", dst_path=str(folder)
    )
    found = from_json(Path(path).read_text())
    assert isinstance(found, Evidence)
    return found


def files(run_id: str, folder: str) -> set[str]:
    return {Path(item.path).name for item in MlflowClient().list_artifacts(run_id, folder)}


@pytest.mark.parametrize("basis", ["cartesian", pytest.param("polar", marks=pytest.mark.slow)])
def test_run(basis: str, store: str, tmp_path: Path) -> None:
    made, told = run("--preset", "smoke", "--basis", basis, "--figures", "false")
    metrics = made.data.metrics
    for name in ("closed-form", "closed-form-32", "network"):
        low, share, high = (metrics[f"{name}/success{end}"] for end in ("_low", "", "_high"))
        assert low <= share <= high
        # Every event is answered, so that success and failure are all there is.
        assert share == pytest.approx(1.0 - metrics[f"{name}/failures"])
    (row,) = (line for line in told.splitlines() if line.startswith("success "))
    assert float(row.split()[1]) == 1.0, "a row of the task's own numbers, the closed form first"
    assert metrics["closed-form/success"] == 1.0
    assert metrics["network/success"] >= 0.9
    found = evidence(made.info.run_id, tmp_path)
    assert [binning.name for binning in found.binnings] == ["energy", "gamma"]
    for binning in found.binnings:
        rows = found.bins("network", "mass", binning.name)
        assert len(rows) == len(binning.edges) - 1
        assert sum(row.result.n for row in rows) <= 2000

    # The registered network answers without rounding its input to single precision.
    settings = resolve(TASK.settings, TASK.presets, {"preset": "smoke", "basis": basis})
    sample = TASK.simulate(settings, 500, 77)
    (version,) = MlflowClient().search_model_versions("name='mass'")
    model = mlflow.pyfunc.load_model(f"models:/mass/{version.version}")
    names = {"cartesian": ("e", "px", "py", "pz"), "polar": ("e", "pt", "eta", "phi")}[basis]
    answers = np.asarray(model.predict({name: sample[name] for name in names})["mass"])
    near = sample["e"] / sample["mass"] < 50
    if metrics["network/success"] == 1.0:
        np.testing.assert_allclose(answers[near], sample["mass"][near], rtol=1e-5)


def test_run_on_the_users_file(store: str) -> None:
    made, _ = run(
        "--preset",
        "smoke",
        "--figures",
        "false",
        "--data",
        data_path("uproot-Zmumu.root"),
        "--columns",
        "e:E1+E2,px:px1+px2,py:py1+py2,pz:pz1+pz2,mass:M",
    )
    assert made.data.metrics["network/success"] == 1.0
    assert made.data.params["cfg.columns"].startswith("e:E1+E2")


@pytest.mark.parametrize(
    ("third", "starts", "steps"),
    [
        # All but the squares are missed in a second.
        ("squares-softplus-1", 1, 3),
        pytest.param("seed", 20, 60, marks=pytest.mark.slow),
    ],
)
def test_search_is_recorded(
    third: str, starts: int, steps: int, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Table and figure of a search among three architectures, and the network that it chose."""

    def few(products):
        return {
            name: member
            for name, member in family(products).items()
            if name in ("squares", "products-3", third)
        }

    monkeypatch.setattr(alternatives, "family", few)
    monkeypatch.setattr(levenberg_marquardt, "_STARTS", starts)
    monkeypatch.setattr(levenberg_marquardt, "_STEPS", steps)
    made, told = run(
        "--preset", "minimal", "--train_events", "600", "--test_events", "600", "--trainings", "1"
    )
    assert "The smallest that passes in its median training: **squares**, 4 parameters" in told
    wanted = {"minimal_network.png", "relative_error.png", "masses.png"}
    assert wanted <= files(made.info.run_id, "figures")
    assert made.data.metrics["network/success"] > 0.9
    assert len(MlflowClient().search_model_versions("name='mass'")) == 1
