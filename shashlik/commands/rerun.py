"""Run the configuration of a version again, with the code of its commit, and compare the numbers."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from registry.models import lineage, versions
from shashlik.commands.listing import table
from shashlik.exceptions import BadInput
from shashlik.task import catalog
from shashlik.task.definition import Task
from tracking.evidence.agreement import MOST, Difference, differences
from tracking.evidence.resolution import AnyEvidence, from_json
from tracking.report.numbers import with_error
from tracking.runs.lifecycle import CannotRecord
from tracking.runs.provenance import HERE, checkout, commit
from tracking.runs.reader import recall

__all__ = ["Agreement", "rerun"]

#: Variables through which a child process would use this process's run or store.
OWN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "SHASHLIK_DATABASE")


@dataclass(frozen=True)
class Agreement:
    """Comparison of a second run with the first.

    Parameters
    ----------
    code : str
        Description of the code that ran.
    same_events : bool
        Whether both were evaluated on the same events, by their hash.
    compared : tuple of Difference
        Differences, number by number.
    """

    code: str
    same_events: bool
    compared: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Whether events and all numbers agree."""
        return self.same_events and all(difference.agrees for difference in self.compared)

    @property
    def text(self) -> str:
        """Table of the numbers, one line each, with a summary."""
        rows = [
            (
                difference.name,
                with_error(difference.old, difference.old_err),
                with_error(difference.new, difference.new_err),
                f"{difference.new - difference.old:.3g}",
                f"{difference.pull:+.2f}",
                "" if difference.agrees else "differs",
            )
            for difference in self.compared
        ]
        equal = sum(difference.old == difference.new for difference in self.compared)
        wrong = sum(not difference.agrees for difference in self.compared)
        events = "the same events" if self.same_events else "OTHER EVENTS, by their hash"
        return "\n".join(
            (
                table(("number", "then", "now", "now - then", "pull", ""), rows),
                "",
                f"{self.code}; judged on {events}; of {len(self.compared)} numbers {equal} are equal to the "
                f"last bit, {wrong} differ by more than {MOST:g} standard errors",
            )
        )


def rerun(task: Task, reference: str, here: bool = False, say: Callable[[str], object] = print) -> Agreement:
    """Run a version's configuration again and compare.

    The second run is recorded in a temporary store: it is evidence about the first run and no candidate. The
    comparison is stored with the version's run, in ``reruns/``.

    Parameters
    ----------
    task : Task
    reference : str
        Reference of the version, see `registry.models.versions.find`.
    here : bool
        Whether to run the present code instead of that of the recorded commit.
    say : callable
        Receives the description of the code.

    Raises
    ------
    BadInput
        If the recorded commit is not available.
    CannotRecord
        If the run or its evidence is missing, or the second run fails.
    """
    version = versions.find(task.name, reference)
    settings, tags = lineage.run_settings(version.run_id), lineage.run_tags(version.run_id)
    if not settings:
        raise CannotRecord(
            f"run {version.run_id} of {version.name} is gone or has no settings: see 'shashlik doctor "
            f"{task.name}'"
        )
    old = recall(version.run_id)
    with tempfile.TemporaryDirectory(prefix="shashlik-rerun-") as folder:
        with _code(task.name, tags, here, Path(folder) / "code") as (source, words):
            say(f"{version.name} of {task.name} again: {words}")
            new = _run(task.name, settings, source, Path(folder))
        agreement = Agreement(words, old.facts.sha256 == new.facts.sha256, differences(old, new))
        now = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
        path = Path(folder) / "kept" / f"{now}.txt"
        path.parent.mkdir()
        path.write_text(f"{agreement.text}\n")
        lineage.log_files(version.run_id, path.parent, "reruns")
    versions.write(
        task.name, version.number, {"rerun": f"{'agrees' if agreement.agrees else 'differs'} {now}"}
    )
    return agreement


@contextmanager
def _code(name: str, tags: Mapping[str, str], here: bool, place: Path) -> Iterator[tuple[Path, str]]:
    """Provide the folder from which to import the task's code, and a description of that code."""
    root = catalog.root(name) or HERE
    recorded, now, top = tags.get("git.commit", ""), commit(root), checkout(root)
    present = f"the present code, commit {now[0][:12] if now else 'unknown'}"
    present += " with uncommitted changes" if now and now[1] else ""
    if here:
        yield root, f"{present}, recorded is {recorded[:12] or 'none'}"
        return
    if not recorded:
        raise BadInput("the run has no commit on record: --here runs the present code")
    if now is None or top is None:
        raise BadInput(f"{root} is no checkout that has commit {recorded[:12]}: --here runs the present code")
    # Changes that were not committed are lost, and the reader of the comparison must know.
    warning = ", whose uncommitted changes of then are lost" if tags.get("git.dirty") == "true" else ""
    if now == (recorded, False):
        yield root, present + warning
        return
    process = _git(top, "worktree", "add", "--detach", str(place), recorded)
    if process.returncode:
        reason = " ".join(process.stderr.split())[-200:]
        raise BadInput(f"commit {recorded[:12]} cannot be checked out ({reason}): fetch it, or use --here")
    try:
        yield (
            place / root.resolve().relative_to(top.resolve()),
            f"commit {recorded[:12]} in a temporary worktree{warning}",
        )
    finally:
        _git(top, "worktree", "remove", "--force", str(place))


def _git(top: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(top), *words], capture_output=True, text=True)


def _run(task: str, settings: Mapping[str, str], source: Path, folder: Path) -> AnyEvidence:
    """Run the task with these settings and the code in `source`, and return its evidence."""
    store = folder / "store"
    store.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    environment |= {"PYTHONPATH": str(source), "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}"}
    arguments = [
        f"--{name}={value}" for name, value in {**settings, "data": _absolute(settings)}.items() if value
    ]
    # -P: files in the working directory must not take precedence over the code in `source`.
    # Before the platform became a package of its own, its program was in `projects`.
    program = "projects" if (source / "projects" / "catalog.py").is_file() else "shashlik"
    words = [sys.executable, "-P", "-m", program, "run", task, *arguments]
    code = subprocess.run(words, cwd=store, env=environment).returncode
    if code:
        raise CannotRecord(f"the second run failed with exit code {code}; it has said why")
    (path,) = store.rglob("evidence/evidence.json")
    try:
        return from_json(path.read_text())
    except ValueError as error:
        raise CannotRecord(f"the evidence of the second run cannot be read ({error})") from error


def _absolute(settings: Mapping[str, str]) -> str:
    """Make the paths of the data files absolute."""
    parts = [part.strip() for part in settings.get("data", "").split(",") if part.strip()]
    return ",".join(part if "://" in part else str(Path(part).expanduser().absolute()) for part in parts)
