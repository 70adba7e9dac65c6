"""A store is backed up and lives again elsewhere: by its commands, and with whatever may be broken."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import numpy as np
import pytest
import sqlalchemy as sa
from consoles import Shell, as_at_first, at
from mlflow.tracking import MlflowClient
from nursery import Nursery
from postgresql import fresh
from servers import shashlik_server

from registry.models import versions
from shashlik.export import golden_vectors
from tracking.runs.models import load
from tracking.storage.databases import snapshot

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning", "ignore::ResourceWarning"
)

Made = tuple[Path, Path]


@pytest.fixture(scope="module")
def origin(workbench: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """A store with a champion, gone from where it was; its backup and golden vectors."""
    folder, kept = as_at_first(workbench), tmp_path_factory.mktemp("kept")
    with pytest.MonkeyPatch.context() as monkeypatch:
        backed_up(at(folder, monkeypatch), "toy", kept)
    gone = folder.with_name("gone")
    folder.rename(gone)
    yield kept, folder
    gone.rename(folder)


def backed_up(shell: Shell, task: str, kept: Path) -> None:
    """Golden vectors and backups in both forms, and the hash of one of them."""
    keep_golden(task, kept / "golden")
    shell("backup", str(kept / "backup"))
    told = shell("backup", str(kept / "backup.tar")).output
    (kept / "sha256").write_text(told.split()[-1])


def keep_golden(task: str, folder: Path) -> None:
    """What the champion says of some events, in the form of a bundle."""
    from shashlik.task import catalog
    from shashlik.task.settings import resolve

    of = catalog.load(task)
    sample = of.simulate(resolve(of.settings, of.presets, {}), 200, 77)
    predict, inputs = load(versions.fetch(task, "@champion"))
    columns = {name: sample[name] for name in inputs}
    golden_vectors.write(golden_vectors.Golden(columns, {}, np.ones(200, bool), predict(columns)), folder)


def repeats_golden(folder: Path, task: str = "toy") -> None:
    """The champion of the present store says the same, to the last bit."""
    events = golden_vectors.read(folder)
    predict, _ = load(versions.fetch(task, "@champion"))
    found = predict(events.columns)
    assert found.keys() == events.outputs.keys()
    for name, wanted in events.outputs.items():
        np.testing.assert_array_equal(found[name], wanted)


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console in an empty folder, nothing cached."""
    folder = tmp_path / "another" / "machine"
    folder.mkdir(parents=True)
    return at(folder, monkeypatch)


@pytest.fixture
def store_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes an address the store in use."""

    def use(address: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        mlflow.set_tracking_uri(None)

    yield use
    mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def again(origin: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a store that was restored from the backup."""
    folder = tmp_path_factory.mktemp("another") / "machine"
    folder.mkdir()
    with pytest.MonkeyPatch.context() as monkeypatch:
        at(folder, monkeypatch)("restore", str(origin[0] / "backup"))
    return folder


