"""``shashlik rerun``: the run of a version once more, by the code of its commit; do the numbers come back?"""

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

#: What a process would take for its own run, or its own store.
OWN = ("MLFLOW_RUN_ID", "MLFLOW_EXPERIMENT_ID", "MLFLOW_EXPERIMENT_NAME", "SHASHLIK_DATABASE")


@dataclass(frozen=True)
class Agreement:
    """What a second run says of the first.

    Parameters
    ----------
    code : str
        Which code ran, in words.
    same_events : bool
        Whether both were judged on the same events, by their hash.
    compared : tuple of Difference
        Number by number.
    """

    code: str
    same_events: bool
    compared: tuple[Difference, ...]

    @property
    def agrees(self) -> bool:
        """Whether all is as before."""
        return self.same_events and all(one.agrees for one in self.compared)

    @property
    def text(self) -> str:
        """For people: a line a number, and what it comes to."""
        rows = [
            (
                one.name,
                with_error(one.old, one.old_err),
                with_error(one.new, one.new_err),
                f"{one.new - one.old:.3g}",
                f"{one.pull:+.2f}",
                "" if one.agrees else "differs",
            )
            for one in self.compared
        ]
        equal = sum(one.old == one.new for one in self.compared)
        wrong = sum(not one.agrees for one in self.compared)
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

    The second run is recorded in a store of its own that is thrown away: it is evidence about the first and
    no candidate. The comparison is kept with the version's run, in ``reruns/``.

    Parameters
    ----------
    task : Task
    reference : str
        See `registry.models.versions.find`.
    here : bool
        Run the present code instead of that of the recorded commit.
    say : callable
        Told what runs.

    Raises
    ------
    BadInput
        If the recorded commit cannot be had.
    CannotRecord
        If the run or its evidence is gone, or the second run fails.
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
        found = Agreement(words, old.facts.sha256 == new.facts.sha256, differences(old, new))
        now = f"{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
        path = Path(folder) / "kept" / f"{now}.txt"
        path.parent.mkdir()
        path.write_text(f"{found.text}\n")
        lineage.log_files(version.run_id, path.parent, "reruns")
    versions.write(task.name, version.number, {"rerun": f"{'agrees' if found.agrees else 'differs'} {now}"})
    return found


@contextmanager
def _code(name: str, tags: Mapping[str, str], here: bool, place: Path) -> Iterator[tuple[Path, str]]:
    """The folder from which the task's code is to be imported, and which code it is in words."""
    root = catalog.root(name) or HERE
    wanted, now, top = tags.get("git.commit", ""), commit(root), checkout(root)
    present = f"the present code, commit {now[0][:12] if now else 'unknown'}"
    present += " with uncommitted changes" if now and now[1] else ""
    if here:
        yield root, f"{present}, recorded is {wanted[:12] or 'none'}"
        return
    if not wanted:
        raise BadInput("the run has no commit on record: --here runs the present code")
    if now is None or top is None:
        raise BadInput(f"{root} is no checkout that has commit {wanted[:12]}: --here runs the present code")
    # What was not committed then is lost, and who reads the comparison must know.
    lost = ", whose uncommitted changes of then are lost" if tags.get("git.dirty") == "true" else ""
    if now == (wanted, False):
        yield root, present + lost
        return
    done = _git(top, "worktree", "add", "--detach", str(place), wanted)
    if done.returncode:
        reason = " ".join(done.stderr.split())[-200:]
        raise BadInput(f"commit {wanted[:12]} cannot be checked out ({reason}): fetch it, or use --here")
    try:
        yield (
            place / root.resolve().relative_to(top.resolve()),
            f"commit {wanted[:12]} in a temporary worktree{lost}",
        )
    finally:
        _git(top, "worktree", "remove", "--force", str(place))


def _git(top: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(top), *words], capture_output=True, text=True)


def _run(task: str, settings: Mapping[str, str], source: Path, folder: Path) -> AnyEvidence:
    """Evidence of the run with these settings by the code in `source`."""
    store = folder / "store"
    store.mkdir()
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    environment |= {"PYTHONPATH": str(source), "MLFLOW_TRACKING_URI": f"sqlite:///{store / 'mlflow.db'}"}
    given = [
        f"--{name}={value}" for name, value in {**settings, "data": _absolute(settings)}.items() if value
    ]
    # -P: what lies in the working directory must not come before the code that is meant.
    # Code from before the platform was a package of its own has its program there.
    program = "projects" if (source / "projects" / "catalog.py").is_file() else "shashlik"
    words = [sys.executable, "-P", "-m", program, "run", task, *given]
    code = subprocess.run(words, cwd=store, env=environment).returncode
    if code:
        raise CannotRecord(f"the second run failed with exit code {code}; it has said why")
    (path,) = store.rglob("evidence/evidence.json")
    try:
        return from_json(path.read_text())
    except ValueError as error:
        raise CannotRecord(f"the evidence of the second run cannot be read ({error})") from error


def _absolute(settings: Mapping[str, str]) -> str:
    """The files that were given, as seen from anywhere."""
    parts = [part.strip() for part in settings.get("data", "").split(",") if part.strip()]
    return ",".join(part if "://" in part else str(Path(part).expanduser().absolute()) for part in parts)
