"""The registry from empty to rolled back, by its commands, in a real SQLite and a real PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import mlflow
import numpy as np
import pytest
import sqlalchemy as sa
import toy_task
import uproot
from consoles import Shell, champion, console, run_of, train
from mlflow.tracking import MlflowClient
from nursery import Nursery
from postgresql import fresh

from registry.journal.champions import opened_registry
from registry.models import model_files, versions
from shashlik.task import rootio
from tracking.index.records import Selection, frozen
from tracking.runs.indexing import opened_index
from tracking.runs.models import load

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning", "ignore::ResourceWarning"
)


@pytest.fixture
def shell(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on an empty store."""
    return console(tmp_path, monkeypatch)


def story(shell: Shell, whole: bool) -> None:
    """Versions: 1 bad, 2 and so on as they are trained; the baseline is registered by the first promotion.

    Part of the whole are one that is as good as the champion and one that is broken.
    """
    client = MlflowClient()
    assert "has no champion" in shell("champion", "toy").output
    train(shell, "bad")
    rejected = shell("promote", "toy", code=1).output
    assert "REJECT: version 1 of toy" in rejected
    # sqrt(2.5) by closed form, known to 2 %.
    (ratio,) = set(re.findall(r"core width of t relative to baseline-first: ([0-9.]+)", rejected))
    assert float(ratio) == pytest.approx(np.sqrt(2.5), rel=0.07)
    assert "wanted at most 1: refuted" in rejected
    assert client.get_model_version_by_alias("toy", "baseline-first").tags["baseline"] == "first"
    assert champion() is None

    train(shell, "fair")
    assert "PROMOTE: version 3 of toy" in shell("promote", "toy").output
    train(shell, "good")
    assert "PROMOTE: version 4 of toy" in shell("promote", "toy").output
    assert client.get_model_version_by_alias("toy", "champion").run_id == run_of(4)
    assert client.get_model_version_by_alias("toy", "previous").run_id == run_of(3)
    description = client.get_model_version("toy", "4").description
    assert description.startswith("**PROMOTE: version 4 of toy**")
    assert "| better: core width of t" in description
    between = datetime.now(UTC).isoformat()

    if whole:
        train(shell, "equal")
        again = shell("promote", "toy", code=1).output
        assert "INCONCLUSIVE: version 5" in again or "REJECT: version 5" in again
        train(shell, "broken")
        assert "REJECT: version 6" in shell("promote", "toy", code=1).output
    assert champion() == 4
    assert "is the champion of toy already" in shell("promote", "toy", "--model", "4", code=2).output

    told = shell("rollback", "toy", "--why", "a test").output
    assert told == "version 3 is champion of toy again, in place of version 4\n"
    assert client.get_model_version_by_alias("toy", "champion").run_id == run_of(3)
    assert "no champion before version 3" in shell("rollback", "toy", code=1).output
    assert "toy: version 4 " in shell("history", "toy", "--at", between).output
    assert "toy has no champion" in shell("champion", "toy", "--at", "2001-01-01").output
    listed = shell("candidates", "toy").output
    own = ["1", "3", "4", "5", "6"] if whole else ["1", "3", "4"]
    assert [line.split()[0] for line in listed.splitlines()[2:]] == own
    assert "is complete and unchanged" in shell("history", "toy", "--verify").output
    assert "0 problems" in shell("doctor", "toy").output


def tamper(statement: str) -> None:
    with opened_registry() as registry, registry.journal.engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            for what in ("update", "delete"):
                connection.execute(sa.text(f"DROP TRIGGER shashlik_journal_{what}"))
        else:
            connection.execute(sa.text("ALTER TABLE shashlik_journal DISABLE TRIGGER ALL"))
        connection.execute(sa.text(statement))


