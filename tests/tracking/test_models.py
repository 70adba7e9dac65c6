"""Logged models answer as their estimators do, without this repository, and do not mix with each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from made_up import EXAMPLE, SUMS, Files, portable
from mlflow.types import DataType
from mlflow.types.schema import Array
from nursery import Nursery

from tracking.runs.models import log_model
from tracking.runs.packing import frame
from tracking.runs.recorder import CannotRecord, recording

pytestmark = pytest.mark.filterwarnings("ignore:.*MLflow doesn't validate the data:UserWarning")


def logged(made: Files, factor: float, name: str = "model") -> str:
    with recording("toy", seed=1, settings={}):
        return log_model(made, EXAMPLE, {"e1": factor * SUMS}, name=name)


def test_two_versions_in_one_process_run_their_own_code(store: str, tmp_path: Path) -> None:
    one = logged(portable(tmp_path / "one", version=1), 2.0)
    ten = logged(portable(tmp_path / "ten", version=10), 20.0)
    few = frame(EXAMPLE, ("cell_e", "run"))
    loaded = [mlflow.pyfunc.load_model(uri) for uri in (one, ten, one)]
    for model, factor in zip(loaded, (2.0, 20.0, 2.0), strict=True):
        assert np.array_equal(model.predict(few)["e1"], factor * SUMS)


def test_signature_example_and_requirements(store: str, tmp_path: Path) -> None:
    made = Files(**{**vars(portable(tmp_path)), "requirements": ("numpy>=2", "click")})
    uri = logged(made, 2.0)
    info = mlflow.models.get_model_info(uri)
    assert {spec.name: spec.type for spec in info.signature.inputs} == {
        "cell_e": Array(DataType.double),
        "run": DataType.long,
    }
    assert [spec.name for spec in info.signature.outputs] == ["e1"]
    folder = Path(mlflow.artifacts.download_artifacts(uri))
    stated = (folder / "requirements.txt").read_text().split()
    assert {"numpy>=2", "click", f"mlflow=={mlflow.__version__}"} <= set(stated)
    assert sum(line.startswith("numpy") for line in stated) == 1
    assert json.loads((folder / "input_example.json").read_text())["columns"] == ["cell_e", "run"]


LOADER = """
import json, sys
import mlflow.pyfunc
import pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
cells = pd.DataFrame({"cell_e": [[1.0, 2.0], [], [0.5]], "run": [1, 1, 2]})
ours = [name for name in sys.modules if name.split(".")[0] in ("tracking", "projects", "registry",
    "shashlik")]
print(json.dumps([model.predict(cells)["e1"].tolist(), ours]))
"""


def test_it_answers_where_this_repository_is_not(store: str, tmp_path: Path) -> None:
    """Isolated (-I), in another folder, with the name of our packages made unimportable."""
    folder = mlflow.artifacts.download_artifacts(logged(portable(tmp_path / "made"), 2.0))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    blocked = "import sys; sys.modules.update(dict.fromkeys(('tracking','projects','registry','shashlik')))\n"
    script = blocked + LOADER.replace(
        "name in sys.modules if", "name in sys.modules if sys.modules[name] and"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", script, folder],
        cwd=elsewhere,
        env={name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    answers, ours = json.loads(done.stdout.splitlines()[-1])
    assert answers == list(2.0 * SUMS)
    assert ours == []


COMPILED = '''"""Compiled code that takes a type of its own."""

from __future__ import annotations

from collections import namedtuple

import numpy as np
from numba import njit

Factor = namedtuple("Factor", "value")


@njit(cache=True)
def scaled(values, factor):
    return values * factor.value


def load(files):
    def predict(columns):
        return {"e1": scaled(np.array([np.sum(cells) for cells in columns["cell_e"]]), Factor(2.0))}

    predict.compiled = scaled
    return predict
'''


def test_compiled_code_is_kept_for_other_processes_and_shared_within_one(
    store: str, nursery: Nursery, tmp_path: Path
) -> None:
    """It lies beside the model, where the first process that loads it there leaves it."""
    made = portable(tmp_path)
    made.module.write_text(COMPILED)
    folder = mlflow.artifacts.download_artifacts(logged(made, 2.0))
    assert not list(Path(folder).rglob("*.nbi")), "machine code of the packing machine was logged"
    script = LOADER + (
        "again = mlflow.pyfunc.load_model(sys.argv[1])\n"
        "kept = [one.unwrap_python_model()._predict.compiled for one in (model, again)]\n"
        "assert kept[0] is kept[1], 'each load has its own'\n"
        "hits = sum(kept[0].stats.cache_hits.values())\n"
        "assert hits == int(sys.argv[2]), f'{hits} taken from what was kept'\n"
    )
    for hits in ("0", "1"):
        process = nursery.start(script, folder, hits)
        said = process.stdout.read()
        assert process.wait() == 0, process.stderr
        process.close()
        assert list(Path(folder).rglob("*.nbi")), "nothing was kept"
        assert json.loads(said.splitlines()[-1])[0] == list(2.0 * SUMS)


def test_models_of_one_text_are_compiled_once_in_a_process(store: str, tmp_path: Path) -> None:
    """As the fits of a task are, when they are registered and then judged."""
    made = portable(tmp_path)
    made.module.write_text(COMPILED)
    loaded = [mlflow.pyfunc.load_model(logged(made, 2.0)) for _ in range(2)]
    first, second = (one.unwrap_python_model()._predict.compiled for one in loaded)
    assert first is second
    assert first.signatures, "nothing was compiled by the check"


def test_a_logged_model_belongs_to_its_run_and_shows_its_numbers(store: str, tmp_path: Path) -> None:
    numbers = {"network/x/sigma": 0.25, "network/x/bias": float("nan")}
    with recording("toy", seed=1, settings={"depth": 3}) as recorder:
        uri = log_model(portable(tmp_path), EXAMPLE, {"e1": 2.0 * SUMS}, metrics=numbers)
    made = mlflow.get_logged_model(uri.removeprefix("models:/"))
    assert (made.status, made.source_run_id) == ("READY", recorder.run_id)
    assert made.params["cfg.depth"] == "3"
    assert [(metric.key, metric.value) for metric in made.metrics] == [("network/x/sigma", 0.25)]
    outputs = mlflow.get_run(recorder.run_id).outputs.model_outputs
    assert [output.model_id for output in outputs] == [made.model_id]
    assert mlflow.models.get_model_info(uri).run_id == recorder.run_id


def test_a_model_that_cannot_be_sent_is_not_ready(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*what: object) -> None:
        raise OSError("no space left on device")

    with recording("toy", seed=1, settings={}) as recorder:
        monkeypatch.setattr(mlflow.MlflowClient, "log_model_artifacts", full)
        with pytest.raises(OSError, match="no space"):
            log_model(portable(tmp_path), EXAMPLE, {"e1": 2.0 * SUMS})
    (left,) = mlflow.get_run(recorder.run_id).outputs.model_outputs
    assert mlflow.get_logged_model(left.model_id).status == "FAILED"


def test_a_model_that_answers_otherwise_is_refused(store: str, tmp_path: Path) -> None:
    with pytest.raises(CannotRecord, match="other values of 'e1'"):
        logged(portable(tmp_path, factor=2.001), 2.0)
