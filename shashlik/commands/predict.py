"""``shashlik predict``: predictions of a registered model for files of any size, as a friend tree."""

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
#: Events in memory at a time.
CHUNK = 20_000


def predict(
    task: Task, reference: str, files: Sequence[str], output: Path, columns: str = "", chunk: int = CHUNK
) -> int:
    """Predict every event of ROOT files, in their order, into a tree with one entry for each.

    The tree holds the outputs as 32 bit floats and the ids of the events. As it is aligned with the chain of
    the input files, it can be its friend: ``chain.AddFriend("predictions", "out.root")``. The output file
    appears when it is complete, and not before.

    Parameters
    ----------
    task : Task
    reference : str
        The model, see `registry.models.versions.find`.
    files : sequence of str
        Paths, globs and URLs.
    output : pathlib.Path
        Must not be there yet.
    columns : str
        What fills columns that the files have under other names, see `shashlik.task.rootio.mapping`.
    chunk : int
        Events in memory at a time.

    Returns
    -------
    int
        Events predicted.

    Raises
    ------
    BadInput
        For files that cannot be read, or an output that is there or cannot be written.
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
    given = rootio.mapping(columns, task.schema)
    ids = schema.having("id")
    partial = output.with_name(f"{output.name}.{os.getpid()}.partial")
    done = 0
    try:
        with uproot.recreate(partial) as file, tqdm(total=_entries(paths, schema), unit="event") as bar:
            for path in paths:
                for sample in rootio.chunks(path, schema, events=chunk, given=given):
                    found = model({name: sample[name] for name in inputs})
                    branches = {name: np.asarray(sample[name], np.int64) for name in ids if name in sample}
                    branches |= {name: values.astype(np.float32) for name, values in found.items()}
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
    """Columns of a file that is only predicted: no truth."""
    return Schema(schema.tree, tuple(c for c in schema.columns if c.name in inputs or c.role == "id"))


def _entries(paths: Sequence[str], schema: Schema) -> int | None:
    """Events in all files, for the progress bar; None where that cannot be said."""
    try:
        return sum(number for *_, number in uproot.num_entries([{path: schema.tree} for path in paths]))
    except Exception:
        # Reading itself tells in detail what is wrong.
        return None