def places() -> list[tuple[int | None, float, str]]:
    """All versions on the frozen sample, the best first: version, core width, and whose evidence it is."""
    with opened_index() as index:
        found = index.leaderboard(Selection(task="toy", sample=frozen(1)), "t", "sigma", once=True)
        return [(place.version, place.value, place.head.run) for place in found]


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["short", "whole"])
def test_the_story(shell: Shell, whole: bool) -> None:
    story(shell, whole)
    ranked = places()
    assert {version for version, *_ in ranked} == ({1, 2, 3, 4, 5, 6} if whole else {1, 2, 3, 4})
    assert [version for version, *_ in ranked[-2:]] == [2, 1], "baseline and the bad one, on the same events"
    widths = {version: sigma for version, sigma, _ in ranked}
    # Four times what 4000 events know a width by.
    assert widths[4] == pytest.approx(np.sqrt(0.5), rel=0.05)
    assert widths[2] == pytest.approx(1, rel=0.05)
    assert all(run == run_of(version) for version, _, run in ranked if version and version != 2)
    shell("index", "--rebuild")
    assert places() == ranked
    tamper("UPDATE shashlik_journal SET version = 1 WHERE event = 'promote' AND version = 3")
    assert "was changed after it was written" in shell("history", "toy", "--verify", code=1).output
    assert "nothing is promoted before" in shell("promote", "toy", "--model", "1", code=2).output


