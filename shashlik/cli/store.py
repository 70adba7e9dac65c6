"""Command line of the whole store, for console and ``mlflow run``: backup, migration, upgrade, retention."""

from __future__ import annotations

from pathlib import Path

import click

from shashlik.cli.registry import PLACE, TEXT, WHOLE
from shashlik.exceptions import BadInput

__all__ = ["COMMANDS", "backup", "migrate", "restore", "retain", "upgrade", "webhook"]

STORE = "Address of the database.  [default: MLFLOW_BACKEND_STORE_URI, else the tracking store]"
ARTIFACTS = "Where the server keeps artifacts, folder or s3://...  [default: MLFLOW_ARTIFACTS_DESTINATION]"


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--store", type=TEXT, help=STORE)
@click.option("--artifacts", type=TEXT, help=ARTIFACTS)
@click.option("--only-database", is_flag=True, help="Leave the artifacts out.")
def backup(target: Path, store: str | None, artifacts: str | None, only_database: bool) -> None:
    """Back up the tracking store into TARGET, a new folder or file.tar; it may be in use."""
    from shashlik.commands import storage
    from tracking.storage.backup import backup as work

    address = storage.database(store)
    sha256 = work(
        target,
        address,
        storage.SCHEMAS,
        storage.facts(),
        artifacts=storage.artifacts(artifacts),
        journal=storage.journal(address),
        files=not only_database,
        say=click.echo,
    )
    click.echo(f"{target}: sha256 of its manifest {sha256}")


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--store", type=TEXT, help=STORE)
@click.option(
    "--artifacts", type=TEXT, help="Empty place for artifacts.  [default: mlruns; mlartifacts if served]"
)
@click.option("--sha256", type=TEXT, help="What the backup said of its manifest.")
@click.option(
    "--serve", type=TEXT, help="Will a server hand the artifacts out, yes or no?  [default: as it was]"
)
@click.option("--check", is_flag=True, help="Only check that the backup is complete and unchanged.")
def restore(
    source: Path, store: str | None, artifacts: str | None, sha256: str | None, serve: str | None, check: bool
) -> None:
    """Fill an empty store from the backup SOURCE; a new SQLite file or empty PostgreSQL database."""
    from shashlik.commands import storage
    from tracking.storage import restore as work

    if serve not in (None, "yes", "no"):
        raise BadInput(f"--serve {serve!r} is neither yes nor no")
    if check:
        manifest = work.check(source, sha256 or "")
        click.echo(
            f"{source} is complete and unchanged: {len(manifest['files'])} files of {manifest['made']}"
        )
        return
    address = storage.database(store)
    served = None if serve is None else serve == "yes"
    to = storage.artifacts(artifacts) or work.destination(source, served)
    work.restore(source, address, to, storage.SCHEMAS, sha256=sha256 or "", served=served, say=click.echo)
    click.echo(f"{storage.hidden(address)} is what was backed up; 'shashlik doctor TASK' looks closer")


@click.command()
@click.argument("source")
@click.argument("target")
def migrate(source: str, target: str) -> None:
    """Copy the database SOURCE into the empty database TARGET, such as SQLite into PostgreSQL."""
    from shashlik.commands import storage
    from tracking.storage.backup import state
    from tracking.storage.databases import load, new

    with state(source, storage.SCHEMAS, storage.journal(source)) as now, new(target) as connection:
        tables = {name: lambda name=name: now.rows(name) for name in now.tables}
        counts = load(connection, storage.SCHEMAS, now.present, tables, click.echo)
    click.echo(
        f"{sum(count.rows for count in counts.values())} rows of {len(counts)} tables are in "
        f"{storage.hidden(target)}, all read back and equal; artifacts stay where they are"
    )


@click.command()
@click.option("--store", type=TEXT, help=STORE)
@click.option(
    "--backup", "target", type=PLACE, help="Where the database is kept.  [default: a new .tar here]"
)
def upgrade(store: str | None, target: Path | None) -> None:
    """Bring the tables of the store up to the installed versions, after a backup; stop the server before."""
    from shashlik.commands import storage
    from shashlik.commands.upgrade import upgrade as work

    address = storage.database(store)
    done = work(address, target, click.echo)
    click.echo(f"{storage.hidden(address)} is up to date{'' if done else ' already'}")


@click.command()
@click.argument("task")
@click.option("--older", type=WHOLE, required=True, help="Runs that ended so many days ago, or earlier.")
@click.option("--keep-best", type=WHOLE, help="How many of the best stay nevertheless.  [default: 0]")
@click.option("--artifacts", type=TEXT, help=ARTIFACTS)
@click.option("--delete", is_flag=True, help="Delete them; they can be restored.")
@click.option("--collect", is_flag=True, help="Remove for good what was deleted, files too.")
def retain(
    task: str, older: int | None, keep_best: int | None, artifacts: str | None, delete: bool, collect: bool
) -> None:
    """List old runs of TASK that nothing in the registry stands on, or delete them."""
    from shashlik.commands import storage
    from shashlik.commands.retain import retain as work
    from shashlik.commands.session import session

    if older is None:
        raise BadInput("--older is missing: give a number of days")
    with session(task) as (definition, registry):
        work(
            registry,
            definition,
            older,
            keep_best or 0,
            delete,
            collect,
            storage.artifacts(artifacts),
            click.echo,
        )


@click.command()
@click.argument("task")
@click.option("--entry", type=WHOLE, help="Number of the entry.  [default: the last that it is told of]")
def webhook(task: str, entry: int | None) -> None:
    """Tell the webhook again of an entry in the journal of TASK, to try it or after a failure."""
    from registry.journal import webhook as work
    from registry.journal.state import state
    from shashlik.commands.session import session

    hook = work.configured()
    if hook is None:
        raise BadInput(f"there is no webhook: set {work.ADDRESS} and {work.SECRET}")
    with session(task) as (_, registry):
        entries = registry.journal.entries(task)
    matches = [
        record for record in entries if (record.number == entry if entry else record.event in work.EVENTS)
    ]
    if not matches:
        raise BadInput(f"the journal of {task} has no such entry: see 'shashlik history {task}'")
    latest = matches[-1]
    hook.deliver(work.message(latest, state(entries[: latest.number - 1]).champion))
    click.echo(f"{hook.place} was told of entry {latest.number} of {task} ({latest.event})")


COMMANDS = (backup, restore, migrate, upgrade, retain, webhook)
