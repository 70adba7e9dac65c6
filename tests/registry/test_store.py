"""Versions of a registered model: one for a run and estimator, with what it was judged by."""

from __future__ import annotations

from pathlib import Path

import mlflow
import numpy as np
import pytest
from made_up import EXAMPLE, SUMS, portable
from mlflow.tracking import MlflowClient

from registry.models import model_files
from registry.models.registration import register
from tracking.evidence.resolution import Evidence
from tracking.runs.models import log_model
from tracking.runs.packing import frame
from tracking.runs.recorder import recording

pytestmark = pytest.mark.filterwarnings("ignore:.*MLflow doesn't validate the data:UserWarning")


def test_a_version_says_what_it_was_judged_by(store: str, tmp_path: Path, evidence: Evidence) -> None:
    with recording("toy", seed=1, settings={}) as recorder:
        uri = log_model(portable(tmp_path), EXAMPLE, {"e1": 2 * SUMS})
        version = register("toy", uri, recorder.run_id, evidence, "network")
    found = MlflowClient().get_model_version("toy", str(version))
    assert version == 1
    assert found.run_id == recorder.run_id
    assert found.description.startswith("**network: σ(x)")
    files = mlflow.artifacts.download_artifacts(uri, dst_path=str(tmp_path / "files"))
    assert found.tags == {
        "model.sha256": model_files.sha256(Path(files)),
        "task": "toy",
        "estimator": "network",
        "data.sha256": evidence.facts.sha256,
        "evidence.sha256": evidence.sha256,
    }
    loaded = mlflow.pyfunc.load_model(f"models:/toy/{version}")
    assert np.array_equal(loaded.predict(frame(EXAMPLE, ("cell_e", "run")))["e1"], 2 * SUMS)


def test_registering_again_changes_nothing(store: str, tmp_path: Path, evidence: Evidence) -> None:
    with recording("toy", seed=1, settings={}) as recorder:
        uri = log_model(portable(tmp_path), EXAMPLE, {"e1": 2 * SUMS})
        first = register("toy", uri, recorder.run_id, evidence, "network")
        assert register("toy", uri, recorder.run_id, evidence, "network") == first
        assert register("toy", uri, recorder.run_id, evidence, "fit") == first + 1
    with recording("toy", seed=1, settings={}) as other:
        uri = log_model(portable(tmp_path), EXAMPLE, {"e1": 2 * SUMS})
        assert register("toy", uri, other.run_id, evidence, "network") == first + 2
    assert len(MlflowClient().search_model_versions("name='toy'")) == 3
