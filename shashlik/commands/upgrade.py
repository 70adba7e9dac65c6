"""Upgrade the tables of a store to the installed versions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from shashlik.commands import storage
from tracking.database import transacting
from tracking.exceptions import Refused
from tracking.storage.backup import backup
from tracking.storage.databases import hidden, revisions, snapshot

__all__ = ["upgrade"]


def upgrade(store: str, target: Path | None, say: Callable[[str], object] = print) -> bool:
    """Run the missing migrations, ours and mlflow's, in one transaction, after a backup.

    Parameters
    ----------
    store : str
        Address of the database.
    target : pathlib.Path or None
        File for the backup of the database; by default one in this folder, named after the time.

    Returns
    -------
    bool
        Whether any migration was missing.

    Raises
    ------
    Refused
        If the database cannot be read, or a newer version created it. Nothing is changed then.
    """
    with snapshot(store) as connection:
        present = revisions(connection, storage.SCHEMAS)
    if storage.SCHEMAS[0].versions not in present:
        raise Refused(f"{hidden(store)} has no tables of mlflow: give the address of its store")
    due = [schema for schema in storage.SCHEMAS if present.get(schema.versions, schema.head) != schema.head]
    steps = {schema.name: schema.missing(present[schema.versions]) for schema in due}
    for schema in storage.SCHEMAS:
        if schema.versions in present and schema not in due:
            say(f"{schema.name}: revision {schema.head} is the newest")
    if not due:
        return False
    target = target or Path(f"before-upgrade-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar")
    sha256 = backup(
        target, store, storage.SCHEMAS, storage.facts(), journal=storage.journal(store), files=False, say=say
    )
    say(f"{target}: the database as it was, sha256 of its manifest {sha256}")
    with transacting(store) as engine, engine.begin() as connection:
        for schema in due:
            schema.upgrade(connection)
    for schema in due:
        say(f"{schema.name}: revision {present[schema.versions]} -> {schema.head}")
        for step in steps[schema.name]:
            say(f"  {step}")
    return True