@pytest.fixture
def on_postgresql(postgres: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Makes a database the store in use."""

    def use(address: str) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        mlflow.set_tracking_uri(address)

    yield use
    mlflow.set_tracking_uri(None)


@pytest.mark.slow
def test_the_story_on_postgresql(
    shell: Shell, postgres: str, tracking_store: str, on_postgresql: Callable[[str], None]
) -> None:
    on_postgresql(fresh(postgres, tracking_store))
    story(shell, True)
    tamper("DELETE FROM shashlik_journal WHERE event = 'rollback'")
    assert "remembers an entry" in shell("history", "toy", "--verify", code=1).output


def test_the_story_goes_on_in_postgresql(
    promoted: Shell, postgres: str, on_postgresql: Callable[[str], None]
) -> None:
    """What of the story is the database's: the next champion after a move there, and back again."""
    address = fresh(postgres)
    promoted("migrate", os.environ["MLFLOW_TRACKING_URI"], address)
    on_postgresql(address)
    assert "PROMOTE: version 3 of toy" in promoted("promote", "toy").output
    assert MlflowClient().get_model_version_by_alias("toy", "champion").run_id == run_of(3)
    assert MlflowClient().get_model_version_by_alias("toy", "previous").run_id == run_of(1)
    assert "is the champion of toy already" in promoted("promote", "toy", "--model", "3", code=2).output
    told = promoted("rollback", "toy", "--why", "a test").output
    assert told == "version 1 is champion of toy again, in place of version 3\n"
    assert MlflowClient().get_model_version_by_alias("toy", "champion").run_id == run_of(1)
    assert [version for version, *_ in places()] == [3, 1, 2]
    assert "is complete and unchanged" in promoted("history", "toy", "--verify").output
    assert "0 problems" in promoted("doctor", "toy").output
    tamper("DELETE FROM shashlik_journal WHERE event = 'rollback'")
    assert "remembers an entry" in promoted("history", "toy", "--verify", code=1).output


def test_other_files_than_registered_are_not_promoted(promoted: Shell, tmp_path: Path) -> None:
    uri = mlflow.artifacts.download_artifacts("models:/toy/3")
    source = next(path for path in Path(uri).rglob("*.py") if "__pycache__" not in path.parts)
    source.write_text(source.read_text().replace("/ 2", "/ 2.0"))
    told = promoted("promote", "toy", code=1).output
    assert "INCONCLUSIVE: version 3" in told
    assert "not those that were registered" in told
    assert champion() == 1


def test_another_frozen_file_is_not_judged_on(promoted: Shell, tmp_path: Path) -> None:
    with opened_registry() as registry:
        run_id = registry.state("toy").frozen["run_id"]
    other = tmp_path / "sample.root"
    rootio.write(toy_task.simulate(toy_task.Settings(), 500, 5), other)
    MlflowClient().log_artifact(run_id, str(other), "frozen")
    told = promoted("promote", "toy", code=1).output
    assert "is not the one that was frozen" in told
    assert champion() == 1


def test_training_on_frozen_events_is_refused(promoted: Shell, tmp_path: Path) -> None:
    with opened_registry() as registry:
        run_id = registry.state("toy").frozen["run_id"]
    file = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/frozen/sample.root")
    told = promoted("run", "toy", "--data", file, code=2).output
    assert "training events are in frozen sample 1 by their run and event number" in told
    renumbered = rootio.read(file, toy_task.SCHEMA)
    columns = {**renumbered.columns, "run": renumbered["run"] + 1}
    other = tmp_path / "renumbered.root"
    rootio.write(rootio.sample(toy_task.SCHEMA, columns, "renumbered"), other)
    assert "by their content" in promoted("run", "toy", "--data", str(other), code=2).output


def test_a_new_sample_asks_for_candidates_that_cannot_have_seen_it(promoted: Shell, tmp_path: Path) -> None:
    file = tmp_path / "own.root"
    rootio.write(toy_task.simulate(toy_task.Settings(), 3000, 77), file)
    assert "frozen sample 2 of toy: 3000 events" in promoted("freeze", "toy", "--data", str(file)).output
    assert "was trained before frozen sample 2 was made" in promoted("promote", "toy", code=1).output
    train(promoted, "good")
    assert "PROMOTE: version 4" in promoted("promote", "toy").output
    assert champion() == 4


def test_looks_are_counted(promoted: Shell) -> None:
    assert "look 2 at this frozen sample" in promoted("promote", "toy", "--look").output
    assert champion() == 1
    promoted("compare", "champion", "3", "baseline-first")
    assert "look 4 at this frozen sample" in promoted("promote", "toy").output


def test_a_verdict_is_an_answer_under_mlflow_run(promoted: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that `mlflow run` made ends as its command does: FAILED, were the exit code of a REJECT 1."""
    client = MlflowClient()
    train(promoted, "broken")
    promoted("promote", "toy", code=1)
    outer = client.create_run("0")
    monkeypatch.setenv("MLFLOW_RUN_ID", outer.info.run_id)
    assert "REJECT: version 4" in promoted("promote", "toy").output
    tags = client.get_run(outer.info.run_id).data.tags
    assert tags["verdict"] == "REJECT"
    assert tags["verdict.sha256"] == client.get_model_version("toy", "4").tags["verdict.sha256"]
    assert champion() == 1


def test_no_judgement_is_a_failure_under_mlflow_run(
    promoted: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = mlflow.artifacts.download_artifacts("models:/toy/3")
    source = next(path for path in Path(uri).rglob("*.py") if "__pycache__" not in path.parts)
    source.write_text(source.read_text().replace("/ 2", "/ 2.0"))
    monkeypatch.setenv("MLFLOW_RUN_ID", MlflowClient().create_run("0").info.run_id)
    assert "INCONCLUSIVE: version 3" in promoted("promote", "toy", code=1).output
    assert "could not be judged" in promoted("promote", "toy", "--look", code=1).output


def test_the_verdict_shows_what_the_seed_does(promoted: Shell) -> None:
    """Weights w and 1 - w give sqrt(w^2 + (1 - w)^2); equal seeds and other settings do not count."""
    for seed in ("1", "2", "3", "2"):
        promoted("run", "toy", "--network", "wobbly", "--seed", seed)
    promoted("run", "toy", "--network", "wobbly", "--seed", "4", "--test_events", "900")
    told = promoted("promote", "toy", "--model", "7", "--look").output
    assert "version 6, of another seed: asked about 4000 frozen events" in told
    assert "version 4, of another seed" in told
    assert "version 5" not in told
    weights = []
    for number in (7, 6, 4):
        predict, _ = load(versions.fetch("toy", str(number)))
        weights.append(predict({"a": np.ones(1), "b": np.zeros(1)})["t"][0])
    widths = np.hypot(weights, 1 - np.array(weights))
    wanted = np.std(widths, ddof=1) / np.mean(widths)
    version = MlflowClient().get_model_version("toy", "7")
    where = f"verdicts/{version.tags['verdict.sha256'][:12]}"
    kept = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{where}/verdict.json"))
    (spread,) = kept["spreads"]
    assert (spread["quantity"], spread["trainings"]) == ("σ of t", 3)
    assert spread["relative"] == pytest.approx(wanted, rel=0.1)
    assert f"3 seeds: σ of t scatters by {spread['relative']:.2%}" in told
    card = mlflow.artifacts.load_text(f"runs:/{version.run_id}/{where}/card.md")
    assert "Spread between trainings that differ in the seed alone: σ of t " in card
    assert (
        "of another seed" not in promoted("promote", "toy", "--model", "7", "--look", "--seeds", "0").output
    )


def test_compare_shows_all(promoted: Shell, tmp_path: Path) -> None:
    told = promoted("compare", "champion,3", "baseline-first", "--out", str(tmp_path / "out")).output
    assert "v1-network (champion)" in told
    assert "v1-network / v3-network" in told
    assert "v1-network / v2-first" in told
    assert list((tmp_path / "out").glob("*.png"))
    assert "no version '99' of toy" in promoted("compare", "champion", "99", code=1).output


#: Where a promotion is killed, and the champion that must be there afterwards.
STEPS = {"before the entry": 1, "after the entry": 3, "between the aliases": 3, "before the check": 3}
#: Where nothing is done yet, and where most is half done.
USUAL = ("before the entry", "between the aliases")
KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import toy_task
from shashlik.task import catalog
catalog.load = lambda name: toy_task.TASK
from shashlik.__main__ import main
from registry.models import versions
from registry.journal.direct import Journal
from registry.journal.aliases import DirectMirror

def killing(function, after=False):
    def replaced(*arguments, **named):
        found = function(*arguments, **named) if after else None
        os.kill(os.getpid(), signal.SIGKILL)
    return replaced

match sys.argv[1]:
    case "before the entry": Journal.promote = killing(Journal.promote)
    case "after the entry": Journal.promote = killing(Journal.promote, after=True)
    case "between the aliases": versions.set_alias = killing(versions.set_alias, after=True)
    case "before the check": DirectMirror.follow = killing(DirectMirror.follow, after=True)
main(["promote", "toy"])
"""


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        pytest.param(step, wanted, id=step, marks=[] if step in USUAL else [pytest.mark.slow])
        for step, wanted in STEPS.items()
    ],
)
def test_killed_at_any_step_there_is_one_champion(
    promoted: Shell, nursery: Nursery, step: str, wanted: int
) -> None:
    code, said = nursery.run(KILLED.format(tests=str(Path(__file__).parent)), step)
    assert code == -signal.SIGKILL, said
    assert champion() == wanted
    repaired = promoted("doctor", "toy", "--repair").output
    assert f"the champion is version {wanted}; 0 problems" in repaired
    assert ("repaired: alias" in repaired) == (step in ("after the entry", "between the aliases"))
    assert MlflowClient().get_model_version_by_alias("toy", "champion").run_id == run_of(wanted)
    assert "is complete and unchanged" in promoted("history", "toy", "--verify").output


