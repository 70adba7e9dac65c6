"""Read ROOT files into samples and write them, checked against the task's schema.

Files are read in chunks, so that memory holds only the columns that are kept. A path may be a glob, a
comma-separated list, or any URL that fsspec opens.
"""

from __future__ import annotations

import glob
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from tqdm import tqdm

from shashlik.exceptions import BadInput
from shashlik.task.sample import Sample, Schema

__all__ = ["chunks", "expand", "mapping", "read", "sample", "write"]


def expand(spec: str) -> list[str]:
    """List the files named by a comma-separated list of paths, globs and URLs.

    Raises
    ------
    BadInput
        When a path does not exist or a glob matches nothing.
    """
    files: list[str] = []
    for part in (piece.strip() for piece in spec.split(",")):
        if not part:
            continue
        if "://" in part:
            files.append(part)
        elif glob.has_magic(part):
            matches = sorted(glob.glob(os.path.expanduser(part), recursive=True))
            if not matches:
                raise BadInput(f"no file matches data={part!r}; look with: ls {part}")
            files += matches
        else:
            path = os.path.expanduser(part)
            if not os.path.exists(path):
                raise BadInput(f"no file {part!r}; give the path of a ROOT file, a glob or a URL")
            if os.path.isdir(path):
                raise BadInput(
                    f"{part!r} is a folder; name its files, for example {os.path.join(part, '*.root')!r}"
                )
            files.append(path)
    if not files:
        raise BadInput(f"data={spec!r} names no file; give the path of a ROOT file, a glob or a URL")
    return files


def mapping(text: str, schema: Schema) -> dict[str, str]:
    """Parse ``"e:E1+E2,px:px1,mass:0.106"`` into a mapping of column to its source.

    A source is a branch, an expression of branches, or a number.

    Raises
    ------
    BadInput
        For any other text, and for columns that the schema does not have.
    """
    sources: dict[str, str] = {}
    # A comma separates only where a new column begins, as expressions may contain commas.
    for part in re.split(r",(?=\s*[A-Za-z_]\w*\s*:)", text) if text.strip() else []:
        name, colon, expression = (piece.strip() for piece in part.partition(":"))
        if not (colon and expression):
            raise BadInput(
                f"cannot read {part!r} in columns={text!r}; give column:branch pairs, as in e:E1,px:px1"
            )
        if name not in schema.names:
            raise BadInput(f"columns={text!r} fills {name!r}; this task has: {', '.join(schema.names)}")
        sources[name] = expression
    return sources


def _number(expression: str) -> float | None:
    """Return the number that an expression consists of, if it is one."""
    try:
        return float(expression)
    except ValueError:
        return None


def _filled(
    tree: Any, schema: Schema, overrides: Mapping[str, str], events: int, file: str
) -> Iterator[dict[str, Any]]:
    """Yield columns of at most `events` entries of a tree whose branches have other names.

    Where branches hold lists and the schema has single values, every object becomes a row of its own.
    """
    numbers = {name: value for name in overrides if (value := _number(overrides[name])) is not None}
    sources = {name: overrides.get(name, name) for name in schema.names if name in overrides or name in tree}
    missing = [name for name in schema.required if name not in sources]
    if missing:
        raise BadInput(f"{file}: nothing fills the column {missing[0]!r}; add {missing[0]}:BRANCH to columns")
    expressions = list(dict.fromkeys(sources[name] for name in sources if name not in numbers))
    for arrays in tree.iterate(expressions, step_size=events, library="ak"):
        columns = {name: arrays[sources[name]] for name in sources if name not in numbers}
        single = not any(column.jagged for column in schema.columns)
        if single and any(array.ndim == 2 for array in columns.values()):
            columns = dict(zip(columns, map(ak.flatten, ak.broadcast_arrays(*columns.values())), strict=True))
        rows = len(next(iter(columns.values())))
        for name, value in numbers.items():
            columns[name] = np.full(rows, int(value) if schema[name].kind == "int" else value)
        yield columns


def _check_branches(tree: Any, schema: Schema, file: str) -> list[str]:
    """List the schema's columns to read from `tree`."""
    missing = [name for name in schema.required if name not in tree]
    if missing:
        raise BadInput(
            f"{file}: tree {schema.tree!r} lacks the branch {missing[0]!r}"
            f"{f' and {len(missing) - 1} more' if len(missing) > 1 else ''}; "
            f"needed: {', '.join(schema.required)}"
        )
    return [name for name in schema.names if name in tree]


