"""Backup of a tracking store: the rows of all tables at one moment, and the files that they refer to.

The state of the database is read first and the files are copied after it. A file exists before the row that
refers to it, so all files of the rows are available. Later rows and files belong to the next backup.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from tqdm import tqdm

from tracking.exceptions import Refused
from tracking.schema import Schema
from tracking.storage import artifacts as stores
from tracking.storage.archive import Writer, writing
from tracking.storage.databases import hidden, revisions, snapshot
from tracking.storage.places import COLUMNS, SERVED, Places, found
from tracking.storage.rows import Count, columns, read, reflected

__all__ = ["ARTIFACTS", "DATABASE", "State", "backup", "located", "state"]

DATABASE, ARTIFACTS = "database", "artifacts"
#: Prefix of our tables, which may be in another database than mlflow's.
OURS = "shashlik_"


class State:
    """State of the tables of a store at one moment.

    Parameters
    ----------
    tables : mapping of str to (Connection, Table)
        Tables by name, each with the connection that sees that moment.
    present : mapping of str to str
        Revisions of the schemas, see `tracking.storage.databases.revisions`.
    """

    def __init__(
        self, tables: Mapping[str, tuple[sa.Connection, sa.Table]], present: Mapping[str, str]
    ) -> None:
        self.tables, self.present = tables, present

    def rows(self, name: str) -> tuple[list[str], Iterator[str]]:
        """Read the columns and rows of a table."""
        connection, table = self.tables[name]
        return [column.name for column in columns(table)], read(connection, table)

    def places(self) -> Places:
        """Find the addresses of the artifacts."""

        def values(table: str, *names: str) -> Sequence[Any]:
            connection, columns_of_table = self.tables[table]
            query = sa.select(*(columns_of_table.c[name] for name in names)).distinct()
            if table == "trace_tags":
                query = query.where(columns_of_table.c.key == "mlflow.artifactLocation")
            return connection.execute(query).all()

        experiments = sorted(values("experiments", "experiment_id", "artifact_location"))
        others = [
            row[0]
            for table, column in COLUMNS[1:]
            # Databases of older versions lack some of these columns.
            if table in self.tables and column in self.tables[table][1].c
            for row in values(table, column)
        ]
        return found([tuple(row) for row in experiments], [address for address in others if address])


@contextmanager
def state(
    store: str, schemas: Sequence[Schema], journal: str = "", scratch: Path | None = None
) -> Iterator[State]:
    """Read the present state of a store, independent of concurrent writers.

    Parameters
    ----------
    store : str
        Address of the database of the store.
    schemas : sequence of Schema
        Schemas of the tables; the first is mlflow's own.
    journal : str
        Address of the database with our tables, if it is another one.
    scratch : pathlib.Path
        See `tracking.storage.databases.snapshot`.

    Raises
    ------
    Refused
        If the database cannot be read, or is not a database of mlflow.
    """
    with ExitStack() as stack:
        tables: dict[str, tuple[sa.Connection, sa.Table]] = {}
        present: dict[str, str] = {}
        # The journal first: it must not refer to versions that are missing in the other state.
        for address in (journal, store) if journal else (store,):
            connection = stack.enter_context(snapshot(address, scratch))
            selected = {
                name: table
                for name, table in reflected(connection).items()
                if not journal or name.startswith(OURS) == (address == journal)
            }
            tables |= {name: (connection, table) for name, table in selected.items()}
            present |= {
                name: revision
                for name, revision in revisions(connection, schemas).items()
                if name in selected
            }
        if schemas[0].versions not in present:
            raise Refused(
                f"{hidden(store)} has no tables of {schemas[0].name}: give the address of its store"
            )
        yield State(tables, present)


def backup(
    target: Path,
    store: str,
    schemas: Sequence[Schema],
    facts: Mapping[str, Any],
    *,
    artifacts: str = "",
    journal: str = "",
    files: bool = True,
    say: Callable[[str], object] = print,
) -> str:
    """Write a backup.

    Parameters
    ----------
    target : pathlib.Path
        New folder, or new file whose name ends in ``.tar``.
    store, schemas, journal
        See `state`.
    facts : mapping
        Additional entries of the manifest.
    artifacts : str
        Folder or address where the server stores the artifacts that it serves.
    files : bool
        Whether the backup includes artifacts.
    say : callable
        Function that reports progress.

    Returns
    -------
    str
        SHA-256 of the manifest, which identifies the whole backup.

    Raises
    ------
    Refused
        If the backup fails; no partial backup remains.
    """
    with writing(target) as out:
        with state(store, schemas, journal, out.scratch) as present_state:
            places = present_state.places()
            # Fails before hours are spent on copying.
            sources = (
                {name: located(address, artifacts) for name, address in places.trees.items()} if files else {}
            )
            names = tqdm(present_state.tables, desc="database", unit=" tables", disable=None, leave=False)
            counts = {name: _table(present_state, name, out) for name in names}
            present = dict(present_state.present)
        say(f"database: {sum(count.rows for count in counts.values())} rows of {len(counts)} tables")
        for name, address in sources.items():
            previous = len(out.files)
            remaining_files = stores.files(address, out.scratch)
            for inner, path in tqdm(
                remaining_files, desc=places.trees[name], unit=" files", disable=None, leave=False
            ):
                # Skip files that were removed meanwhile.
                if path.exists():
                    out.add(f"{ARTIFACTS}/{name}/{inner}", path)
            if len(out.files) > previous:
                say(f"artifacts of {places.trees[name]}: {len(out.files) - previous} files")
        return out.finish(
            {
                **facts,
                "store": hidden(store),
                "revisions": present,
                "tables": {
                    name: {"rows": count.rows, "digest": count.digest} for name, count in counts.items()
                },
                "artifacts": files,
                "places": {"trees": places.trees, "roots": places.roots},
            }
        )


def located(address: str, artifacts: str) -> str:
    """Resolve the address of files that a tracking server serves.

    Raises
    ------
    Refused
        If only the server knows the address.
    """
    if not address.startswith(SERVED):
        return address
    if not artifacts:
        raise Refused(
            f"the artifacts at {address} are handed out by the tracking server: say where it keeps them with "
            "--artifacts, as in its --artifacts-destination"
        )
    return f"{artifacts.rstrip('/')}/{address.removeprefix(SERVED)}"


def _table(present_state: State, name: str, out: Writer) -> Count:
    names, lines = present_state.rows(name)
    path, count = out.scratch / "table.gz", Count()
    with gzip.open(path, "wt", compresslevel=3, encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(names) + "\n")
        for line in lines:
            count.add(line)
            file.write(line + "\n")
    out.add(f"{DATABASE}/{name}.jsonl.gz", path)
    return count