def test_doctor_finds_what_was_deleted(promoted: Shell) -> None:
    client = MlflowClient()
    client.delete_run(client.get_model_version("toy", "1").run_id)
    client.delete_registered_model_alias("toy", "champion")
    told = promoted("doctor", "toy", code=1).output
    assert "of version 1 of toy was deleted: --repair restores it" in told
    assert "alias champion of toy is none, the journal says version 1" in told
    assert "0 problems" in promoted("doctor", "toy", "--repair").output
    client.delete_model_version("toy", "1")
    told = promoted("doctor", "toy", "--repair", code=1).output
    assert "version 1 of toy was champion or baseline and was deleted" in told


def test_predictions_are_aligned_friends(promoted: Shell, tmp_path: Path) -> None:
    samples = [toy_task.simulate(toy_task.Settings(), events, seed) for events, seed in ((700, 8), (300, 9))]
    for number, sample in enumerate(samples):
        rootio.write(sample, tmp_path / f"in{number}.root")
    files = [str(tmp_path / name) for name in ("in0.root", "in1.root", "out.root")]
    told = promoted("predict", *files).output
    assert "1000 events in the tree 'predictions'" in told
    with uproot.open(tmp_path / "out.root") as file:
        found = file["predictions"].arrays(library="np")
    a, b = (np.concatenate([sample[name] for sample in samples]) for name in ("a", "b"))
    np.testing.assert_allclose(found["t"], 0.8 * a + 0.2 * b, atol=1e-5)
    assert np.array_equal(found["run"], np.repeat([8, 9], [700, 300]))
    assert np.array_equal(found["event"], np.concatenate([np.arange(700), np.arange(300)]))
    assert "is there already" in promoted("predict", files[0], files[2], code=2).output
    assert not list(tmp_path.glob("*.partial"))


