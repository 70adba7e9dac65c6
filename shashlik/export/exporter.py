"""Export a version as a folder that needs neither mlflow, TensorFlow nor this repository."""

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

#: Number of golden events, and of events of the frozen sample among which they are selected.
KEPT, LOOKED_AT = 256, 2000
#: Golden events agree within this fraction of the tolerance, to leave room for other machines.
SETTLED = 0.25
#: Packages that make and run the graph and the model.
PACKAGES = ("numpy", "tensorflow", "keras", "mlflow", "onnx", "onnxruntime", "tf2onnx", "shashlik")
#: Files copied unchanged into every bundle: name in the bundle and name in the repository.
BUNDLED = {"verify.py": "verify.py", "cpp/verify.cpp": "verify.cpp", "cpp/CMakeLists.txt": "CMakeLists.txt"}
SOURCES = Path(__file__).parent / "bundled"


@dataclass(frozen=True)
class _Network:
    """ONNX graph of a version in a file, with the preparation of its inputs."""

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
        """Predict events with the graph, in the form of the registered model."""
        inputs, usable = self.prepare(columns)
        outputs = onnx_graph.answers(self.path, inputs)
        return {
            name: np.where(usable & np.isfinite(values), values, np.nan) for name, values in outputs.items()
        }


def export(
    registry: Registry, task: Task, reference: str, folder: Path, say: Callable[[str], object] = print
) -> str:
    """Write a version as a bundle, if its ONNX graph agrees with the registered model.

    Parameters
    ----------
    registry : Registry
        Registry with the frozen sample for the comparison; a missing sample is created.
    task : Task
    reference : str
        Reference of the version, see `registry.models.versions.find`.
    folder : pathlib.Path
        New folder; it appears only when it is complete.
    say : callable
        Receives the agreement of each output, one line at a time.

    Returns
    -------
    str
        SHA-256 of the bundle's manifest.

    Raises
    ------
    BadInput
        If the version is not a network, cannot be written as ONNX, or the folder cannot be written.
    shashlik.export.parity.Disagrees
        If the graph and the registered model differ in more events than rounding explains.
    """
    if folder.exists():
        raise BadInput(f"{folder} is there already; name another folder or remove it")
    if not folder.parent.is_dir():
        raise BadInput(f"{folder}: the folder {folder.parent} does not exist; make it first")
    version = versions.find(task.name, reference)
    files = versions.fetch(task.name, str(version.number))
    frozen = freeze.ensure(registry, task.name)
    sample = frozen_sample(task, frozen)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        network = _network(version, files, scratch / bundle.NETWORK)
        predict, inputs = load(files)
        expected, actual = predict_all(predict, inputs, sample), _graph_outputs(network, inputs, sample)
        agreement = parity.compare(actual, expected, network.kinds)
        for match in agreement:
            say(
                f"{match.output}: {match.agreeing:.3%} of {len(sample)} frozen events agree, the farthest by "
                f"{match.worst:.3g}"
            )
        parity.demand(agreement, "network.onnx")
        events = _golden(network, sample, inputs, actual, expected)
        golden_vectors.write(events, scratch / bundle.GOLDEN)
        model_files.copy(files, scratch / bundle.MODEL)
        verdict = _papers(version, scratch)
        facts = _facts(task, version, frozen, network, agreement, len(events)) | {"verdict": verdict}
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
    exportable = graph(files)
    if exportable is None:
        raise BadInput(
            f"{version.name} ({version.estimator}) is no network, or was registered before networks could be "
            "exported: train it again"
        )
    model, prepare, meaning = exportable
    return _Network(path, prepare, *onnx_graph.convert(model, path), meaning)


