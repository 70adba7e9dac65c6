"""Recording to mlflow: a run and everything that is recorded in it."""

from __future__ import annotations

import math
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mlflow
from matplotlib.figure import Figure
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from tracking.evidence import predictions
from tracking.evidence.predictions import PredictionTable
from tracking.evidence.residual_table import ResidualTable
from tracking.evidence.resolution import AnyEvidence
from tracking.report import run_report
from tracking.report.links import run_page
from tracking.runs import checkpoints
from tracking.runs.curves import Curves, Point
from tracking.runs.datasets import Recorded
from tracking.runs.indexing import index
from tracking.runs.lifecycle import MOST_METRICS, CannotRecord, active, one_line, silence
from tracking.runs.provenance import HERE, commit

__all__ = ["CannotRecord", "Recorder", "recording"]

#: Limits of mlflow's `log_batch` and of its columns.
MOST_PARAMS, LONGEST_TAG = 100, 8000


@contextmanager
def recording(
    task: str,
    *,
    seed: int,
    settings: Mapping[str, Any],
    resume: str | None = None,
    parent: str | None = None,
    reopen: bool = False,
    code: Path | None = None,
) -> Iterator[Recorder]:
    """Record everything inside the context into one mlflow run.

    Parameters
    ----------
    task : str
        Name of the task; also the experiment of a new run.
    seed : int
        Random seed of the run.
    settings : mapping
        Resolved settings, logged as ``cfg.<name>``. A resumed run must have the same settings.
    resume : str, optional
        Id of the run to continue.
    parent : str, optional
        Id of the run below which a new one is nested.
    reopen : bool
        Whether a finished run can be continued too, for example to nest more runs below it.
    code : pathlib.Path, optional
        Folder from which the task is imported; the run records the commit of its checkout. By default that of
        the platform.

    Raises
    ------
    CannotRecord
        If the store does not answer, or the run cannot be resumed with these settings.
    """
    with active(task, resume, parent, reopen) as run:
        recorder = Recorder(run.info.run_id)
        try:
            recorder._begin(task, seed, settings, run.data.params, code or HERE)
            yield recorder
        except BaseException:
            with suppress(Exception):
                recorder._close()
            raise
        recorder._close()


