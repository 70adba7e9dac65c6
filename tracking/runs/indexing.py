"""Connection of mlflow to the index: find the index of the store in use and fill it.

The index is built from artifacts. Evidence is indexed right after it is recorded. If that fails, the record
is complete nevertheless, and `rebuild` adds the missing evidence.
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

#: Artifacts of a run: its evidence, and that of its registered versions on frozen samples, which is either
#: from the last evaluation by the gate, with all baselines, or from the last requested comparison.
EVIDENCE, JUDGED = "evidence/evidence.json", "judged"
GATE, COMPARED = "gate.json", "compared.json"
#: Names of estimators in evidence on a frozen sample.
_VERSION = re.compile(r"v(\d+)-.*")
_PAGE = 1000
#: Runs whose missing index entry was reported to the user; each is reported once.
_LEFT_OUT: set[str] = set()


def judged(number: int, file: str) -> str:
    """Build the artifact path of evidence on a frozen sample."""
    return f"{JUDGED}/frozen-{number}/{file}"


@contextmanager
def opened_index() -> Iterator[Index]:
    """Open the index of the tracking store in use.

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
    """Index evidence that is an artifact of a run; report a failure and continue."""
    with _report_failure(run_id), opened_index() as store_index:
        store_index.put(origin(run_id, artifact, evidence), evidence)


def origin(
    run_id: str, artifact: str, evidence: AnyEvidence, registered: Mapping[str, int] | None = None
) -> Origin:
    """Build the origin of evidence from its run; on a frozen sample the names give the versions.

    Raises
    ------
    MlflowException
        If there is no such run.
    """
    return _origin(MlflowClient().get_run(run_id), artifact, evidence, registered or {})


def experiment_of(run_id: str) -> str | None:
    """Look up the experiment of a run; None if there is no such run."""
    try:
        return MlflowClient().get_run(run_id).info.experiment_id
    except MlflowException:
        return None


def keep(run_id: str, evidence: AnyEvidence, artifact: str, residuals: ResidualTable | None = None) -> None:
    """Store evidence and the residuals behind it as artifacts of a run, and index it.

    Raises
    ------
    CannotRecord
        If the store does not accept it.
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
    """Index that an estimator of a run became a version; report a failure and continue."""
    with _report_failure(run_id), opened_index() as store_index:
        store_index.assign(run_id, estimator, version)


def rebuild(say: Callable[[str], object] = print) -> int:
    """Rebuild the index from the artifacts of all runs that were not deleted.

    The index stays complete and can be queried during a rebuild. Repeat an interrupted rebuild.

    Parameters
    ----------
    say : callable
        Function that reports unreadable evidence and progress.

    Returns
    -------
    int
        Number of evidences in the index.
    """
    client, versions, indexed = MlflowClient(), _versions(), set()
    count = 0
    with opened_index() as store_index:
        for number, run in enumerate(_runs(client), start=1):
            for artifact in _artifacts(client, run):
                try:
                    text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/{artifact}")
                    evidence = from_json(text)
                except (MlflowException, OSError, ValueError) as error:
                    say(f"run {run.info.run_id}: {artifact} is left out ({one_line(error)})")
                    continue
                store_index.put(_origin(run, artifact, evidence, versions.get(run.info.run_id, {})), evidence)
                indexed.add(run.info.run_id)
                count += 1
            if number % 100 == 0:
                say(f"{number} runs, {count} evidences")
        store_index.drop(store_index.runs() - indexed)
    return count


@contextmanager
def _report_failure(run_id: str) -> Iterator[None]:
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
    """Build the origin of evidence; on a frozen sample the names give the evaluated versions."""
    tags, sample = run.data.tags, TEST
    if number := re.fullmatch(rf"{JUDGED}/frozen-(\d+)/.*", artifact):
        sample = frozen(int(number[1]))
        matches = {name: _VERSION.fullmatch(name) for name in evidence.estimators}
        registered = {name: int(match[1]) for name, match in matches.items() if match}
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
    """Yield all runs of tasks that were not deleted."""
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
    """Collect registered versions by run and estimator."""
    versions: dict[str, dict[str, int]] = {}
    token: str | None = None
    while True:
        page = MlflowClient().search_model_versions(max_results=10_000, page_token=token)
        for version in page:
            versions.setdefault(version.run_id or "", {})[version.tags.get("estimator", "")] = int(
                version.version
            )
        token = page.token
        if not token:
            return versions
