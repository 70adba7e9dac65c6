"""A store that release 0.1 left behind still works: it is read, shown, judged on, continued and carried away.

``store-0.1.tar.xz`` was written by the code of `COMMIT` and by nothing else (``store-0.1.sh``). It holds

- ``store``: the tracking store as it lay in ``/srv/lab``, a database and the artifacts,
- ``backup``: the same as ``shashlik backup`` wrote it,
- ``bundle``: the champion of the task ``mass``, exported,
- ``events.root`` and ``predictions.root``: some events, and what the champion said of them.

Words that have other names since are spelt in it as they were then: a network, a preset and a space called
``seed``, settings and tags that begin with ``study``. Left out were figures, which only descriptions in
mlflow's own pages show, and checkpoints of runs that had ended.
"""

from __future__ import annotations

import csv
import io
import os
import re
import sqlite3
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from servers import shashlik_server

from registry.models import versions
from shashlik.__main__ import main
from shashlik.export import golden_vectors
from tracking.runs.models import load
from tracking.runs.reader import look, nested, recall

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*MLflow doesn't validate the data:UserWarning", "ignore::ResourceWarning"
)

ROOT = Path(__file__).parents[2]
ARCHIVE = Path(__file__).with_name("store-0.1.tar.xz")
#: The code that wrote the store, and where the store was then.
COMMIT, PLACE = "9d1fc14", "/srv/lab"
#: What `shashlik simulate` said of the hash of ``events.root``, before it was rounded to 32 bits.
EVENTS = "4c06939ff33c39d02c9fe55e162700c4a1528b86456e5b4cae2d3bf4b3ec2564"
#: The command that compares variants of a network.
STUDY = "study"
#: Versions of the task mass, in the order in which they were made.
APPROXIMATION, CHAMPION, SEED, BASELINE, BASELINE_32, FOUND = range(1, 7)
TASKS = ("mass", "ecal_stage1", "clas12_proton", "pnn")
#: All that the store's journal tells of mass, oldest first.
HISTORY = [
    "freeze",
    f"baseline {BASELINE}",
    f"baseline {BASELINE_32}",
    f"look {APPROXIMATION}",
    f"promote {APPROXIMATION}",
    f"look {CHAMPION}",
    f"promote {CHAMPION}",
    f"rollback {APPROXIMATION}",
    f"override {CHAMPION}",
    f"look {SEED}",
]
#: Columns that hold absolute addresses of artifacts.
PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
)

Shell = Callable[..., Result]


def unpack(part: str, folder: Path) -> Path:
    """One part of the archive, in a folder."""
    with tarfile.open(ARCHIVE) as archive:
        members = [one for one in archive.getmembers() if Path(one.name).parts[0] == part]
        archive.extractall(folder, members, filter="data")
    return folder / part


def settle(folder: Path) -> Path:
    """The store in a folder, whose database is told where the artifacts are now."""
    place = unpack("store", folder)
    with closing(sqlite3.connect(place / "mlflow.db")) as database, database:
        for table, column in PLACES:
            database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE {column} LIKE ?",
                (str(place), len(PLACE) + 1, f"{PLACE}/%"),
            )
    return place


