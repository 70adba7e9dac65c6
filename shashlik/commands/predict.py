"""Predict files of any size with a registered model, and write a friend tree."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import uproot
from tqdm import tqdm

from registry.models import model_files, versions
from shashlik.exceptions import BadInput
from shashlik.task import rootio
from shashlik.task.definition import Task
from shashlik.task.sample import Schema
from tracking.runs.models import load

__all__ = ["TREE", "predict"]

TREE = "predictions"
#: Maximum number of events in memory.
CHUNK = 20_000


def predict(
    task: Task, reference: str, files: Sequence[str], output: Path, columns: str = "", chunk: int = CHUNK
) -> int:
    """Predict every event of ROOT files, in their order, into a tree with one entry for each.

    The tree holds the outputs as 32 bit floats, and the ids of the events. It is aligned with the chain of
    the input files and can be its friend: ``chain.AddFriend("predictions", "out.root")``. The output file
    appears only when it is complete.

    Parameters
    ----------
    task : Task
    reference : str
        The model, see `registry.models.versions.find`.
    files : sequence of str
        Paths, globs and URLs.
    output : pathlib.Path
        New file.
    columns : str
        Sources of columns that the files have under other names, see `shashlik.task.rootio.mapping`.
    chunk : int
        Maximum number of events in memory.

    Returns
    -------
    int
        Number of predicted events.

    Raises
    ------
    BadInput
        For files that cannot be read, or an output that exists or cannot be written.
    """
    if output.exists():
        raise BadInput(f"{output} is there already; name another output or remove it")
    if not output.parent.is_dir():
        raise BadInput(f"{output}: the folder {output.parent} does not exist; make it first")
    paths = rootio.expand(",".join(files))
    version = versions.find(task.name, reference)
    folder = versions.fetch(task.name, str(version.number))
    model, inputs = load(folder)
    schema = _needed(task.schema, inputs)
    sources = rootio.mapping(columns, task.schema)
    ids = schema.having("id")
    partial = output.with_name(f"{output.name}.{os.getpid()}.partial")
    done = 0
    try:
        with uproot.recreate(partial) as file, tqdm(total=_entries(paths, schema), unit="event") as bar:
            for path in paths:
                for sample in rootio.chunks(path, schema, events=chunk, given=sources):
                    outputs = model({name: sample[name] for name in inputs})
                    branches = {name: np.asarray(sample[name], np.int64) for name in ids if name in sample}
                    branches |= {name: values.astype(np.float32) for name, values in outputs.items()}
                    wrong = [name for name, values in branches.items() if len(values) != len(sample)]
                    if wrong:
                        raise BadInput(
                            f"{version.name} gave other than one {wrong[0]!r} an event: not written"
                        )
                    if not done:
                        file.mktree(TREE, {name: values.dtype for name, values in branches.items()})
                    file[TREE].extend(branches)
                    done += len(sample)
                    bar.update(len(sample))
            if not done:
                raise BadInput(
                    f"{', '.join(files)} hold no events; give files with events in {schema.tree!r}"
                )
            file["model"] = f"{task.name} version {version.number}, sha256 {model_files.sha256(folder)}"
        os.replace(partial, output)
    except OSError as error:
        raise BadInput(
            f"cannot write {output} ({error.strerror}): make room or choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return done


def _needed(schema: Schema, inputs: Sequence[str]) -> Schema:
    """Restrict a schema to the inputs and ids, as a prediction needs no truth."""
    return Schema(
        schema.tree,
        tuple(column for column in schema.columns if column.name in inputs or column.role == "id"),
    )


def _entries(paths: Sequence[str], schema: Schema) -> int | None:
    """Count the events in all files, for the progress bar; None where that fails."""
    try:
        return sum(number for *_, number in uproot.num_entries([{path: schema.tree} for path in paths]))
    except Exception:
        # Reading the files reports the problem in detail.
        return None
