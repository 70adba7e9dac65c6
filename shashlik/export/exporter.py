"""``shashlik export``: a version as a folder that needs neither mlflow, TensorFlow nor this repository."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from registry.journal.champions import Registry
from registry.models import bundle, lineage, model_files, versions
from registry.models.frozen_sample import Frozen
from registry.models.versions import Version
from shashlik.commands import freeze
from shashlik.evaluation.frozen_evaluation import CHUNK, frozen_sample, predict_all
from shashlik.exceptions import BadInput
from shashlik.export import golden_vectors, onnx_graph, parity
from shashlik.export.golden_vectors import Golden
from shashlik.export.onnx_graph import Tensor
from shashlik.task.definition import Task
from shashlik.task.sample import Predictions, Sample, Schema
from tracking.runs.models import graph, load
from tracking.runs.provenance import versions as packages

__all__ = ["export"]

#: Golden events, and of how many events of the frozen sample they are chosen.
KEPT, LOOKED_AT = 256, 2000
#: Golden events agree within this part of the tolerance, so that they do on another machine too.
SETTLED = 0.25
#: What makes the graph and runs it, beside what makes the model.
PACKAGES = ("numpy", "tensorflow", "keras", "mlflow", "onnx", "onnxruntime", "tf2onnx", "shashlik")
#: What every bundle holds as it is in the repository: by name in the bundle.
BUNDLED = {"verify.py": "verify.py", "cpp/verify.cpp": "verify.cpp", "cpp/CMakeLists.txt": "CMakeLists.txt"}
SOURCES = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class _Network:
    """The graph of a version in a file, and how its inputs are made."""

    path: Path
    prepare: Callable[[Mapping[str, Any]], tuple[dict[str, NDArray[Any]], NDArray[np.bool_]]]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    meaning: Mapping[str, Mapping[str, Any]]

    @property
    def kinds(self) -> dict[str, str]:
        """Types of the outputs."""
        return {name: kind for name, kind, _ in self.outputs}

    def answers(self, columns: Mapping[str, Any]) -> Predictions:
        """What the graph says of events, as the registered model says it."""
        inputs, usable = self.prepare(columns)
        found = onnx_graph.answers(self.path, inputs)
        return {name: np.where(usable & np.isfinite(v), v, np.nan) for name, v in found.items()}


def export(
    registry: Registry, task: Task, reference: str, folder: Path, say: Callable[[str], object] = print
) -> str:
    """Write a version as a bundle, if its ONNX graph says what it says.

    Parameters
    ----------
    registry : Registry
        Knows the frozen sample on which the two are compared; one is made where there is none.
    task : Task
    reference : str
        The version, see `registry.models.versions.find`.
    folder : pathlib.Path
        Must not be there yet; it appears when it is complete, and not before.
    say : callable
        Told how well the outputs agree.

    Returns
    -------
    str
        SHA-256 of the bundle's manifest.

    Raises
    ------
    BadInput
        If the version is no network, cannot be written as ONNX, or the folder cannot be written.
    shashlik.export.parity.Disagrees
        If graph and registered model differ in more events than rounding explains.
    """
    if folder.exists():
        raise BadInput(f"{folder} is there already; name another folder or remove it")
    if not folder.parent.is_dir():
        raise BadInput(f"{folder}: the folder {folder.parent} does not exist; make it first")
    version = versions.find(task.name, reference)
    files = versions.fetch(task.name, str(version.number))
    kept = freeze.ensure(registry, task.name)
    sample = frozen_sample(task, kept)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        network = _network(version, files, scratch / bundle.NETWORK)
        predict, inputs = load(files)
        wanted, found = predict_all(predict, inputs, sample), _found(network, inputs, sample)
        compared = parity.compare(found, wanted, network.kinds)
        for one in compared:
            say(
                f"{one.output}: {one.agreeing:.3%} of {len(sample)} frozen events agree, the farthest by "
                f"{one.worst:.3g}"
            )
        parity.demand(compared, "network.onnx")
        events = _golden(network, sample, inputs, found, wanted)
        golden_vectors.write(events, scratch / bundle.GOLDEN)
        model_files.copy(files, scratch / bundle.MODEL)
        verdict = _papers(version, scratch)
        facts = _facts(task, version, kept, network, compared, len(events)) | {"verdict": verdict}
        _texts(task, scratch, facts)
        sha256 = bundle.seal(scratch, facts)
        scratch.chmod(0o755)
        os.replace(scratch, folder)
    except OSError as error:
        raise BadInput(
            f"cannot write {folder} ({error.strerror}): make room or choose another place"
        ) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return sha256


def _network(version: Version, files: Path, path: Path) -> _Network:
    offered = graph(files)
    if offered is None:
        raise BadInput(
            f"{version.name} ({version.estimator}) is no network, or was registered before networks could be "
            "exported: train it again"
        )
    model, prepare, meaning = offered
    return _Network(path, prepare, *onnx_graph.convert(model, path), meaning)


def _found(network: _Network, inputs: Sequence[str], sample: Sample) -> Predictions:
    """Answers of the graph for all events, some at a time."""
    parts = []
    for start in range(0, len(sample), CHUNK):
        few = sample.select(slice(start, start + CHUNK))
        parts.append(network.answers({name: few[name] for name in inputs}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _golden(
    network: _Network, sample: Sample, inputs: Sequence[str], found: Predictions, wanted: Predictions
) -> Golden:
    """The first events of which both say the same with room to spare."""
    first = slice(0, LOOKED_AT)
    settled = np.ones(len(sample.select(first)), dtype=bool)
    for name, kind in network.kinds.items():
        settled &= parity.within(found[name][first], wanted[name][first], kind, SETTLED)
    chosen = np.flatnonzero(settled)[:KEPT]
    few = sample.select(chosen)
    columns = {name: few[name] for name in inputs}
    tensors, usable = network.prepare(columns)
    outputs = {name: wanted[name][chosen].astype(kind) for name, kind in network.kinds.items()}
    return Golden(columns, tensors, usable, outputs)


def _papers(version: Version, folder: Path) -> dict[str, str] | None:
    """Evidence, card and verdict of a version as files; returns what was decided, None before a verdict."""
    lineage.fetch_files(version.run_id, "evidence", folder)
    (folder / bundle.DESCRIPTION).write_text(version.description)
    sha256 = version.tags.get("verdict.sha256", "")
    if not sha256:
        (folder / bundle.CARD).write_text(version.description)
        return None
    with tempfile.TemporaryDirectory() as scratch:
        found = lineage.fetch_files(version.run_id, f"verdicts/{sha256[:12]}", Path(scratch))
        shutil.copytree(found, folder / bundle.VERDICT)
    (folder / bundle.VERDICT / "card.md").rename(folder / bundle.CARD)
    return {"decision": version.tags["verdict"], "sha256": sha256}


def _facts(
    task: Task,
    version: Version,
    kept: Frozen,
    network: _Network,
    compared: Sequence[parity.Parity],
    events: int,
) -> dict[str, Any]:
    """What the manifest says beside the hashes."""
    tags = lineage.run_tags(version.run_id)
    return {
        "task": task.name,
        "version": version.number,
        "estimator": version.estimator,
        "store": _nameless(versions.store()),
        "run": {
            "id": version.run_id,
            "settings": lineage.run_settings(version.run_id),
            "tags": {n: tags[n] for n in ("seed", "git.commit", "git.dirty", "data.sha256") if n in tags},
        },
        "tags": dict(version.tags),
        "unseen": tags.get("frozen.unseen") == str(kept.version) or kept.simulated,
        "packages": packages(PACKAGES),
        "frozen": {name: getattr(kept, name) for name in ("version", "sha256", "events", "source")},
        "network": {
            "file": bundle.NETWORK,
            "opset": onnx_graph.OPSET,
            "inputs": [_told(one, network, task.schema) for one in network.inputs],
            "outputs": [_told(one, network, task.schema) for one in network.outputs],
        },
        "parity": {
            "events": kept.events,
            "tolerance": {k: parity.tolerances(k) for k in sorted(set(network.kinds.values()))},
            "least_agreeing": parity.AGREEING,
            "outputs": [asdict(one) for one in compared],
        },
        "golden": {"events": events},
    }


def _nameless(address: str) -> str:
    """An address without the name and password that may stand in it."""
    scheme, slashes, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{place.rpartition('@')[2]}{slash}{path}"


def _told(tensor: Tensor, network: _Network, schema: Schema) -> dict[str, Any]:
    """An input or output for the manifest; the first axis, the events, has no length."""
    name, kind, shape = tensor
    told = dict(network.meaning[name])
    if columns := told.pop("of", None):
        known = [schema[column] for column in columns]
        told = {
            "unit": ", ".join(column.unit for column in known),
            "meaning": ", ".join(f"{column.name} ({column.meaning})" for column in known),
        }
    return {"name": name, "type": kind, "shape": ["events", *shape], **told}


def _texts(task: Task, folder: Path, facts: Mapping[str, Any]) -> None:
    """The parts of a bundle that are for people and compilers."""
    for name, source in BUNDLED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(SOURCES / source, folder / name)
    inputs, outputs = (
        ", ".join(f"`{one['name']}`" for one in facts["network"][part]) for part in ("inputs", "outputs")
    )
    verdict = facts["verdict"]
    text = (SOURCES / "README.md").read_text()
    (folder / "README.md").write_text(
        text.format(
            task=task.name,
            version=facts["version"],
            estimator=facts["estimator"],
            commit=facts["run"]["tags"].get("git.commit", "unknown")[:12],
            verdict=verdict["decision"] if verdict else "none yet",
            inputs=inputs,
            outputs=outputs,
            golden=facts["golden"]["events"],
        )
    )