def _graph_outputs(network: _Network, inputs: Sequence[str], sample: Sample) -> Predictions:
    """Predict all events with the graph, in chunks."""
    parts = []
    for start in range(0, len(sample), CHUNK):
        few = sample.select(slice(start, start + CHUNK))
        parts.append(network.answers({name: few[name] for name in inputs}))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _golden(
    network: _Network, sample: Sample, inputs: Sequence[str], actual: Predictions, expected: Predictions
) -> Golden:
    """Select the first events on which both agree with room to spare."""
    first = slice(0, LOOKED_AT)
    settled = np.ones(len(sample.select(first)), dtype=bool)
    for name, kind in network.kinds.items():
        settled &= parity.within(actual[name][first], expected[name][first], kind, SETTLED)
    rows = np.flatnonzero(settled)[:KEPT]
    few = sample.select(rows)
    columns = {name: few[name] for name in inputs}
    tensors, usable = network.prepare(columns)
    outputs = {name: expected[name][rows].astype(kind) for name, kind in network.kinds.items()}
    return Golden(columns, tensors, usable, outputs)


def _papers(version: Version, folder: Path) -> dict[str, str] | None:
    """Write evidence, card and verdict of a version as files.

    Returns decision and hash of the verdict, or None before a verdict.
    """
    lineage.fetch_files(version.run_id, "evidence", folder)
    (folder / bundle.DESCRIPTION).write_text(version.description)
    sha256 = version.tags.get("verdict.sha256", "")
    if not sha256:
        (folder / bundle.CARD).write_text(version.description)
        return None
    with tempfile.TemporaryDirectory() as scratch:
        papers = lineage.fetch_files(version.run_id, f"verdicts/{sha256[:12]}", Path(scratch))
        shutil.copytree(papers, folder / bundle.VERDICT)
    (folder / bundle.VERDICT / "card.md").rename(folder / bundle.CARD)
    return {"decision": version.tags["verdict"], "sha256": sha256}


def _facts(
    task: Task,
    version: Version,
    frozen: Frozen,
    network: _Network,
    agreement: Sequence[parity.Parity],
    events: int,
) -> dict[str, Any]:
    """Collect the contents of the manifest beside the hashes."""
    tags = lineage.run_tags(version.run_id)
    return {
        "task": task.name,
        "version": version.number,
        "estimator": version.estimator,
        "store": _nameless(versions.store()),
        "run": {
            "id": version.run_id,
            "settings": lineage.run_settings(version.run_id),
            "tags": {
                name: tags[name]
                for name in ("seed", "git.commit", "git.dirty", "data.sha256")
                if name in tags
            },
        },
        "tags": dict(version.tags),
        "unseen": tags.get("frozen.unseen") == str(frozen.version) or frozen.simulated,
        "packages": packages(PACKAGES),
        "frozen": {name: getattr(frozen, name) for name in ("version", "sha256", "events", "source")},
        "network": {
            "file": bundle.NETWORK,
            "opset": onnx_graph.OPSET,
            "inputs": [_describe(tensor, network, task.schema) for tensor in network.inputs],
            "outputs": [_describe(tensor, network, task.schema) for tensor in network.outputs],
        },
        "parity": {
            "events": frozen.events,
            "tolerance": {kind: parity.tolerances(kind) for kind in sorted(set(network.kinds.values()))},
            "least_agreeing": parity.AGREEING,
            "outputs": [asdict(match) for match in agreement],
        },
        "golden": {"events": events},
    }


def _nameless(address: str) -> str:
    """Remove the user name and password from an address."""
    scheme, slashes, rest = address.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}{slashes}{place.rpartition('@')[2]}{slash}{path}"


def _describe(tensor: Tensor, network: _Network, schema: Schema) -> dict[str, Any]:
    """Describe an input or output for the manifest; the first axis, the events, has no length."""
    name, kind, shape = tensor
    description = dict(network.meaning[name])
    if names := description.pop("of", None):
        sources = [schema[column] for column in names]
        description = {
            "unit": ", ".join(column.unit for column in sources),
            "meaning": ", ".join(f"{column.name} ({column.meaning})" for column in sources),
        }
    return {"name": name, "type": kind, "shape": ["events", *shape], **description}


def _texts(task: Task, folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the parts of a bundle for readers and compilers."""
    for name, source in BUNDLED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(SOURCES / source, folder / name)
    inputs, outputs = (
        ", ".join(f"`{tensor['name']}`" for tensor in facts["network"][part])
        for part in ("inputs", "outputs")
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
