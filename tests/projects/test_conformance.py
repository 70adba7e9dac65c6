"""What every task in the catalog must do, from its simulation to a model that answers elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from shashlik.evaluation.evaluate import gather
from shashlik.evaluation.run import SUBJECT, run
from shashlik.task import catalog, rootio
from shashlik.task.definition import Task
from shashlik.task.sample import Sample
from shashlik.task.settings import RunSettings, resolve
from tracking.evidence import predictions
from tracking.evidence.predictions import PredictionTable
from tracking.evidence.resolution import LIMIT, from_json
from tracking.runs.packing import frame
from tracking.runs.reader import recall
from tracking.statistics.scores import Scores

pytestmark = pytest.mark.filterwarnings("ignore:.*MLflow doesn't validate the data:UserWarning")

#: Smaller than `smoke`, of which every task takes what it has.
SMALL = {
    "preset": "smoke",
    "seed": "3",
    "train_events": "400",
    "test_events": "200",
    "network_events": "1000",
    "epochs": "1",
    "batch": "256",
    "comparisons": "false",
    "figures": "false",
}
#: A resolution and a classification whose figures are drawn; those of all others are looked at when there is
#: more time, as they take longer than the training.
ILLUSTRATED = ("mass", "pnn")
#: Trained among the slow tests: what they are made of, the stages before and after them have too.
LATER = ("ecal_stage2", "ecal_stage3")


@dataclass(frozen=True)
class Done:
    """A small run of a task, all the way through its door."""

    task: Task
    settings: RunSettings
    version: int
    run: Run
    test: Sample
    answers: PredictionTable


def small(task: Task) -> dict[str, str]:
    known = {item.name for item in fields(task.settings)}
    return {name: value for name, value in SMALL.items() if name in known}


@pytest.fixture(scope="module", params=catalog.names())
def task(request: pytest.FixtureRequest) -> Task:
    return catalog.load(request.param)


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=pytest.mark.slow if name in LATER else ()) for name in catalog.names()],
)
def done(
    request: pytest.FixtureRequest, empty_store: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Done]:
    task = catalog.load(request.param)
    illustrated = {"figures": "true"} if task.name in ILLUSTRATED else {}
    with trained(task, small(task) | illustrated, empty_store, tmp_path_factory.mktemp(task.name)) as found:
        yield found


@contextmanager
def trained(task: Task, words: dict[str, str], empty_store: Path, folder: Path) -> Iterator[Done]:
    """A run in a store of its own, in which the process works as long as the context is open."""
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID"):
            patch.delenv(name, raising=False)
        version = run(task.name, [word for name, value in words.items() for word in (f"--{name}", value)])
        made = MlflowClient().get_model_version(task.name, str(version))
        settings = resolve(task.settings, task.presets, words)
        table = mlflow.artifacts.download_artifacts(f"runs:/{made.run_id}/evidence/predictions.parquet")
        yield Done(
            task,
            settings,
            version,
            MlflowClient().get_run(made.run_id),
            gather(task, settings).test,
            predictions.read(Path(table)),
        )


def test_presets_and_settings_are_complete(task: Task) -> None:
    assert {"default", "smoke"} <= set(task.presets)
    for name in task.presets:
        assert resolve(task.settings, task.presets, {"preset": name}).preset == name
    assert all(item.metadata["help"] for item in fields(task.settings))


def test_simulation_has_the_columns_of_the_schema(task: Task, tmp_path: Path) -> None:
    """It passes the check that files must pass, and comes back from a file as it went there."""
    settings = resolve(task.settings, task.presets, small(task))
    events = task.simulate(settings, 50, 1)
    assert len(events) == 50
    assert rootio.sample(task.schema, events.columns, "").sha256 == events.sha256
    rootio.write(events, tmp_path / "events.root")
    assert rootio.read(str(tmp_path / "events.root"), task.schema).sha256 == events.sha256
    assert all(column.meaning for column in task.schema.columns)


def test_the_seed_makes_the_events(task: Task) -> None:
    settings = resolve(task.settings, task.presets, small(task))
    first, again, other = (task.simulate(settings, 50, seed).sha256 for seed in (1, 1, 2))
    assert first == again
    assert first != other
    both = gather(task, settings)
    assert both.train.sha256 != both.test.sha256
    assert gather(task, replace(settings, seed=4)).test.sha256 != both.test.sha256


def test_run_ends_with_its_evidence(done: Done) -> None:
    assert done.run.info.status == "FINISHED"
    evidence = recall(done.run.info.run_id)
    assert from_json(evidence.to_json()).to_json() == evidence.to_json()
    assert evidence.subject == SUBJECT
    assert evidence.facts.sha256 == done.test.sha256 == done.answers.sha256
    assert evidence.facts.events == len(done.test)
    assert len(evidence.estimators) > 1, "a network is compared with something"
    assert (LIMIT in evidence.estimators) == (done.task.limit is not None)
    recorded = {name for name, value in evidence.metrics().items() if np.isfinite(value)}
    assert recorded <= set(done.run.data.metrics)
    drawn = figures(done)
    if not done.settings.figures:
        assert not drawn
        assert "![" not in done.run.data.tags["mlflow.note.content"]
    else:
        assert len(drawn) >= max(len(done.task.quantities), 1)
        assert "![" in done.run.data.tags["mlflow.note.content"]


def figures(done: Done) -> dict[str, int]:
    """Files of the figures of a run, and their sizes."""
    files = MlflowClient().list_artifacts(done.run.info.run_id, "figures")
    return {item.path: item.file_size for item in files}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(catalog.names()) - set(ILLUSTRATED)))
def test_figures_of_every_task(name: str, empty_store: Path, tmp_path: Path) -> None:
    task = catalog.load(name)
    with trained(task, small(task) | {"figures": "true"}, empty_store, tmp_path) as found:
        drawn = figures(found)
    assert len(drawn) >= len(task.quantities)
    assert all(size > 1000 for size in drawn.values())


def test_answers_are_finite_or_missing(done: Done) -> None:
    """For nearly everything that is judged there is an answer, and never an infinite one."""
    assert set(done.answers.answers) >= {SUBJECT}
    for name, outputs in done.answers.answers.items():
        for output, values in outputs.items():
            assert values.shape == (len(done.test),)
            assert not np.isinf(values).any(), (name, output)
        judged = done.task.outcome(done.test, outputs)
        there = judged.asked if isinstance(judged, Scores) else judged.present
        assert judged.answered[there].mean() > 0.8, name


def test_answers_do_not_see_the_truth(done: Done) -> None:
    """The model's inputs are columns that any file has, and none of the truth.

    A crossed model is told by the event number which half it must not answer.
    """
    info = mlflow.models.get_model_info(f"models:/{done.task.name}/{done.version}")
    names = set(info.signature.inputs.input_names())
    assert names <= set(done.task.schema.having("input")) | ({"event"} if done.task.crossed else set())


ELSEWHERE = """
import sys, traceback
sys.modules.update(dict.fromkeys(("projects", "registry", "shashlik", "tracking")))
import mlflow.pyfunc, pandas as pd
for line in sys.stdin:
    model, events, answers = line.rstrip("\\n").split("\\t")
    try:
        mlflow.pyfunc.load_model(model).predict(pd.read_pickle(events)).to_pickle(answers)
        said = "done"
    except Exception:
        said = repr(traceback.format_exc())
    print("ANSWER", said, flush=True)