def collect_garbage(nursery: Nursery) -> None:
    """What `mlflow gc` deletes for good, deleted; by its own command, in a process of its own."""
    address = os.environ["MLFLOW_TRACKING_URI"]
    code, said = nursery.run("from mlflow.cli import cli; cli()", "gc", "--backend-store-uri", address)
    assert code == 0, said


def test_a_repaired_champion_survives_the_garbage_collection(promoted: Shell, nursery: Nursery) -> None:
    client, run_id = MlflowClient(), run_of(1)
    client.delete_run(run_id)
    assert "repaired: run" in promoted("doctor", "toy", "--repair").output
    collect_garbage(nursery)
    assert client.get_run(run_id).info.lifecycle_stage == "active"
    assert "0 problems" in promoted("doctor", "toy").output


def test_after_the_garbage_collection_the_loss_is_told(promoted: Shell, nursery: Nursery) -> None:
    run_id = run_of(1)
    MlflowClient().delete_run(run_id)
    collect_garbage(nursery)
    told = promoted("doctor", "toy", "--repair", code=1).output
    assert f"run {run_id} of version 1 of toy is gone for good: a bundle of it can be imported" in told
    assert f"no evidence of run '{run_id}'" in told
    assert champion() == 1, "its model is not of the run, and goes on"
    assert promoted("promote", "toy").exit_code == 0


def test_a_deleted_experiment_comes_back_with_its_runs(promoted: Shell) -> None:
    client = MlflowClient()
    client.delete_experiment(client.get_experiment_by_name("toy").experiment_id)
    assert "was deleted: --repair restores it" in promoted("doctor", "toy", code=1).output
    promoted("doctor", "toy", "--repair")
    assert "0 problems" in promoted("doctor", "toy").output
    train(promoted, "good")


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ("evidence/evidence.json", "no evidence of run"),
        ("verdicts", "the verdict on version 1 of toy cannot be read"),
        ("frozen", "frozen sample 1 cannot be fetched"),
        ("model", "the model models:/toy/1 cannot be fetched"),
    ],
)
def test_missing_files_are_found(promoted: Shell, where: str, told: str) -> None:
    client = MlflowClient()
    if where == "model":
        place = Path(mlflow.artifacts.download_artifacts("models:/toy/1"))
    else:
        with opened_registry() as registry:
            run_id = registry.state("toy").frozen["run_id"] if where == "frozen" else run_of(1)
        place = Path(client.get_run(run_id).info.artifact_uri.removeprefix("file://")) / where
    shutil.rmtree(place) if place.is_dir() else place.unlink()
    assert told in promoted("doctor", "toy", code=1).output


