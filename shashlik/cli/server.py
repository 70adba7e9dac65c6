"""Command line of tracking server and index, for console and ``mlflow run``.

This module declares the commands and imports nothing heavy; each command imports its own dependencies.
"""

from __future__ import annotations

import os
import sys

import click

from shashlik.cli.registry import TEXT, WHOLE

__all__ = ["COMMANDS", "index", "override", "release", "server"]


@click.command()
@click.option(
    "--backend-store-uri",
    type=TEXT,
    help="Database: sqlite:///FILE, postgresql://...  [default: sqlite:///mlflow.db]",
)
@click.option("--artifacts-destination", type=TEXT, help="Folder or s3://...  [default: ./mlartifacts]")
@click.option("--host", type=TEXT, help="Where to listen.  [default: 127.0.0.1]")
@click.option("--port", type=WHOLE, help="[default: 5000]")
@click.option("--workers", type=WHOLE, help="Processes that answer.  [default: 1]")
@click.option("--auth", is_flag=True, help="Users have to log in.")
@click.option(
    "--default-permission",
    type=TEXT,
    help="On what nobody was given a permission.  [default: NO_PERMISSIONS]",
)
@click.option("--admin", type=TEXT, help="Name of the administrator.  [default: admin]")
@click.option(
    "--admin-password-file",
    type=TEXT,
    help="First password, else MLFLOW_AUTH_ADMIN_PASSWORD, a prompt, or made and shown once.",
)
@click.option(
    "--allowed-hosts",
    type=TEXT,
    help="Names under which this server is reached, with commas.  [default: private addresses]",
)
@click.option("--cors-allowed-origins", type=TEXT, help="Origins of other pages that may change something.")
def server(auth: bool, **given: str | int | None) -> None:
    """Run the tracking server, with journal, evidence and pages on it, until Ctrl-C."""
    from shashlik.commands.logins import Options
    from shashlik.commands.serve import serve

    # `mlflow run` passes empty options, which click would not replace by the variable.
    given["backend_store_uri"] = given["backend_store_uri"] or os.environ.get("MLFLOW_BACKEND_STORE_URI")
    options = Options(auth=auth, **{name: value for name, value in given.items() if value not in (None, "")})  # type: ignore[arg-type]
    sys.exit(serve(options, lambda line: click.echo(f"shashlik: {line}")))


@click.command()
@click.argument("task")
@click.option("--alias", type=TEXT, help="champion, or baseline-NAME.  [default: champion]")
@click.option("--version", type=WHOLE, help="What it is to be; without one there is no champion.")
@click.option("--why", type=TEXT, help="The reason; it is kept in the journal.")
def override(task: str, alias: str | None, version: int | None, why: str | None) -> None:
    """Set champion or a baseline of TASK against the gate; on a server for administrators."""
    from registry.models import versions
    from shashlik.commands.session import session

    with session(task) as (_, registry):
        if version is not None:
            versions.find(task, str(version))
        entry = registry.overrule(
            lambda journal: journal.override(task, alias or "champion", version, why or "")
        )
    label = "none" if version is None else f"version {version}"
    click.echo(
        f"{alias or 'champion'} of {task} is {label}, by an override; entry {entry.number} of the journal"
    )


@click.command()
@click.argument("task")
@click.argument("version", type=int)
@click.option("--why", type=TEXT, help="The reason; it is kept in the journal.")
def release(task: str, version: int, why: str | None) -> None:
    """Let a former champion or baseline of TASK be deleted; on a server for administrators."""
    from shashlik.commands.session import session

    with session(task) as (_, registry):
        entry = registry.overrule(lambda journal: journal.release(task, version, why or ""))
    click.echo(f"version {version} of {task} may be deleted; entry {entry.number} of the journal")


@click.command()
@click.option("--rebuild", is_flag=True, help="Make it anew from the artifacts of all runs.")
def index(rebuild: bool) -> None:
    """Say how much evidence of which task is in the index that leaderboards are made of."""
    from collections import Counter

    from tracking.index.records import Selection
    from tracking.runs.indexing import opened_index
    from tracking.runs.indexing import rebuild as work

    if rebuild:
        click.echo(f"{work(click.echo)} evidences indexed")
    with opened_index() as records:
        counts = Counter((head.task, head.sample) for head in records.heads(Selection()))
    for (task, sample), number in sorted(counts.items()):
        click.echo(f"{task:24} {sample:12} {number}")
    if not counts:
        click.echo("the index is empty; 'shashlik index --rebuild' fills it from the artifacts of all runs")


COMMANDS = (server, index, override, release)
