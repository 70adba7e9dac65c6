"""The mlflow side of the index: which one belongs to the store in use, and what goes into it.

The index is made of artifacts. Evidence is in it a moment after it is recorded; where that fails the record
is complete all the same, and `rebuild` brings what is missing.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from tracking.database import Unreachable, locate, opened
from tracking.evidence import residual_table
from tracking.evidence.residual_table import ResidualTable
from tracking.evidence.resolution import AnyEvidence, from_json
from tracking.index.direct import DirectIndex
from tracking.index.protocol import Index
from tracking.index.records import TEST, Origin, frozen
from tracking.index.remote import RemoteIndex
from tracking.runs.lifecycle import CannotRecord, one_line
from tracking.runs.rest_client import Conflicting, call, remote

__all__ = [
    "COMPARED",
    "EVIDENCE",
    "GATE",
    "experiment_of",
    "index",
    "judged",
    "keep",
    "opened_index",
    "origin",
    "rebuild",
    "registered",
]

#: Where a run keeps its evidence, and that of its registered versions on frozen samples: of the last time
#: that the gate saw them, which has all baselines in it, and of the last comparison that was asked for.
EVIDENCE, JUDGED = "evidence/evidence.json", "judged"
GATE, COMPARED = "gate.json", "compared.json"
#: Names of estimators in evidence on a frozen sample.
_VERSION = re.compile(r"v(\d+)-.*")
_PAGE = 1000
#: Runs of which the user was told that the index lacks them; once is enough.
_LEFT_OUT: set[str] = set()


def judged(number: int, file: str) -> str:
    """Where a run keeps the evidence on a frozen sample."""
    return f"{JUDGED}/frozen-{number}/{file}"


@contextmanager
def opened_index() -> Iterator[Index]:
    """The index of the tracking store in use.

    Raises
    ------
    Unreachable
        If there is none.
    """
    if remote():
        yield RemoteIndex(call)
    else:
        with opened(locate(mlflow.get_tracking_uri())) as engine:
            yield DirectIndex(engine)


def index(run_id: str, evidence: AnyEvidence, artifact: str = EVIDENCE) -> None:
    """Index evidence that is an artifact of a run; if that fails, say so and go on."""
    with _let_off(run_id), opened_index() as found:
        found.put(origin(run_id, artifact, evidence), evidence)


def origin(
    run_id: str, artifact: str, evidence: AnyEvidence, registered: Mapping[str, int] | None = None
) -> Origin:
    """Where evidence lies, from what is known of its run; of that on a frozen sample names tell the versions.

    Raises
    ------
    MlflowException
        If there is no such run.
    """
    return _origin(MlflowClient().get_run(run_id), artifact, evidence, registered or {})


def experiment_of(run_id: str) -> str | None:
    """The experiment of a run; None if there is no such run."""
    try:
        return MlflowClient().get_run(run_id).info.experiment_id
    except MlflowException:
        return None


def keep(run_id: str, evidence: AnyEvidence, artifact: str, residuals: ResidualTable | None = None) -> None:
    """Keep evidence, and the residuals it was found from, as more artifacts of a run, and index it.

    Raises
    ------
    CannotRecord
        If the store does not take it.
    """
    try:
        client = MlflowClient()
        client.log_text(run_id, evidence.to_json(), artifact)
        if residuals is not None:
            with tempfile.TemporaryDirectory() as scratch:
                folder, _, name = residual_table.beside(artifact).rpartition("/")
                residual_table.write(residuals, Path(scratch) / name)
                client.log_artifact(run_id, str(Path(scratch) / name), folder)
    except (MlflowException, OSError) as error:
        raise CannotRecord(f"{artifact} of run {run_id} could not be stored ({one_line(error)})") from error
    index(run_id, evidence, artifact)


def registered(run_id: str, estimator: str, version: int) -> None:
    """Index that an estimator of a run became a version; if that fails, say so and go on."""
    with _let_off(run_id), opened_index() as found:
        found.assign(run_id, estimator, version)


def rebuild(say: Callable[[str], object] = print) -> int:
    """Make the index anew from the artifacts of all runs that were not deleted.

    It is complete and can be asked all the while; an interrupted rebuild is given again.

    Parameters
    ----------
    say : callable
        Told of evidence that cannot be read, and how far it is.

    Returns
    -------
    int
        How many evidences are in it.
    """
    client, versions, known = MlflowClient(), _versions(), set()
    count = 0
    with opened_index() as found:
        for number, run in enumerate(_runs(client), start=1):
            for artifact in _artifacts(client, run):
                try:
                    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{artifact}")
                    evidence = from_json(text)
                except (MlflowException, OSError, ValueError) as error:
                    say(f"run {run.info.run_id}: {artifact} is left out ({one_line(error)})")
                    continue
                found.put(_origin(run, artifact, evidence, versions.get(run.info.run_id, {})), evidence)
                known.add(run.info.run_id)
                count += 1
            if number % 100 == 0:
                say(f"{number} runs, {count} evidences")
        found.drop(found.runs() - known)
    return count


@contextmanager
def _let_off(run_id: str) -> Iterator[None]:
    try:
        yield
    except (Unreachable, Conflicting, SQLAlchemyError, MlflowException, OSError) as error:
        if run_id not in _LEFT_OUT:
            reason = str(error) if isinstance(error, Unreachable) else one_line(error)
            print(
                f"shashlik: evidence of run {run_id} is recorded, but the index does not have it ({reason}): "
                "'shashlik index --rebuild' brings it in",
                file=sys.stderr,
            )
        _LEFT_OUT.add(run_id)


def _origin(run: Run, artifact: str, evidence: AnyEvidence, registered: Mapping[str, int]) -> Origin:
    """Where evidence lies; of that on a frozen sample the names say which versions were judged."""
    tags, sample = run.data.tags, TEST
    if number := re.fullmatch(rf"{JUDGED}/frozen-(\d+)/.*", artifact):
        sample = frozen(int(number[1]))
        named = {name: _VERSION.fullmatch(name) for name in evidence.estimators}
        registered = {name: int(found[1]) for name, found in named.items() if found}
    return Origin(
        run.info.run_id,
        run.info.experiment_id,
        run.info.run_name or "",
        sample,
        artifact,
        run.info.start_time,
        tags.get("mlflow.user", ""),
        tags.get("git.commit", ""),
        registered,
    )


def _runs(client: MlflowClient) -> Iterator[Run]:
    """All runs of tasks that were not deleted."""
    for experiment in client.search_experiments(ViewType.ACTIVE_ONLY, max_results=10_000):
        token: str | None = None
        while True:
            page = client.search_runs(
                [experiment.experiment_id], "tags.task != ''", max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                break


def _artifacts(client: MlflowClient, run: Run) -> Iterator[str]:
    with suppress(MlflowException, OSError):
        if any(file.path == EVIDENCE for file in client.list_artifacts(run.info.run_id, "evidence")):
            yield EVIDENCE
        for folder in client.list_artifacts(run.info.run_id, JUDGED):
            yield from (file.path for file in client.list_artifacts(run.info.run_id, folder.path))


def _versions() -> dict[str, dict[str, int]]:
    """Registered versions by run and estimator."""
    found: dict[str, dict[str, int]] = {}
    token: str | None = None
    while True:
        page = MlflowClient().search_model_versions(max_results=10_000, page_token=token)
        for version in page:
            found.setdefault(version.run_id or "", {})[version.tags.get("estimator", "")] = int(
                version.version
            )
        token = page.token
        if not token:
            return found