def at(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console in the folder of a store."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    # For processes that a command starts.
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_EXPERIMENT_ID", "SHASHLIK_DATABASE"):
        monkeypatch.delenv(name, raising=False)

    def call(*words: str, code: int = 0) -> Result:
        done = CliRunner().invoke(main, list(words))
        assert done.exit_code == code, f"{words}: {done.output} {done.exception!r}"
        return done

    return call


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a store that no test changes."""
    return settle(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def shell(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on the store that no test changes."""
    return at(shared, monkeypatch)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """The console on a store of the test's own."""
    return at(settle(tmp_path), monkeypatch)


def runs(task: str, **wanted: str) -> list[Run]:
    """Runs of a task with these settings, the oldest first; two underscores stand for a dot."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(task)
    assert experiment is not None
    settings = {f"cfg.{name.replace('__', '.')}": value for name, value in wanted.items()}
    text = " and ".join(f"params.`{name}` = '{value}'" for name, value in settings.items())
    return client.search_runs(
        [experiment.experiment_id], text, max_results=1000, order_by=["attributes.start_time ASC"]
    )


def interrupted() -> tuple[Run, Run]:
    """The run that was killed, and the search that somebody ended by Ctrl-C."""
    (run,) = runs("mass", network="seed", seed="7")
    (search,) = (run for run in runs("ecal_stage1", search__trials="2") if "search" not in run.data.tags)
    return run, search


def champion(name: str = "mass") -> int:
    return int(MlflowClient().get_model_version_by_alias(name, "champion").version)


def events() -> list[str]:
    """What the journal tells of mass: every entry by the name of its event and its version."""
    with closing(sqlite3.connect("mlflow.db")) as database:
        rows = database.execute(
            "SELECT event, version FROM shashlik_journal WHERE task = 'mass' ORDER BY number"
        )
        return [f"{event} {version or ''}".strip() for event, version in rows]


# What is there.


@pytest.mark.parametrize("task", TASKS)
def test_the_doctor_finds_no_problem(shell: Shell, task: str) -> None:
    assert "; 0 problems" in shell("doctor", task).output


def test_the_journal_is_whole_and_leads_to_the_champion(shell: Shell) -> None:
    assert "the journal of mass is complete and unchanged" in shell("history", "mass", "--verify").output
    assert events() == HISTORY
    assert champion() == CHAMPION
    assert f"version {CHAMPION} " in shell("champion", "mass").output


def test_an_upgrade_leaves_it_sound(own: Shell) -> None:
    own("upgrade")
    assert "; 0 problems" in own("doctor", "mass").output


def test_words_are_kept_as_they_were_spelt(shell: Shell) -> None:
    """What a run was told is a record: it is read under its old name, and is not written anew."""
    version = MlflowClient().get_model_version("mass", str(SEED))
    settings = look(version.run_id).settings
    assert (settings["preset"], settings["network"], settings["generator"]) == ("seed", "seed", "seed")
    for task in ("clas12_proton", "pnn"):
        assert len(runs(task, preset="seed")) == 1
    _, search = interrupted()
    assert search.data.params["cfg.search.space"] == "seed"
    (study,) = runs("ecal_stage1", study__share="1.0")
    trained = nested(study.info.run_id)
    assert {run.tags["study"] for run in trained} == {study.info.run_id}
    assert {run.tags["variant"] for run in trained} == {"base", "dropout"}


@pytest.mark.parametrize("task", TASKS)
def test_all_evidence_is_read(shell: Shell, task: str) -> None:
    judged = [run for run in runs(task) if "data.sha256" in run.data.tags and run.info.status == "FINISHED"]
    assert judged
    for run in judged:
        evidence = recall(run.info.run_id)
        assert evidence.facts.sha256 == run.data.tags["data.sha256"]
        for name, value in evidence.metrics().items():
            if np.isfinite(value):
                assert run.data.metrics[name] == pytest.approx(value, rel=1e-9), name


def test_the_index_is_made_again_from_the_artifacts(own: Shell) -> None:
    before = own("candidates", "mass").output
    assert [line.split()[0] for line in before.splitlines()[2:]] == ["1", "2", "3", "6"]
    own("index", "--rebuild")
    assert own("candidates", "mass").output == before


# What it predicts.


def test_the_champion_predicts_what_it_predicted(shell: Shell, tmp_path: Path) -> None:
    given = unpack("events.root", tmp_path)
    shell("predict", str(given), str(tmp_path / "now.root"), "--task", "mass")
    with uproot.open(unpack("predictions.root", tmp_path)) as then, uproot.open(tmp_path / "now.root") as now:
        wanted, found = (file["predictions"].arrays(library="np") for file in (then, now))
        assert str(now["model"]) == str(then["model"]), "the same version with the same files"
    assert found.keys() == wanted.keys()
    assert len(found["mass"]) == 200
    assert np.isfinite(found["mass"]).all()
    np.testing.assert_array_equal(found["event"], wanted["event"])
    np.testing.assert_allclose(found["mass"], wanted["mass"], rtol=1e-6)


def test_every_version_still_answers(shell: Shell, tmp_path: Path) -> None:
    """Networks and closed forms, whose files hold the code that they were registered with."""
    vectors = golden_vectors.read(unpack("bundle", tmp_path) / "golden")
    wanted = vectors.outputs["mass"]
    for number in (APPROXIMATION, CHAMPION, SEED, BASELINE, BASELINE_32, FOUND):
        predict, inputs = load(versions.fetch("mass", str(number)))
        found = predict({name: vectors.columns[name] for name in inputs})["mass"]
        assert np.isfinite(found).all(), number
        if number in (CHAMPION, BASELINE):
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


# What the pages show.


@dataclass(frozen=True)
class Site:
    """A server on a store."""

    address: str
    folder: Path

    def get(self, path: str) -> tuple[int, str]:
        """Status and text of a page."""
        try:
            with urllib.request.urlopen(f"{self.address}{path}", timeout=60) as found:
                return found.status, found.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode("utf-8", "replace")

    def page(self, path: str) -> str:
        """The text of a page that is there."""
        status, text = self.get(f"/shashlik{path}")
        assert status == 200, f"{path}: {text}"
        return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = settle(tmp_path_factory.mktemp("site"))
    with shashlik_server(folder) as (address, _):
        yield Site(address, folder)


@pytest.fixture
def shown(site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    """The same, with its store as the one that is asked."""
    at(site.folder, monkeypatch)
    return site


#: Ends of addresses that are no pages.
FILES = re.compile(r"\.(css|js|csv|tex|svg|png|pdf)(\?|$)")


def test_every_page_that_another_leads_to_is_there(site: Site) -> None:
    """From the list of tasks on; drawn figures and files are left out."""
    waiting, seen = ["/shashlik"], {"/shashlik"}
    while waiting:
        path = waiting.pop()
        status, text = site.get(path)
        assert status == 200, f"{path}: {text}"
        for link in map(unescape, re.findall(r'href="(/shashlik[^"#]*)', text)):
            # Sorted and filtered otherwise it is the same page.
            page = link.partition("?")[0] if "/leaderboard/" in link else link
            if page not in seen and not FILES.search(page):
                seen.add(page)
                waiting.append(page)
        assert len(seen) < 200, "no end of pages"
    for task in TASKS:
        assert {f"/shashlik/{kind}/{task}" for kind in ("leaderboard", "compare", "searches")} <= seen
    assert {f"/shashlik/model/mass/{number}" for number in range(1, 7)} <= seen


def test_leaderboards_have_a_row_for_every_run(shown: Site) -> None:
    for task in TASKS:
        judged = [run for run in runs(task) if "data.sha256" in run.data.tags]
        text = shown.page(f"/leaderboard/{task}?who=all")
        for run in judged:
            if run.info.status == "FINISHED":
                assert run.info.run_id in text, f"{task}: {run.info.run_name}"
    text = shown.page("/leaderboard/mass?sample=frozen+1")
    assert text.count("<tr") == 1 + 3, "versions 1, 2 and 3 were judged on the frozen events"
    assert '<tr class="champion">' in text


def test_a_comparison_tells_the_recorded_words(shown: Site) -> None:
    text = shown.page(f"/compare/mass?item=v{CHAMPION}&item=v{SEED}&sample=frozen+1")
    assert "cfg.network" in text
    assert "cfg.preset" in text
    told = shown.get(f"/shashlik/compare/mass/table.csv?item=v{CHAMPION}&item=v{SEED}&sample=frozen+1")[1]
    lines = [line for line in csv.reader(io.StringIO(told)) if line and line[0].startswith("cfg.")]
    assert ["cfg.network", "default", "seed"] in lines
    assert ["cfg.preset", "smoke", "seed"] in lines
    text = shown.page(f"/model/mass/{SEED}")
    assert "<td>seed</td>" in re.sub(r"<td [^>]*>", "<td>", text)


def test_figures_of_a_comparison_are_drawn(shown: Site) -> None:
    first, second = (MlflowClient().get_model_version("mass", str(n)).run_id for n in (APPROXIMATION, SEED))
    for name in ("sigma_energy", "residuals_mass"):
        status, text = shown.get(f"/shashlik/compare/mass/figure/{name}.svg?item={first}&item={second}")
        assert status == 200, text
        assert "<svg" in text


def test_the_timeline_tells_all_entries(shown: Site) -> None:
    text = shown.page("/model/mass")
    assert [f"entry-{number}" in text for number in range(1, len(HISTORY) + 1)] == [True] * len(HISTORY)
    assert "the larger sample agrees" in text
    assert "damaged" not in text


def test_searches_are_shown_finished_and_not(shown: Site) -> None:
    (finished,) = (run for run in runs("mass", search__trials="3") if "search" not in run.data.tags)
    text = shown.page(f"/search/mass/{finished.info.run_id}")
    assert "3 of 3 trials finished" in text
    assert "seed" in re.sub("<[^>]*>", " ", text).split(), "the network that one of the trials had"
    _, stopped = interrupted()
    assert "has not written its table yet" in shown.page(f"/search/ecal_stage1/{stopped.info.run_id}")


# What is judged on it.


def test_a_candidate_is_judged_on_its_frozen_sample(own: Shell) -> None:
    told = own("promote", "mass", "--model", str(SEED), code=1).output
    assert f"REJECT: version {SEED} of mass" in told
    assert "core width of mass relative to champion" in told
    assert "look 4 at this frozen sample" in told
    assert "the journal of mass is complete and unchanged" in own("history", "mass", "--verify").output
    assert events() == [*HISTORY, f"look {SEED}"]
    assert champion() == CHAMPION
    assert "; 0 problems" in own("doctor", "mass").output


def test_the_champion_before_can_come_back(own: Shell) -> None:
    own("rollback", "mass", "--why", "a test")
    assert champion() == APPROXIMATION
    assert "the journal of mass is complete and unchanged" in own("history", "mass", "--verify").output


# What is continued.


@pytest.fixture
def exact(own: Shell, tmp_path: Path) -> None:
    """Left out where a simulation differs in its last bits, as sines do from processor to processor.

    What is continued or repeated must have the events that it had, by their hash.
    """
    now, then = tmp_path / "simulated.root", unpack("events.root", tmp_path)
    told = own("simulate", "mass", str(now), "--events", "200", "--seed", "11").output
    with uproot.open(then) as first, uproot.open(now) as second:
        wanted, found = (file["events"].arrays(library="np") for file in (first, second))
    for name, values in wanted.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-5, atol=1e-5)
    if EVENTS not in told:
        pytest.skip("this processor computes other last bits than the one that wrote the store")


def steps(run_id: str, stage: str) -> list[int]:
    return [point.step for point in MlflowClient().get_metric_history(run_id, f"training/{stage}/loss")]


@pytest.mark.slow
def test_a_killed_run_continues(own: Shell, exact: None) -> None:
    """It ends under its own id with its own settings, and does not repeat the stages that it had finished."""
    run, _ = interrupted()
    name = run.info.run_id
    assert run.info.status == "FAILED"
    done = {stage: steps(name, stage) for stage in ("seed-0.03", "seed-0.003")}
    told = own("run", "mass", "--resume", name).output
    assert "continues from the checkpoint of the run" in told
    after = MlflowClient().get_run(name)
    assert after.info.status == "FINISHED"
    assert after.data.params == run.data.params
    assert done == {stage: steps(name, stage) for stage in done}
    stages = {key.split("/")[1] for key in after.data.metrics if key.startswith("training/")}
    assert stages == {"seed-0.03", "seed-0.003", "seed-0.001"}
    (version,) = (one for one in versions.listed("mass") if one.run_id == name)
    assert version.number == FOUND + 1
    assert f"REJECT: version {version.number} of mass" in own("promote", "mass", code=1).output


@pytest.mark.slow
def test_an_interrupted_search_continues(own: Shell, exact: None) -> None:
    """With the space that it was given, and without its finished trial anew."""
    _, search = interrupted()
    name = search.info.run_id
    before = {run.run_id: run.seconds for run in nested(name) if run.status == "FINISHED"}
    assert len(before) == 1
    told = own("tune", "ecal_stage1", "--resume", name).output
    assert "continues after 1 trials that have ended" in told
    assert "2 of 2 trials finished" in told
    after = nested(name)
    assert sorted(run.tags["trial"] for run in after if run.status == "FINISHED") == ["0000", "0001"]
    assert {run.run_id: run.seconds for run in after if run.run_id in before} == before
    assert {run.settings["network"] for run in after} == {"seed"}
    assert MlflowClient().get_run(name).data.params == search.data.params


@pytest.mark.slow
def test_a_study_is_given_more_variants(own: Shell) -> None:
    (study,) = runs("ecal_stage1", study__share="1.0")
    name = study.info.run_id
    before = {run.run_id: run.seconds for run in nested(name)}
    more = ("--variants", "base,dropout,rate-low", "--seeds", "1")
    told = own(STUDY, "ecal_stage1", "--resume", name, *more).output
    assert "3 variants, 3 trainings" in told
    after = nested(name)
    assert {run.tags["variant"] for run in after} == {"base", "dropout", "rate-low"}
    assert {run.run_id: run.seconds for run in after if run.run_id in before} == before


@pytest.mark.slow
def test_a_rerun_repeats_its_numbers(own: Shell, exact: None) -> None:
    """By the present code, which has to understand the settings of then."""
    told = own("rerun", str(SEED), "--task", "mass", "--here").output
    assert f"recorded is {COMMIT}" in told
    assert "judged on the same events" in told
    assert re.search(r"of \d\d numbers \d+ are equal to the last bit, 0 differ", told)


@pytest.mark.slow
def test_a_rerun_by_the_code_of_then_repeats_its_numbers(own: Shell, exact: None) -> None:
    """By the recorded commit, where the modules have the names that they had."""
    known = subprocess.run(
        ["git", "-C", str(ROOT), "cat-file", "-e", f"{COMMIT}^{{commit}}"], capture_output=True
    )
    if known.returncode:
        pytest.skip(f"commit {COMMIT} is not in this checkout")
    told = own("rerun", str(SEED), "--task", "mass").output
    assert f"commit {COMMIT}" in told
    assert re.search(r"of \d\d numbers \d+ are equal to the last bit, 0 differ", told)


# What is carried away.


def test_its_bundle_is_imported_elsewhere(
    empty_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model repeats its golden vectors there, and is a candidate with the settings that it had."""
    bundle = unpack("bundle", tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "mlflow.db").write_bytes(empty_store.read_bytes())
    elsewhere = at(folder, monkeypatch)
    elsewhere("import", str(bundle))
    (version,) = versions.listed("mass")
    assert version.tags["imported.version"] == str(CHAMPION)
    assert look(version.run_id).settings["preset"] == "smoke"
    predict, inputs = load(versions.fetch("mass", str(version.number)))
    vectors = golden_vectors.read(bundle / "golden")
    found = predict({name: vectors.columns[name] for name in inputs})["mass"]
    np.testing.assert_allclose(found, vectors.outputs["mass"], rtol=1e-6)


def test_its_backup_is_restored_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = unpack("backup", tmp_path)
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    elsewhere = at(folder, monkeypatch)
    elsewhere("restore", str(backup))
    for task in TASKS:
        assert "; 0 problems" in elsewhere("doctor", task).output
    assert "the journal of mass is complete and unchanged" in elsewhere("history", "mass", "--verify").output
    assert events() == HISTORY
    assert champion() == CHAMPION
    uris = [run.info.artifact_uri for task in TASKS for run in runs(task)]
    assert all(uri.startswith(str(folder)) for uri in uris)
    assert os.listdir(folder / "mlruns")