"""


class Elsewhere:
    """An interpreter of its own, isolated (-I), in another folder, with our packages made unimportable.

    All models answer in the same one: that none disturbs another is part of what a model must do.
    """

    def __init__(self, folder: Path) -> None:
        foreign = ("PYTHON", "MLFLOW")
        self.folder, self.log = folder, (folder / "log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-c", ELSEWHERE],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(foreign)},
        )

    def predict(self, model: str, events: pd.DataFrame) -> pd.DataFrame:
        """Answers of a model in a folder."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        places = [str(self.folder / name) for name in ("events.pickle", "answers.pickle")]
        events.to_pickle(places[0])
        self.process.stdin.write("\t".join((model, *places)) + "\n")
        self.process.stdin.flush()
        said = next((line for line in self.process.stdout if line.startswith("ANSWER")), "nothing")
        assert said == "ANSWER done\n", f"{said}\n{(self.folder / 'log').read_text()}"
        return pd.read_pickle(places[1])


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elsewhere]:
    made = Elsewhere(tmp_path_factory.mktemp("elsewhere"))
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()
        made.log.close()


def test_model_answers_where_this_repository_is_not(done: Done, elsewhere: Elsewhere, tmp_path: Path) -> None:
    """The numbers of the run."""
    uri = f"models:/{done.task.name}/{done.version}"
    inputs = mlflow.models.get_model_info(uri).signature.inputs.input_names()
    model = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "model"))
    found = elsewhere.predict(model, frame(done.test.columns, inputs))
    for output, wanted in done.answers.answers[SUBJECT].items():
        room = 1e-3 * np.nanmax(np.abs(wanted))
        # A fit that does not settle amplifies single precision in some events.
        agree = np.isclose(found[output], wanted, rtol=1e-3, atol=room, equal_nan=True)
        assert agree.mean() > 0.95, (output, np.flatnonzero(~agree))