@pytest.fixture
def restored(again: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console there."""
    return at(again, monkeypatch)


def lives(shell: Shell, kept: Path, folder: Path, task: str = "toy") -> None:
    """What was restored is whole, and leads nowhere but to itself."""
    assert not folder.exists()
    assert "the champion is version 1; 0 problems" in shell("doctor", task).output
    assert "is complete and unchanged" in shell("history", task, "--verify").output
    repeats_golden(kept / "golden", task)
    places = json.dumps(
        [
            [run.info.artifact_uri for run in MlflowClient().search_runs(["1"])],
            [one.artifact_location for one in MlflowClient().search_experiments()],
        ]
    )
    assert str(folder) not in places
    assert str(Path.cwd() / "mlruns" / "1") in places
    with mlflow.start_run(experiment_id="1") as run:
        mlflow.log_text("new", "new.txt")
    assert Path(f"mlruns/1/{run.info.run_id}/artifacts/new.txt").read_text() == "new"


def test_a_store_lives_again_elsewhere(origin: Made, restored: Shell) -> None:
    lives(restored, *origin)


@pytest.mark.slow
def test_a_store_lives_again_from_one_file(origin: Made, elsewhere: Shell) -> None:
    kept, folder = origin
    elsewhere("restore", str(kept / "backup.tar"))
    lives(elsewhere, kept, folder)


@pytest.mark.slow
def test_a_network_lives_again_elsewhere(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, kept, other = (tmp_path / name for name in ("origin", "kept", "other"))
    for place in (folder, kept, other):
        place.mkdir()
    shutil.copy(empty_store, folder / "mlflow.db")
    shell = at(folder, monkeypatch)
    shell("run", "mass", "--preset", "smoke", "--train_events", "2000", "--test_events", "500")
    shell("freeze", "mass", "--events", "4000")
    assert "PROMOTE: version 1" in shell("promote", "mass").output
    backed_up(shell, "mass", kept)
    folder.rename(tmp_path / "gone")
    shell = at(other, monkeypatch)
    shell("restore", str(kept / "backup"))
    lives(shell, kept, folder, "mass")


def test_from_sqlite_to_postgresql_and_back(
    origin: Made, elsewhere: Shell, postgres: str, store_at: Callable[[str], None]
) -> None:
    address = fresh(postgres)
    elsewhere("restore", str(origin[0] / "backup.tar"), "--store", address, "--artifacts", "files")
    store_at(address)
    assert "0 problems" in elsewhere("doctor", "toy").output
    repeats_golden(origin[0] / "golden")
    # Numbers go on where they were.
    assert MlflowClient().create_experiment("next") == "2"
    elsewhere("backup", "again")
    elsewhere("restore", "again", "--store", "sqlite:///again.db", "--artifacts", "more")
    store_at("sqlite:///again.db")
    assert "0 problems" in elsewhere("doctor", "toy").output
    repeats_golden(origin[0] / "golden")
    first, last = (
        json.loads((place / "manifest.json").read_text()) for place in (origin[0] / "backup", Path("again"))
    )
    same = {name for name in first["tables"] if first["tables"][name] == last["tables"][name]}
    assert set(first["tables"]) - same == {"experiments", "runs", "logged_models", "model_versions"}


def test_what_is_to_be_served_says_so(origin: Made, elsewhere: Shell) -> None:
    """A server alone knows where the files are, and without it that has to be said."""
    elsewhere("restore", str(origin[0] / "backup"), "--serve", "yes")
    assert MlflowClient().get_experiment("1").artifact_location == "mlflow-artifacts:/1"
    told = elsewhere("backup", "served", code=1).output
    assert "handed out by the tracking server: say where it keeps them with --artifacts" in told
    elsewhere("backup", "served", "--artifacts", "mlartifacts")
    assert set(os.listdir("served/artifacts/1")) == set(os.listdir(origin[0] / "backup" / "artifacts" / "1"))


@pytest.mark.slow
def test_a_server_hands_out_what_was_restored(
    origin: Made, store_at: Callable[[str], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that was used directly comes to be behind a server, which alone knows where the files are."""
    shell = at(tmp_path, monkeypatch)
    shell("restore", str(origin[0] / "backup"), "--serve", "yes")
    with shashlik_server(tmp_path) as (address, _):
        store_at(address)
        assert MlflowClient().get_experiment("1").artifact_location == "mlflow-artifacts:/1"
        assert "0 problems" in shell("doctor", "toy").output
        repeats_golden(origin[0] / "golden")
        store = ("--store", "sqlite:///mlflow.db")
        told = shell("backup", "served", *store, code=1).output
        assert "handed out by the tracking server: say where it keeps them with --artifacts" in told
        shell("backup", "served", *store, "--artifacts", "mlartifacts")
    assert set(os.listdir("served/artifacts/1")) == set(os.listdir(origin[0] / "backup" / "artifacts" / "1"))


def changed(folder: Path, name: str) -> None:
    """One bit of a file in a backup."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


def rewritten(folder: Path, change: Callable[[dict], object]) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def outside(manifest: dict) -> None:
    manifest["files"]["artifacts/../../outside"] = {"sha256": hashlib.sha256().hexdigest(), "bytes": 0}


RUNS = "database/runs.jsonl.gz"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a changed bit": (lambda folder: changed(folder, RUNS), f"{RUNS} has [0-9]+ bytes of another SHA-256"),
    "a missing file": (lambda folder: (folder / RUNS).unlink(), f"{RUNS} is missing"),
    "a file too many": (lambda folder: (folder / "more").touch(), "more is no part of it"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "it has no manifest.json"),
    "half a manifest": (
        lambda folder: os.truncate(folder / "manifest.json", 1000),
        "a manifest.json that is none of a backup",
    ),
    "another format": (
        lambda folder: rewritten(folder, lambda manifest: manifest.update(format=9)),
        "has format 9, and this",
    ),
    "a way out": (lambda folder: rewritten(folder, outside), "outside of it: it was tampered with"),
    "a link": (
        lambda folder: ((folder / RUNS).unlink(), (folder / RUNS).symlink_to("/etc/passwd")),
        "is no plain",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_backup_is_refused(origin: Made, elsewhere: Shell, tmp_path: Path, damage: str) -> None:
    harm, told = DAMAGES[damage]
    folder = Path(shutil.copytree(origin[0] / "backup", tmp_path / "backup"))
    harm(folder)
    refused(elsewhere, folder, told)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(origin: Made, elsewhere: Shell, tmp_path: Path, share: float) -> None:
    file = Path(shutil.copy(origin[0] / "backup.tar", tmp_path))
    # Behind its last file a tar has nothing but zeros.
    with tarfile.open(file) as tar:
        end = max(entry.offset_data + entry.size for entry in tar.getmembers())
    os.truncate(file, int(share * end))
    refused(elsewhere, file, "no complete backup")


def test_another_backup_is_refused(origin: Made, elsewhere: Shell) -> None:
    refused(elsewhere, origin[0] / "backup.tar", "another backup", "--sha256", "ab" * 32)
    known = (origin[0] / "sha256").read_text()
    told = elsewhere("restore", str(origin[0] / "backup.tar"), "--check", "--sha256", known).output
    assert "is complete and unchanged" in told


def refused(shell: Shell, place: Path, told: str, *more: str) -> None:
    """In one line, and nothing is there afterwards that was not before."""
    before = sorted(Path.cwd().rglob("*"))
    output = shell("restore", str(place), *more, code=1).output
    assert re.fullmatch(f"shashlik: .*{told}.*", output.splitlines()[-1]), output
    assert sorted(Path.cwd().rglob("*")) == before


def test_only_an_empty_folder_is_filled(origin: Made, elsewhere: Shell) -> None:
    Path("mlruns/1").mkdir(parents=True)
    refused(elsewhere, origin[0] / "backup", "mlruns is not empty .there is 1.: give an empty place")


def test_only_a_new_file_is_filled(origin: Made, restored: Shell) -> None:
    place = origin[0] / "backup"
    refused(restored, place, "mlflow.db is there already: give a new file", "--artifacts", "other")
    told = restored("backup", str(place), code=1).output
    assert "is there already: choose another name" in told


def test_only_an_empty_database_is_filled(origin: Made, elsewhere: Shell, postgres: str) -> None:
    place, address = origin[0] / "backup", fresh(postgres)
    elsewhere("restore", str(place), "--store", address, "--artifacts", "files")
    refused(elsewhere, place, "is not empty .[0-9]+ tables: ", "--store", address, "--artifacts", "other")


def test_the_database_alone(restored: Shell) -> None:
    """Its rows still lead to where the files were."""
    restored("backup", "rows.tar", "--only-database")
    restored("restore", "rows.tar", "--store", "sqlite:///other.db")
    paths = [
        sa.create_engine(f"sqlite:///{name}.db")
        .connect()
        .exec_driver_sql("SELECT artifact_uri FROM runs ORDER BY artifact_uri")
        .all()
        for name in ("mlflow", "other")
    ]
    assert paths[0] == paths[1] != []


def test_killed_on_the_way_there_is_no_backup(restored: Shell, nursery: Nursery) -> None:
    code = (
        "import os, signal\n"
        "from shashlik.__main__ import main\n"
        "from tracking.storage.archive import Writer\n"
        "Writer.finish = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "main(['backup', 'killed.tar'])"
    )
    ended, said = nursery.run(code)
    assert ended == -signal.SIGKILL, said
    assert not Path("killed.tar").exists()
    (left,) = Path().glob("killed.tar.*.partial")
    refused(restored, left, "no complete backup")
    # Its remains are in nobody's way.
    restored("backup", "killed.tar")


def test_what_fails_leaves_nothing(origin: Made, restored: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(Path.cwd().rglob("*"))
    with monkeypatch.context() as broken:
        broken.setattr("tracking.storage.archive.Writer.finish", lambda *_: 1 / 0)
        restored("backup", "half", code=1)
        restored("backup", "half.tar", code=1)
    assert sorted(Path.cwd().rglob("*")) == before
    with monkeypatch.context() as broken:
        broken.setattr("tracking.storage.archive.Archive.extract", interrupted)
        restored(
            "restore", str(origin[0] / "backup"), "--store", "sqlite:///x.db", "--artifacts", "x", code=130
        )
    assert sorted(Path.cwd().rglob("*")) == before


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_one_moment_is_seen_while_others_write(database: str) -> None:
    """A writer adds a row to two tables at a time: whenever we look, there are as many in both."""
    engine = sa.create_engine(database)
    with engine.begin() as connection:
        for name in ("first", "second"):
            connection.exec_driver_sql(f"CREATE TABLE {name} (number INTEGER PRIMARY KEY)")
    stop, written = threading.Event(), 0

    def write() -> None:
        nonlocal written
        while not stop.is_set():
            with engine.begin() as connection:
                for name in ("first", "second"):
                    connection.exec_driver_sql(f"INSERT INTO {name} VALUES ({written})")
            written += 1
            time.sleep(0.005)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        seen = []
        for _ in range(3):
            with snapshot(database) as connection:
                counts = []
                for name in ("first", "second"):
                    counts.append(connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar())
                    before = written
                    while written < before + 2:
                        assert writer.is_alive(), "a reader must hold up nobody"
                        time.sleep(0.01)
            seen.append(counts)
    finally:
        stop.set()
        writer.join()
        engine.dispose()
    assert all(first == second for first, second in seen)
    assert seen[-1][0] > seen[0][0]
