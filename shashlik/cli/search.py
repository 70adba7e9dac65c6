"""Command line of a search, for console and ``mlflow run``; `shashlik.search` implements it."""

from __future__ import annotations

import os

import click

from shashlik.exceptions import BadInput

__all__ = ["COMMANDS", "tune", "worker"]


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@click.argument("task")
@click.argument("parameters", nargs=-1, type=click.UNPROCESSED)
def tune(task: str, parameters: tuple[str, ...]) -> None:
    """Search hyper-parameters of TASK; train the best again and register them as candidates.

    PARAMETERS: --name value, those of the search (listed below) and those of the task (see 'tasks').
    """
    from shashlik.search.settings import SearchSettings
    from shashlik.task.settings import describe

    if {"-h", "--help"} & {task, *parameters}:
        click.echo(click.get_current_context().get_help())
        click.echo(f"\n{describe(SearchSettings, {})}")
        return
    from registry.gate.card import terminal
    from shashlik.commands import promote
    from shashlik.commands.session import session
    from shashlik.search.tune import tune as search
    from shashlik.task.settings import parse

    candidate = search(task, parameters, click.echo)
    if parse(parameters).get("then") == "promote":
        if not candidate:
            raise BadInput("then=promote, but no candidate was registered: give best=1 or more")
        with session(task) as (definition, registry):
            verdict = promote.promote(registry, definition, candidate, say=click.echo)
        click.echo(f"\n{terminal(verdict)}")


@click.command()
@click.option("--name", default="", help="Of this worker among all.  [default: host and process]")
@click.option("--cores", default="", help="Cores that it may use, by number: 0,1.  [default: all]")
@click.option("--parent", type=int, help="Process that started it; it ends when that one does.")
def worker(name: str, cores: str, parent: int | None) -> None:
    """Run trials of the search that KERASTUNER_ORACLE_IP and KERASTUNER_ORACLE_PORT name, until it ends.

    It records where MLFLOW_TRACKING_URI says, as the search does.
    """
    if cores:
        try:
            affinity = [int(core) for core in cores.split(",")]
        except ValueError:
            raise BadInput(f"--cores {cores!r} is not a list of numbers such as 0,1") from None
        if hasattr(os, "sched_setaffinity"):
            # Before any library counts the cores.
            try:
                os.sched_setaffinity(0, affinity)
            except OSError:
                raise BadInput(f"--cores {cores!r}: none of these is a core of this machine") from None
    from shashlik.search.worker import follow, search_of, work

    if parent:
        follow(parent)
    from shashlik.search.trial import searched

    search = searched(search_of())
    click.echo(f"a worker of search {search.run_id} of {search.task.name}")
    work(search.perform, name)


COMMANDS = (tune, worker)