def test_exchanged_files_are_found(promoted: Shell) -> None:
    version = MlflowClient().get_model_version("toy", "1")
    root = Path(MlflowClient().get_run(version.run_id).info.artifact_uri.removeprefix("file://"))
    for name in ("evidence/evidence.json", f"verdicts/{version.tags['verdict.sha256'][:12]}/verdict.json"):
        path = root / name
        path.write_text(path.read_text().replace('"toy"', '"yot"'))
    told = promoted("doctor", "toy", code=1).output
    assert "the evidence of version 1 of toy is not that with which it was registered" in told
    assert "the verdict on version 1 of toy is not the one that was given" in told


PREDICTING = """
import os, signal, sys
sys.path.insert(0, {tests!r})
import toy_task
from shashlik.task import catalog, rootio
catalog.load = lambda name: toy_task.TASK
from shashlik.__main__ import main
from shashlik.commands import predict
read = rootio.chunks

def some(*arguments, events, given):
    for number, sample in enumerate(read(*arguments, events=100, given=given)):
        if number == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        yield sample

predict.rootio.chunks = some
main(["predict", *sys.argv[1:]])
"""


def test_killed_half_way_a_prediction_has_no_name(promoted: Shell, nursery: Nursery, tmp_path: Path) -> None:
    rootio.write(toy_task.simulate(toy_task.Settings(), 700, 8), tmp_path / "in.root")
    words = [str(tmp_path / name) for name in ("in.root", "out.root")]
    code, said = nursery.run(PREDICTING.format(tests=str(Path(__file__).parent)), *words)
    assert code == -signal.SIGKILL, said
    (left,) = [path for path in tmp_path.iterdir() if path.name.startswith("out.root")]
    assert left.name.endswith(".partial")
    assert "700 events" in promoted("predict", *words).output
    with uproot.open(words[1]) as file:
        assert file["predictions"].num_entries == 700


def test_an_unfinished_prediction_has_no_name(promoted: Shell, tmp_path: Path) -> None:
    """The second of two files is damaged: nothing is left that looks like a result."""
    rootio.write(toy_task.simulate(toy_task.Settings(), 700, 8), tmp_path / "in.root")
    damaged = tmp_path / "damaged.root"
    damaged.write_bytes((tmp_path / "in.root").read_bytes()[:3000])
    promoted("predict", str(tmp_path / "in.root"), str(damaged), str(tmp_path / "out.root"), code=2)
    assert sorted(path.name for path in tmp_path.glob("*.root*")) == ["damaged.root", "in.root"]


def test_models_with_one_code_share_what_was_compiled(promoted: Shell) -> None:
    """Copies are made by content; a copy that was changed is made anew."""
    uri = Path(mlflow.artifacts.download_artifacts("models:/toy/3"))
    kept = model_files.keep(uri)
    assert model_files.keep(uri) == kept
    source = next(path for path in kept.rglob("*.py") if "__pycache__" not in path.parts)
    source.write_text("changed")
    assert model_files.sha256(model_files.keep(uri)) == kept.name
    assert "changed" not in source.read_text()


def test_the_verdict_is_kept_with_the_run(promoted: Shell) -> None:
    promoted("promote", "toy")
    version = MlflowClient().get_model_version("toy", "3")
    files = {path.path for path in MlflowClient().list_artifacts(version.run_id, "verdicts")}
    where = f"verdicts/{version.tags['verdict.sha256'][:12]}"
    assert where in files
    verdict = json.loads(mlflow.artifacts.load_text(f"runs:/{version.run_id}/{where}/verdict.json"))
    assert verdict["decision"] == "PROMOTE"
    assert set(verdict["hashes"]) == {"version 3", "champion", "baseline-first"}
    assert mlflow.artifacts.load_text(f"runs:/{version.run_id}/{where}/card.md").startswith("**PROMOTE")
    assert os.environ.get("MLFLOW_RUN_ID") is None
