"""A backup of a tracking store: the rows of all tables at one moment, and the files that they refer to.

The state of the database is taken first and files are copied after it. A file is there before the row that
refers to it, so whatever the rows of that moment refer to is found; what comes later is for the next backup.
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
#: Tables of ours, which may be in another database than mlflow's.
OURS = "shashlik_"


class State:
    """Tables of a store as they were at one moment.

    Parameters
    ----------
    tables : mapping of str to (Connection, Table)
        By name, each with the connection that sees that moment.
    present : mapping of str to str
        Revisions of the schemas, see `tracking.storage.databases.revisions`.
    """

    def __init__(
        self, tables: Mapping[str, tuple[sa.Connection, sa.Table]], present: Mapping[str, str]
    ) -> None:
        self.tables, self.present = tables, present

    def rows(self, name: str) -> tuple[list[str], Iterator[str]]:
        """Columns and rows of a table."""
        connection, table = self.tables[name]
        return [column.name for column in columns(table)], read(connection, table)

    def places(self) -> Places:
        """Where the artifacts are."""

        def values(table: str, *names: str) -> Sequence[Any]:
            connection, of = self.tables[table]
            query = sa.select(*(of.c[name] for name in names)).distinct()
            if table == "trace_tags":
                query = query.where(of.c.key == "mlflow.artifactLocation")
            return connection.execute(query).all()

        experiments = sorted(values("experiments", "experiment_id", "artifact_location"))
        others = [
            row[0]
            for table, column in COLUMNS[1:]
            # Databases of older versions lack some of them.
            if table in self.tables and column in self.tables[table][1].c
            for row in values(table, column)
        ]
        return found([tuple(row) for row in experiments], [address for address in others if address])


@contextmanager
def state(
    store: str, schemas: Sequence[Schema], journal: str = "", scratch: Path | None = None
) -> Iterator[State]:
    """The present state of a store, whoever writes to it meanwhile.

    Parameters
    ----------
    store : str
        Address of its database.
    schemas : sequence of Schema
        The first is mlflow's own.
    journal : str
        Address of the database that holds our tables, where that is another.
    scratch : pathlib.Path
        See `tracking.storage.databases.snapshot`.

    Raises
    ------
    Refused
        If the database cannot be read, or is none of mlflow.
    """
    with ExitStack() as stack:
        tables: dict[str, tuple[sa.Connection, sa.Table]] = {}
        present: dict[str, str] = {}
        # The journal first: it must not name versions that the other state does not have yet.
        for address in (journal, store) if journal else (store,):
            connection = stack.enter_context(snapshot(address, scratch))
            kept = {
                name: table
                for name, table in reflected(connection).items()
                if not journal or name.startswith(OURS) == (address == journal)
            }
            tables |= {name: (connection, table) for name, table in kept.items()}
            present |= {
                name: revision for name, revision in revisions(connection, schemas).items() if name in kept
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
        A new folder, or a new file whose name ends in ``.tar``.
    store, schemas, journal
        See `state`.
    facts : mapping
        What else the manifest is to say.
    artifacts : str
        Where the server keeps the artifacts that it hands out: a folder or an address.
    files : bool
        Whether artifacts are part of it.
    say : callable
        Told how far it is.

    Returns
    -------
    str
        SHA-256 of the manifest, which names the whole backup.

    Raises
    ------
    Refused
        If anything is in the way; there is no backup then.
    """
    with writing(target) as out:
        with state(store, schemas, journal, out.scratch) as now:
            places = now.places()
            # Before hours are spent.
            sources = (
                {name: located(address, artifacts) for name, address in places.trees.items()} if files else {}
            )
            names = tqdm(now.tables, desc="database", unit=" tables", disable=None, leave=False)
            counts = {name: _table(now, name, out) for name in names}
            present = dict(now.present)
        say(f"database: {sum(count.rows for count in counts.values())} rows of {len(counts)} tables")
        for name, address in sources.items():
            before = len(out.files)
            there = stores.files(address, out.scratch)
            for inner, path in tqdm(there, desc=places.trees[name], unit=" files", disable=None, leave=False):
                # A file that was removed meanwhile is none of that moment's any more.
                if path.exists():
                    out.add(f"{ARTIFACTS}/{name}/{inner}", path)
            if len(out.files) > before:
                say(f"artifacts of {places.trees[name]}: {len(out.files) - before} files")
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
    """Where the files of an address really are, as seen from the server.

    Raises
    ------
    Refused
        If only the server knows.
    """
    if not address.startswith(SERVED):
        return address
    if not artifacts:
        raise Refused(
            f"the artifacts at {address} are handed out by the tracking server: say where it keeps them with "
            "--artifacts, as in its --artifacts-destination"
        )
    return f"{artifacts.rstrip('/')}/{address.removeprefix(SERVED)}"


def _table(now: State, name: str, out: Writer) -> Count:
    names, lines = now.rows(name)
    path, count = out.scratch / "table.gz", Count()
    with gzip.open(path, "wt", compresslevel=3, encoding="utf-8", newline="\n") as file:
        file.write(json.dumps(names) + "\n")
        for line in lines:
            count.add(line)
            file.write(line + "\n")
    out.add(f"{DATABASE}/{name}.jsonl.gz", path)
    return count