def sample(schema: Schema, columns: Mapping[str, Any], source: str) -> Sample:
    """Build a sample from columns after checking types, jaggedness, equal counts and finite values.

    Jagged columns called ``<group>_<something>`` share one count per event, as the cells of a calorimeter do.

    Raises
    ------
    BadInput
        Names the column and the first offending event.
    """
    arrays: dict[str, Any] = {}
    counts: dict[str, tuple[str, Any]] = {}
    for column in schema.columns:
        if column.name not in columns:
            if column.optional:
                continue
            raise BadInput(f"{source}: no column {column.name!r}; needed: {', '.join(schema.required)}")
        array = columns[column.name]
        kind = np.int64 if column.kind == "int" else np.float64
        jagged = getattr(array, "ndim", 1) == 2
        if jagged != column.jagged:
            needed, actual = ("a list", "one value") if column.jagged else ("one value", "a list")
            raise BadInput(f"{source}: column {column.name!r} holds {actual} an event; {needed} is needed")
        try:
            flat = ak.to_numpy(ak.flatten(array) if jagged else array)
        except (ValueError, TypeError):
            flat = np.empty(0, dtype=object)
        if flat.dtype.kind not in ("iu" if column.kind == "int" else "iuf"):
            raise BadInput(
                f"{source}: column {column.name!r} holds {ak.type(array)}; {column.kind} is needed"
            )
        if not np.isfinite(flat).all():
            event = np.flatnonzero(
                ~ak.to_numpy(ak.all(np.isfinite(array), axis=1)) if jagged else ~np.isfinite(flat)
            )[0]
            raise BadInput(
                f"{source}: column {column.name!r} is not finite in event {event}; remove such events first"
            )
        if jagged:
            group = column.name.split("_")[0]
            array = ak.from_regular(array)  # as a branch of fixed length is read
            number = ak.num(array)
            if column.count and not ak.all(number == column.count):
                event = np.flatnonzero(ak.to_numpy(number != column.count))[0]
                raise BadInput(
                    f"{source}: column {column.name!r} holds {number[event]} values in event {event}; "
                    f"{column.count} are needed"
                )
            first, expected = counts.setdefault(group, (column.name, number))
            if not ak.all(number == expected):
                event = np.flatnonzero(ak.to_numpy(number != expected))[0]
                raise BadInput(
                    f"{source}: columns {first!r} and {column.name!r} differ in length in event {event}; "
                    "they must describe the same objects"
                )
            arrays[column.name] = ak.values_astype(array, kind)
        else:
            arrays[column.name] = flat.astype(kind)
    return Sample(schema, arrays, source)


def chunks(
    spec: str,
    schema: Schema,
    events: int = 100_000,
    progress: bool = False,
    given: Mapping[str, str] | None = None,
) -> Iterator[Sample]:
    """Read samples of at most `events` events each from all files that `spec` names, in their order.

    Parameters
    ----------
    spec : str
        See `expand`.
    schema : Schema
        Tree and columns.
    events : int
        Maximum number of entries read at once.
    progress : bool
        Whether to show a progress bar over the files.
    given : mapping of str to str, optional
        Sources of columns that the files have under other names, see `mapping`. They win over values from
        the file name, see `shashlik.task.sample.Schema.named`.

    Raises
    ------
    BadInput
        For files that are missing, unreadable, truncated, without the tree or one of its branches, or with
        values that are not finite.
    """
    for file in tqdm(expand(spec), desc="files", unit="file", disable=not progress):
        if "://" not in file and os.path.getsize(file) == 0:
            raise BadInput(f"{file} is empty (0 bytes); write it again")
        try:
            with uproot.open(file) as opened:
                if schema.tree not in opened:
                    raise BadInput(
                        f"{file} has no tree {schema.tree!r}; it has: {', '.join(opened.keys()) or 'nothing'}"
                    )
                tree = opened[schema.tree]
                sources = {
                    name: f"{value!r}" for name, value in schema.named(file).items() if name not in tree
                }
                sources |= given or {}
                if sources:
                    for columns in _filled(tree, schema, sources, events, file):
                        yield sample(schema, columns, file)
                    continue
                names = _check_branches(tree, schema, file)
                for arrays in tree.iterate(names, step_size=events, library="ak"):
                    yield sample(schema, {name: arrays[name] for name in names}, file)
        except BadInput:
            raise
        except Exception as error:  # uproot raises many kinds for broken files; all mean the same to the user
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise BadInput(
                f"cannot read {file} as a ROOT file ({type(error).__name__}: {reason[:120]}); "
                "copy or write it again"
            ) from error


def read(spec: str, schema: Schema, progress: bool = False, given: Mapping[str, str] | None = None) -> Sample:
    """Read all events of all files that `spec` names as one sample, see `chunks`.

    Raises
    ------
    BadInput
        As `chunks`, and when the files hold no event.
    """
    parts = [part for part in chunks(spec, schema, progress=progress, given=given) if len(part)]
    if not parts:
        raise BadInput(f"data={spec!r} holds 0 events; give a file with events in the tree {schema.tree!r}")
    return Sample.concatenate(parts)


def write(events: Sample, path: Path) -> None:
    """Write the sample as a ROOT file of its schema; the name appears only when the file is complete.

    Jagged columns of one group are written as one group of branches with a common counter.

    Raises
    ------
    OSError
        When the file cannot be written; no partial file is left.
    """
    groups: dict[str, dict[str, Any]] = defaultdict(dict)
    branches: dict[str, Any] = {}
    for column in events.schema.columns:
        if column.name not in events:
            continue
        array = events[column.name]
        kind = np.int64 if column.kind == "int" else np.float32
        if column.jagged:
            values = ak.values_astype(array, kind)
            group, several, name = column.name.partition("_")
            if several:
                groups[group][name] = values
            else:
                branches[group] = values
        else:
            branches[column.name] = array.astype(kind)
    branches |= {group: ak.zip(members) for group, members in groups.items()}
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with uproot.recreate(partial) as file:
            file.mktree(
                events.schema.tree,
                {
                    name: array.type.content if isinstance(array, ak.Array) else array.dtype
                    for name, array in branches.items()
                },
            )
            file[events.schema.tree].extend(branches)
        os.replace(partial, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        partial.unlink(missing_ok=True)