class Recorder:
    """Recorder of one run, created by `recording`."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self._client = MlflowClient()
        self._curves = Curves(self._send)
        self._nonfinite: set[str] = set()

    @property
    def where(self) -> str:
        """Description of the run and its store."""
        return f"run {self.run_id} in {mlflow.get_tracking_uri()}"

    @property
    def link(self) -> str:
        """Address of the run in the UI; without a server, in the UI that ``mlflow server`` starts."""
        uri = mlflow.get_tracking_uri()
        base = uri.rstrip("/") if uri.startswith("http") else "http://127.0.0.1:5000"
        experiment = self._client.get_run(self.run_id).info.experiment_id
        return f"{base}{run_page(experiment, self.run_id)}"

    def tag(self, name: str, value: object) -> None:
        """Set a tag."""
        self._client.set_tag(self.run_id, name, str(value))

    def dataset(self, name: str, sha256: str, source: str, events: int, context: str) -> None:
        """Log a sample as an input of the run.

        Parameters
        ----------
        name : str
            Name of the sample.
        sha256, source : str
            See `shashlik.task.sample.Sample`.
        events : int
            Number of events.
        context : str
            ``"training"`` or ``"evaluation"``; the hash of an evaluation sample becomes the tag
            ``data.sha256``.

        Raises
        ------
        CannotRecord
            If the run is resumed and was evaluated on other events.
        """
        if context == "evaluation":
            recorded = self._client.get_run(self.run_id).data.tags.get("data.sha256", sha256)
            if recorded != sha256:
                raise CannotRecord(
                    f"run {self.run_id} was evaluated on other events (sha256 {recorded[:12]}..., now "
                    f"{sha256[:12]}...): bring the old file back, or start anew without resume"
                )
        mlflow.log_input(Recorded(name, sha256, source, events), context=context)
        if context == "evaluation":
            self.tag("data.sha256", sha256)

    def curve(self, name: str, values: Mapping[str, float], step: int) -> None:
        """Add points to the curves ``training/<name>/<key>``; they are sent later, in batches."""
        self._curves.add(f"training/{name}", values, step)

    def metrics(self, values: Mapping[str, float]) -> None:
        """Log finite metrics; the tag ``nonfinite`` names the others."""
        milliseconds = int(1000 * time.time())
        self._nonfinite |= {name for name, value in values.items() if not math.isfinite(value)}
        finite = [
            Metric(name, float(value), milliseconds, 0)
            for name, value in values.items()
            if math.isfinite(value)
        ]
        for start in range(0, len(finite), MOST_METRICS):
            self._client.log_batch(self.run_id, metrics=finite[start : start + MOST_METRICS])

    def checkpoint(self, folder: Path) -> None:
        """Store a copy of a folder of checkpoints with the run.

        Two files alternate, and the tag ``checkpoint`` names the complete one, so that a kill at any moment
        leaves a usable checkpoint. A store that does not answer neither stops nor delays a training.
        """
        try:
            if reason := silence():
                raise OSError(reason)
            # Points that a resumed run does not repeat must not be lost.
            self._curves.flush()
            previous = self._client.get_run(self.run_id).data.tags.get("checkpoint", "second ")
            slot = "second" if previous.startswith("first ") else "first"
            with tempfile.TemporaryDirectory() as scratch:
                archive = Path(scratch) / f"{slot}.zip"
                sha256 = checkpoints.pack(folder, archive)
                self._client.log_artifact(self.run_id, str(archive), "checkpoint")
            self.tag("checkpoint", f"{slot} {sha256}")
        except (MlflowException, OSError) as error:
            print(f"shashlik: checkpoint not kept with {self.where}: {one_line(error)}", file=sys.stderr)

    def fetch_checkpoint(self, folder: Path) -> bool:
        """Fill `folder` from the run's last complete checkpoint; False if it has none."""
        slot, _, sha256 = self._client.get_run(self.run_id).data.tags.get("checkpoint", "").partition(" ")
        if not slot:
            return False
        with tempfile.TemporaryDirectory() as scratch:
            try:
                archive = self._client.download_artifacts(self.run_id, f"checkpoint/{slot}.zip", scratch)
                checkpoints.unpack(Path(archive), sha256, folder)
            except (MlflowException, OSError, ValueError) as error:
                raise CannotRecord(
                    f"the checkpoint of run {self.run_id} cannot be used ({one_line(error)}): "
                    "start anew without resume"
                ) from error
        return True

    def record(
        self,
        evidence: AnyEvidence,
        figures: Mapping[str, Figure],
        answers: PredictionTable | None = None,
        findings: Mapping[str, str] | None = None,
        residuals: ResidualTable | None = None,
    ) -> None:
        """Record metrics, artifacts and the description of the run, and index its evidence.

        Everything is written to a local folder first, which is kept if the store fails.

        Parameters
        ----------
        evidence : AnyEvidence
            The result.
        figures : mapping of str to Figure
            Figures by file name without extension, in the order of the description.
        answers : PredictionTable, optional
            Predictions event by event.
        findings : mapping of str to str, optional
            Markdown from the task by file name without extension; it becomes part of the description.
        residuals : ResidualTable, optional
            Residuals object by object.

        Raises
        ------
        CannotRecord
            If the store fails; the text says where the evidence was kept.
        """
        folder = Path(tempfile.mkdtemp(prefix="shashlik-"))
        try:
            try:
                run_report.write(folder, evidence, figures, answers, findings, residuals)
                self.metrics(evidence.metrics())
                self._client.log_artifacts(self.run_id, str(folder))
                notes = list((findings or {}).values())
                text = run_report.description(evidence, list(figures), self.run_id, LONGEST_TAG, notes)
                self.tag("mlflow.note.content", text)
                index(self.run_id, evidence)
            except Exception as error:
                raise CannotRecord(
                    f"{self.where} could not be stored ({one_line(error)}); {self._keep(folder)}"
                ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def answers(self, table: PredictionTable, path: str) -> None:
        """Store predictions on a sample as the artifact `path`, beside those on the run's test events."""
        with tempfile.TemporaryDirectory() as scratch:
            local = Path(scratch) / Path(path).name
            predictions.write(table, local)
            self._client.log_artifact(self.run_id, str(local), str(Path(path).parent))

    def keep(self, folder: Path, where: str) -> None:
        """Store a folder as artifacts; failures of the store are ignored, so only for optional files."""
        with suppress(MlflowException, OSError):
            if not silence():
                self._client.log_artifacts(self.run_id, str(folder), where)

    def tell(self, blocks: Sequence[str], figures: Mapping[str, Figure], files: Mapping[str, str]) -> None:
        """Describe a run without evidence, such as the parent of nested runs.

        Parameters
        ----------
        blocks : sequence of str
            Markdown, the most important first.
        figures : mapping of str to Figure
            Figures by file name without extension.
        files : mapping of str to str
            Text of additional artifacts by path.
        """
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name, figure in figures.items():
                path = folder / "figures" / f"{name}.png"
                path.parent.mkdir(exist_ok=True)
                figure.savefig(path, dpi=run_report.RESOLUTION)
            for name, text in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            self._client.log_artifacts(self.run_id, str(folder))
        last = f"More: artifacts {', '.join(f'`{name}`' for name in files)}."
        self.tag(
            "mlflow.note.content", run_report.joined(blocks, list(figures), self.run_id, LONGEST_TAG, last)
        )

    def nest(
        self,
        name: str,
        settings: Mapping[str, Any],
        metrics: Mapping[str, float],
        curves: Mapping[str, Sequence[float]],
    ) -> str:
        """Create a finished run nested in this one, for one of its models.

        Parameters
        ----------
        name : str
            Name of the run.
        settings, metrics : mapping
            Parameters and results of the run.
        curves : mapping of str to sequence of float
            Metrics with one value per step, starting at step 1.

        Returns
        -------
        str
            Id of the run.
        """
        experiment = self._client.get_run(self.run_id).info.experiment_id
        run = self._client.create_run(experiment, tags={"mlflow.parentRunId": self.run_id}, run_name=name)
        milliseconds = int(1000 * time.time())
        points = [
            Metric(key, float(value), milliseconds, 0)
            for key, value in metrics.items()
            if math.isfinite(value)
        ]
        points += [
            Metric(key, float(value), milliseconds, step)
            for key, values in curves.items()
            for step, value in enumerate(values, start=1)
            if math.isfinite(value)
        ]
        params = [Param(key, str(value)) for key, value in settings.items()]
        for start in range(0, max(len(points), 1), MOST_METRICS):
            self._client.log_batch(
                run.info.run_id,
                metrics=points[start : start + MOST_METRICS],
                params=params if not start else [],
            )
        self._client.set_terminated(run.info.run_id)
        return run.info.run_id

    def _keep(self, folder: Path) -> str:
        for parent in (Path.cwd(), Path(tempfile.gettempdir())):
            copy = parent / f"unrecorded-{self.run_id}"
            try:
                shutil.copytree(folder, copy, dirs_exist_ok=True)
            except OSError:
                continue
            return f"what there is of its evidence is kept in {copy}"
        return "its evidence could not be kept on this machine either: free some disk space"

    def _begin(
        self, task: str, seed: int, settings: Mapping[str, Any], recorded: Mapping[str, str], folder: Path
    ) -> None:
        expected = {f"cfg.{name}": str(value) for name, value in settings.items()}
        for name, value in expected.items():
            if recorded.get(name, value) != value:
                raise CannotRecord(
                    f"run {self.run_id} has {name}={recorded[name]}, not {value}: "
                    "resume it with the same settings"
                )
        code = commit(folder)
        tags = {"task": task, "seed": str(seed)}
        if code is not None:
            tags |= {"git.commit": code[0], "git.dirty": str(code[1]).lower()}
        params = [Param(name, value) for name, value in expected.items() if name not in recorded]
        self._client.log_batch(self.run_id, tags=[RunTag(*pair) for pair in tags.items()])
        for start in range(0, len(params), MOST_PARAMS):
            self._client.log_batch(self.run_id, params=params[start : start + MOST_PARAMS])

    def _send(self, points: Sequence[Point]) -> None:
        self._client.log_batch(self.run_id, metrics=[Metric(p.name, p.value, p.time, p.step) for p in points])

    def _close(self) -> None:
        self._curves.close()
        if silence():
            return
        nonfinite = sorted(self._nonfinite | self._curves.nonfinite)
        if nonfinite:
            self.tag("nonfinite", ", ".join(nonfinite)[:LONGEST_TAG])
        if self._curves.trouble:
            self.tag("curves", f"incomplete: {self._curves.trouble}"[:LONGEST_TAG])
